//! Test vectors of WebAuthn Level 3 section 16: an authenticator and a client nobody here wrote.

use keystead_adapters_webauthn::WebAuthn;
use keystead_application::ports::{
    PasskeyCeremony, PasskeyError, PasskeyVerifier, RegisteredCredential, UserVerification,
};
use serde_json::json;

use crate::authenticator::{aaguid, assertion_answer, base64url, passkey_of, registration_answer};

/// What is added to some client data, so that nobody counts on their members.
const EXTRA: &str = "clientDataJSON may be extended with additional fields in the future, such as this: ";

fn relying_party() -> WebAuthn {
    WebAuthn::try_new("example.org", "Example", &["https://example.org".parse().unwrap()]).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The state of a ceremony whose challenge is the vector's: it is part of the state as a text.
fn state(ceremony: &PasskeyCeremony, challenge: &[u8]) -> Vec<u8> {
    let state = String::from_utf8(ceremony.state.clone()).unwrap();
    state.replace(&ceremony.challenge, &base64url(challenge)).into_bytes()
}

fn client_data(kind: &str, challenge: &[u8], members: &str) -> String {
    let challenge = base64url(challenge);
    format!(r#"{{"type":"webauthn.{kind}","challenge":"{challenge}","origin":"https://example.org",{members}}}"#)
}

pub fn same_origin(extra: Option<&str>) -> String {
    let extra = extra.map_or_else(String::new, |random| format!(r#","extraData":"{EXTRA}{random}""#));
    format!(r#""crossOrigin":false{extra}"#)
}

pub fn register(
    challenge: &str,
    id: &str,
    members: &str,
    attestation_object: &str,
) -> Result<RegisteredCredential, PasskeyError> {
    let rp = relying_party();
    let user = crate::authenticator::ada();
    let ceremony = rp.begin_registration(&user, &[], UserVerification::Preferred).unwrap();
    let challenge = hex(challenge);
    let client_data = client_data("create", &challenge, members);
    let answer = registration_answer(&hex(id), client_data.as_bytes(), &hex(attestation_object));
    rp.finish_registration(&answer.to_string(), &state(&ceremony, &challenge))
}

pub fn sign_in(registered: RegisteredCredential, challenge: &str, members: &str, data: &str, signature: &str) -> bool {
    let rp = relying_party();
    let passkey = passkey_of(registered);
    let ceremony = rp.begin_assertion(std::slice::from_ref(&passkey), UserVerification::Preferred).unwrap();
    let challenge = hex(challenge);
    let client_data = client_data("get", &challenge, members);
    let id = passkey.credential_id.as_bytes();
    let answer = assertion_answer(id, client_data.as_bytes(), &hex(data), &hex(signature), None);
    rp.finish_assertion(&answer.to_string(), &state(&ceremony, &challenge), &passkey).is_ok()
}

#[test]
fn w07_es256_without_attestation() {
    let registered = register(
        "00c30fb78531c464d2b6771dab8d7b603c01162f2fa486bea70f283ae556e130",
        "f91f391db4c9b2fde0ea70189cba3fb63f579ba6122b33ad94ff3ec330084be4",
        &same_origin(Some("BkQeDjdcTBrXBiAwJTLE5Q")),
        "a363666d74646e6f6e656761747453746d74a068617574684461746158a4bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5\
         e0f01452b2e4b559000000008446ccb9ab1db374750b2367ff6f3a1f0020f91f391db4c9b2fde0ea70189cba3fb63f579ba6122b33ad94\
         ff3ec330084be4a5010203262001215820afefa16f97ca9b2d23eb86ccb64098d20db90856062eb249c33a9b672f26df61225820930a56\
         b87a2fca66334b03458abf879717c12cc68ed73290af2e2664796b9220",
    )
    .unwrap();
    assert_eq!(registered.aaguid, aaguid(hex("8446ccb9ab1db374750b2367ff6f3a1f").try_into().unwrap()));
    assert!(registered.backup_eligible && registered.backed_up && !registered.user_verified);
    assert!(sign_in(
        registered,
        "39c0e7521417ba54d43e8dc95174f423dee9bf3cd804ff6d65c857c9abf4d408",
        &same_origin(None),
        "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b51900000000",
        "3046022100f50a4e2e4409249c4a853ba361282f09841df4dd4547a13a87780218deffcd380221008480ac0f0b93538174f575bf11a1dd\
         5d78c6e486013f937295ea13653e331e87",
    ));
}

#[test]
fn w07_es256_with_self_attestation() {
    let registered = register(
        "7869c2b772d4b58eba9378cf8f29e26cf935aa77df0da89fa99c0bdc0a76f7e5",
        "455ef34e2043a87db3d4afeb39bbcb6cc32df9347c789a865ecdca129cbef58c",
        &same_origin(Some("U9hTXvKE2URkMnb_0xYHVg")),
        "a363666d74667061636b65646761747453746d74a263616c672663736967584630440220067a20754ab925005dbf378097c92120031581\
         c73228d1fb4f5b881bcd7da98302207fc7b147558c7c0eba3af18bd9d121fa3d3a26d17fe3f220272178f473b6006d6861757468446174\
         6158a4bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b55d00000000df850e09db6afbdfab51697791506c\
         fc0020455ef34e2043a87db3d4afeb39bbcb6cc32df9347c789a865ecdca129cbef58ca5010203262001215820eb151c8176b225cc6515\
         59fecf07af450fd85802046656b34c18f6cf193843c5225820927b8aa427a2be1b8834d233a2d34f61f13bfd44119c325d5896e183fee4\
         84f2",
    )
    .unwrap();
    assert!(registered.backup_eligible && registered.backed_up && registered.user_verified);
    assert!(sign_in(
        registered,
        "4478a10b1352348dd160c1353b0d469b5db19eb91c27f7dfa6fed39fe26af20b",
        &same_origin(Some("gTb53rz6EhSWomXGzimC1Q")),
        "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b50900000000",
        "304402203310b9431903c401f1be2bdc8d23a4007682dbbddcf846994947b7f465daf84002204e94dd00047b316061b3b99772b7efd959\
         94a83ef584b3b6b825ea3550251b66",
    ));
}

/// The certificate's authority is nobody's: a statement proves nothing here, but a wrong one is refused.
#[test]
fn w07_es256_with_attestation() {
    let packed = |signature: &str| {
        let object = [
            "a363666d74667061636b65646761747453746d74a363616c672663736967584730450220",
            signature,
            "022100fe7041a32759aff05a0f9f26c70a999c7a284451ba89234a1d3483c25e21925b637835638159022530820221308201c8a00302\
             010202110088c220f83c8ef1feafe94deae45faad0300a06082a8648ce3d0403023062311e301c06035504030c15576562417574686e\
             207465737420766563746f7273310c300a060355040a0c0357334331253023060355040b0c1c41757468656e74696361746f72204174\
             746573746174696f6e204341310b30090603550406130241413020170d3234303130313030303030305a180f33303234303130313030\
             303030305a305f311e301c06035504030c15576562417574686e207465737420766563746f7273310c300a060355040a0c0357334331\
             223020060355040b0c1941757468656e74696361746f72204174746573746174696f6e310b3009060355040613024141305930130607\
             2a8648ce3d020106082a8648ce3d03010703420004a91ba4389409dd38a428141940ca8feb1ac0d7b4350558104a3777a49322f37984\
             40f378b3398ab2d3bb7bf91322c92eb23556f59ad0a836fec4c7663b0e4dc3a360305e300c0603551d130101ff04023000300e060355\
             1d0f0101ff040403020780301d0603551d0e04160414a589ba72d060842ab11f74fb246bdedab16f9b9b301f0603551d230418301680\
             1445aff715b0dd786741fee996ebc16547a3931b1e300a06082a8648ce3d040302034700304402201726b9d85ecd8a5ed51163722ca3\
             a20886fd9b242a0aa0453d442116075defd502207ef471e530ac87961a88a7f0d0c17b091ffc6b9238d30f79f635b417be5910e76861\
             7574684461746158a4bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b54d00000000876ca4f52071c3e9\
             b25509ef2cdf7ed60020c9a6f5b3462d02873fea0c56862234f99f081728084e511bb7760201a89054a5a50102032620012158201cf2\
             7f25da591208a4239c2e324f104f585525479a29edeedd830f48e77aeae522582059e4b7da6c0106e206ce390c93ab98a15a5ec3887e\
             57f0cc2bece803b920c423",
        ];
        register(
            "c1184a5fddf8045e13dc47f54b61f5a656b666b59018f16d870e9256e9952012",
            "c9a6f5b3462d02873fea0c56862234f99f081728084e511bb7760201a89054a5",
            &same_origin(Some("9a8bNYjKCgWrBXU-fCl1ag")),
            &object.concat(),
        )
    };
    let registered = packed("3f19ec4b229f46ab8c45eff29b904ff10c0390dc40bf1216f04a78f4ceba3425").unwrap();
    assert_eq!(registered.aaguid, aaguid(hex("876ca4f52071c3e9b25509ef2cdf7ed6").try_into().unwrap()));
    assert!(registered.backup_eligible && !registered.backed_up && registered.user_verified);
    assert!(sign_in(
        registered,
        "b1106fa46a57bef1781511c0557dc898a03413d5f0f17d244630c194c7e1adb5",
        &same_origin(Some("AZMwyMxIbD8-uguFNp6r8Q")),
        "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b50d00000000",
        "30450220694969d3ee928de6f02ef23a9c644d7d779916451734a94b432542f498a1ebe90221008b0819c824218a97152cd099c55bfb14\
         77b29d900a49a64018314f9bfccda163",
    ));
    let forged = packed("3f19ec4b229f46ab8c45eff29b904ff10c0390dc40bf1216f04a78f4ceba3426");
    assert_eq!(forged, Err(PasskeyError::Invalid));
}

/// These are refused by our policy: no page of ours is framed by another origin. `none` signs nothing, so the same
/// attestation with the member changed is taken, which shows that the member is why.
#[test]
fn w07_cross_origin_and_top_origin_are_refused() {
    let cross_origin = |members: &str| {
        register(
            "3be5aacd03537142472340ab5969f240f1d87716e20b6807ac230655fa4b3b49",
            "6e1050c0d2ca2f07c755cb2c66a74c64fa43065c18f938354d9915db2bd5ce57",
            members,
            "a363666d74646e6f6e656761747453746d74a068617574684461746158a4bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592\
             a5e0f01452b2e4b54500000000883f4f6014f19c09d87aa38123be48d000206e1050c0d2ca2f07c755cb2c66a74c64fa43065c18f938\
             354d9915db2bd5ce57a501020326200121582022200a473f90b11078851550d03b4e44a2279f8c4eca27b3153dedfe03e4e97d225820\
             cbd0be95e746ad6f5a8191be11756e4c0420e72f65b466d39bc56b8b123a9c6e",
        )
    };
    let extra = format!(r#""extraData":"{EXTRA}zZquEtDR9DWqpW5tBWTFug""#);
    assert_eq!(cross_origin(&format!(r#""crossOrigin":true,{extra}"#)), Err(PasskeyError::Invalid));
    assert!(cross_origin(&format!(r#""crossOrigin":false,{extra}"#)).is_ok());

    let top_origin = |members: serde_json::Value| {
        let members = members.to_string();
        register(
            "4e1f4c6198699e33c14f192153f49d7e0e8e3577d5ac416c5f3adc92a41f27e5",
            "b8ad59b996047ab18e2ceb57206c362da57458793481f4a8ebf101c7ca7cc0f1",
            members.trim_matches(['{', '}']),
            "a363666d74646e6f6e656761747453746d74a068617574684461746158a4bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592\
             a5e0f01452b2e4b5410000000097586fd09799a76401c200455099ef2a0020b8ad59b996047ab18e2ceb57206c362da57458793481f4\
             a8ebf101c7ca7cc0f1a5010203262001215820a1c47c1d82da4ebe82cd72207102b380670701993bc35398ae2e5726427fe01d225820\
             86c1080d82987028c7f54ecb1b01185de243b359294a0ed210cd47480f0adc88",
        )
    };
    let refused = json!({ "crossOrigin": true, "topOrigin": "https://example.com" });
    assert_eq!(top_origin(refused), Err(PasskeyError::Invalid));
    assert_eq!(top_origin(json!({ "topOrigin": "https://example.com" })), Err(PasskeyError::Invalid));
    assert!(top_origin(json!({ "crossOrigin": false })).is_ok());
}
