//! Tokens nobody may make.

use hmac::{Hmac, KeyInit as _, Mac as _};
use josekit::jwk::alg::ec::EcKeyPair;
use josekit::jwk::alg::ed::EdKeyPair;

use super::*;
use crate::encoding::from_base64url;

fn hmac(alg: &str, key: &[u8], input: &[u8]) -> Vec<u8> {
    match alg {
        "HS256" => {
            Hmac::<sha2::Sha256>::new_from_slice(key).unwrap().chain_update(input).finalize().into_bytes().to_vec()
        }
        "HS384" => {
            Hmac::<sha2::Sha384>::new_from_slice(key).unwrap().chain_update(input).finalize().into_bytes().to_vec()
        }
        _ => Hmac::<sha2::Sha512>::new_from_slice(key).unwrap().chain_update(input).finalize().into_bytes().to_vec(),
    }
}

#[test]
fn j01_unsigned_tokens_are_refused() {
    for algorithm in ALGORITHMS {
        let f = fixture(algorithm);
        let good = f.access();
        let (input, signature) = good.rsplit_once('.').unwrap();
        let payload = input.split_once('.').unwrap().1;
        f.refuses(input);
        f.refuses(&format!("{input}."));
        for none in ["none", "None", "nOnE", "NONE", ""] {
            let mut header = f.access_header();
            header["alg"] = none.into();
            let header = base64url(header.to_string().as_bytes());
            f.refuses(&format!("{header}.{payload}"));
            f.refuses(&format!("{header}.{payload}."));
            f.refuses(&format!("{header}.{payload}.{signature}"));
        }
    }
}

#[test]
fn j02_public_keys_are_no_hmac_secrets() {
    for algorithm in [SigningAlgorithm::EdDsa, SigningAlgorithm::Es512] {
        let f = fixture(algorithm);
        let private = Jwk::from_bytes(serde_json::to_vec(&f.private(KeyUse::SignAccess)).unwrap()).unwrap();
        let public = serde_json::from_str::<Value>(&f.ring.jwks()).unwrap()["keys"][0].clone();
        let x = public["x"].as_str().unwrap().to_owned();
        let (pem, der) = if algorithm == SigningAlgorithm::EdDsa {
            let pair = EdKeyPair::from_jwk(&private).unwrap();
            (pair.to_pem_public_key(), pair.to_der_public_key())
        } else {
            let pair = EcKeyPair::from_jwk(&private).unwrap();
            (pair.to_pem_public_key(), pair.to_der_public_key())
        };
        let jwk = public.to_string().into_bytes();
        let secrets = [
            pem.trim_ascii_end().to_vec(),
            pem,
            der,
            jwk,
            f.ring.jwks().into_bytes(),
            from_base64url(&x).unwrap(),
            x.into(),
            Vec::new(),
        ];
        let payload = f.access().split('.').nth(1).unwrap().to_owned();
        for secret in secrets {
            for alg in ["HS256", "HS384", "HS512"] {
                for claimed in [alg, algorithm.as_str()] {
                    let mut header = f.access_header();
                    header["alg"] = claimed.into();
                    let input = format!("{}.{payload}", base64url(header.to_string().as_bytes()));
                    f.refuses(&format!("{input}.{}", base64url(&hmac(alg, &secret, input.as_bytes()))));
                }
            }
        }
    }
}

#[test]
fn j03_every_other_algorithm_name_is_refused() {
    for algorithm in ALGORITHMS {
        let f = fixture(algorithm);
        let payload = decoded(&f.access(), 1).to_string();
        let others = [
            "Ed25519", "Ed448", "eddsa", "EdDSA ", "HS256", "HS384", "HS512", "hs384", "ES256", "ES256K", "ES384",
            "ES512", "RS256", "RS512", "PS256", "EdDSA\0", "dir",
        ];
        let mut algs: Vec<Value> =
            others.iter().filter(|other| **other != algorithm.as_str()).map(|other| (*other).into()).collect();
        algs.extend([json!(1), json!([algorithm.as_str()]), json!({}), Value::Null, json!(true)]);
        for alg in algs {
            let mut header = f.access_header();
            header["alg"] = alg;
            f.refuses(&f.signed(KeyUse::SignAccess, &header.to_string(), &payload));
        }
        let mut header = f.access_header();
        header.as_object_mut().unwrap().remove("alg");
        f.refuses(&f.signed(KeyUse::SignAccess, &header.to_string(), &payload));
        // The forging itself works: the very same way with the right header is accepted.
        let good = f.signed(KeyUse::SignAccess, &f.access_header().to_string(), &payload);
        assert_eq!(f.ring.verify_access(&good).unwrap().claims, access_claims());
    }
}

#[test]
fn j04_a_key_identifier_names_a_loaded_key_of_this_use_or_nothing() {
    for algorithm in ALGORITHMS {
        let f = fixture(algorithm);
        let payload = decoded(&f.access(), 1).to_string();
        let others = fixture(algorithm);
        let long = "k".repeat(2_000);
        let mac = f.private(KeyUse::Mac)["kid"].clone();
        let kids = [
            json!("../../dev/null"),
            json!("' OR 1=1 --"),
            json!(long),
            json!("\0"),
            json!("https://evil.example/jwks"),
            json!(""),
            json!(null),
            json!(1),
            json!([]),
            others.private(KeyUse::SignAccess)["kid"].clone(),
            mac,
            f.private(KeyUse::SignPreAuthorized)["kid"].clone(),
        ];
        for kid in kids {
            let mut header = f.access_header();
            header["kid"] = kid;
            f.refuses(&f.signed(KeyUse::SignAccess, &header.to_string(), &payload));
        }
        let mut header = f.access_header();
        header.as_object_mut().unwrap().remove("kid");
        f.refuses(&f.signed(KeyUse::SignAccess, &header.to_string(), &payload));
        f.refuses(&others.access());
    }
}

#[test]
fn j05_headers_say_three_things_once_and_nothing_else() {
    for algorithm in ALGORITHMS {
        let f = fixture(algorithm);
        let payload = decoded(&f.access(), 1).to_string();
        let own = serde_json::from_str::<Value>(&f.ring.jwks()).unwrap()["keys"][0].clone();
        for (name, value) in [
            ("jwk", own),
            ("jku", json!("http://127.0.0.1:9/")),
            ("x5u", json!("http://127.0.0.1:9/")),
            ("x5c", json!([])),
            ("x5t", json!("")),
            ("crit", json!([])),
            ("crit", json!(["exp"])),
            ("b64", json!(false)),
            ("b64", json!(true)),
            ("zip", json!("DEF")),
            ("cty", json!("JWT")),
            ("Alg", json!("none")),
            ("nonce", Value::Null),
        ] {
            let mut header = f.access_header();
            header[name] = value;
            f.refuses(&f.signed(KeyUse::SignAccess, &header.to_string(), &payload));
        }
        let header = f.access_header().to_string();
        let alg = algorithm.as_str();
        for doubled in [
            header.replacen('{', &format!("{{\"alg\":\"{alg}\","), 1),
            header.replacen('{', "{\"alg\":\"none\",", 1),
            header.replacen('{', "{\"\\u0061lg\":\"none\",", 1),
            header.replacen('{', "{\"typ\":\"at+jwt\",", 1),
            header.replacen('{', "{\"kid\":\"x\",", 1),
        ] {
            f.refuses(&f.signed(KeyUse::SignAccess, &doubled, &payload));
        }
        let kid = f.private(KeyUse::SignAccess)["kid"].clone();
        for no_object in [
            json!([alg, kid, "at+jwt"]).to_string(),
            format!("{header}{header}"),
            format!("{header} x"),
            format!("\u{feff}{header}"),
            format!(" {header}"),
            "{}".to_owned(),
            "null".to_owned(),
            "{".repeat(1_000),
            "[".repeat(1_000),
        ] {
            f.refuses(&f.signed(KeyUse::SignAccess, &no_object, &payload));
        }
        // The JSON serialisations of the same signature (RFC 7515 section 7.2).
        let good = f.access();
        let parts: Vec<&str> = good.split('.').collect();
        f.refuses(&json!({"protected": parts[0], "payload": parts[1], "signature": parts[2]}).to_string());
    }
}

#[test]
fn j06_and_j07_claims_are_whole_typed_and_ours() {
    let f = fixture(SigningAlgorithm::EdDsa);
    let good = decoded(&f.access(), 1);
    let refuses = |payload: &str| f.refuses(&f.signed(KeyUse::SignAccess, &f.access_header().to_string(), payload));
    for name in good.as_object().unwrap().keys() {
        let mut missing = good.clone();
        missing.as_object_mut().unwrap().remove(name);
        refuses(&missing.to_string());
        for value in [Value::Null, json!({}), json!([]), json!([[]]), json!(true), json!(-1.5), json!("")] {
            // An empty list of methods is a list of methods.
            if name == "amr" && value == json!([]) {
                continue;
            }
            let mut wrong = good.clone();
            wrong[name] = value;
            refuses(&wrong.to_string());
        }
        // Doubled, in front and behind.
        let again = format!("\"{name}\":{}", good[name]);
        refuses(&good.to_string().replacen('{', &format!("{{{again},"), 1));
        refuses(&format!("{},{again}}}", good.to_string().strip_suffix('}').unwrap()));
    }
    for (name, value) in [
        ("exp", json!("2200")),
        ("exp", json!(-1)),
        ("exp", json!(2200.0)),
        ("exp", json!(1_u64 << 63)),
        ("exp", json!(i64::MAX)),
        ("iat", json!(1001)),
        ("nbf", json!(999)),
        ("iss", json!("https://id.example/")),
        ("iss", json!("HTTPS://id.example")),
        ("iss", json!(["https://id.example"])),
        ("aud", json!("https://id.example/auth")),
        ("aud", json!("https://api.example/")),
        ("aud", json!(["https://api.example"])),
        ("aud", json!(["https://api.example", "https://other.example"])),
        ("sub", json!("*")),
        ("sub", json!("07070707-0707-4707-8707-07070707070G")),
        ("sub", json!("07070707070747078707070707070707")),
        ("jti", json!("session_1")),
        ("jti", json!("session_2.token-1")),
        ("jti", json!("session_1.token-1.x")),
        ("sid", json!("session_2")),
        ("sid", json!("session_1.token-1")),
        ("state", json!("pre_authorized")),
        ("state", json!("Authorized")),
        ("role", json!("root")),
        ("amr", json!(["pwd", "magic"])),
        ("fgp", json!(base64url(&[0; 31]))),
        ("fgp", json!(base64url(&[0; 33]))),
        ("fgp", json!(format!("{}=", base64url(&[0; 32])))),
        ("epoch", json!("3")),
        ("act", json!({"sub": "x"})),
        ("purpose", json!("login")),
        ("scope", json!("admin")),
    ] {
        let mut wrong = good.clone();
        wrong[name] = value;
        refuses(&wrong.to_string());
    }
    refuses(&good.to_string().replace("2200", "1e400"));
    refuses(&good.to_string().replace("2200", "2.2e3"));
    refuses(&good.to_string().replace("https://id.example", "https://id.example\\u0000"));
    refuses(&json!([good]).to_string());
    refuses(&Value::Array(good.as_object().unwrap().values().cloned().collect()).to_string());
    refuses(&format!("{good} {good}"));
    refuses("{}");
    let whole = f.signed(KeyUse::SignAccess, &f.access_header().to_string(), &good.to_string());
    assert!(f.ring.verify_access(&whole).is_ok());
}

#[test]
fn j06_claims_of_a_step_up_proof_are_whole_typed_and_ours() {
    let f = fixture(SigningAlgorithm::EdDsa);
    let (good, header) = (decoded(&f.step_up(), 1), f.header(KeyUse::SignStepUp, "otp+jwt").to_string());
    let refuses = |payload: &Value| f.refuses(&f.signed(KeyUse::SignStepUp, &header, &payload.to_string()));
    for name in good.as_object().unwrap().keys() {
        let mut missing = good.clone();
        missing.as_object_mut().unwrap().remove(name);
        refuses(&missing);
        for value in [Value::Null, json!({}), json!([]), json!(true), json!(-1.5), json!("")] {
            let mut wrong = good.clone();
            wrong[name] = value;
            refuses(&wrong);
        }
    }
    for (name, value) in [
        ("method", json!("password")),
        ("aud", json!("https://api.example")),
        ("iss", json!("https://id.example/")),
        ("sid", json!("session_2")),
        ("nbf", json!(1001)),
        ("state", json!("authorized")),
        ("amr", json!(["pwd"])),
    ] {
        let mut wrong = good.clone();
        wrong[name] = value;
        refuses(&wrong);
    }
    assert!(f.ring.verify_step_up(&f.signed(KeyUse::SignStepUp, &header, &good.to_string())).is_ok());
}

#[test]
fn j08_no_changed_character_survives() {
    for algorithm in ALGORITHMS {
        let f = fixture(algorithm);
        for (token, verify) in [
            (f.access(), (|f, t| f.ring.verify_access(t).is_ok()) as fn(&Fixture, &str) -> bool),
            (f.pre_authorized(), |f, t| f.ring.verify_pre_authorized(t).is_ok()),
            (f.step_up(), |f, t| f.ring.verify_step_up(t).is_ok()),
        ] {
            assert!(verify(&f, &token));
            for i in 0..token.len() {
                for with in [".", "=", " ", "\n", "\0", "+", "A", "_"] {
                    // An ES512 check takes a millisecond: the changed bit below has to do.
                    if algorithm == SigningAlgorithm::Es512 && ["A", "_"].contains(&with) {
                        continue;
                    }
                    let mut changed = token.clone();
                    changed.replace_range(i..=i, with);
                    assert_eq!(verify(&f, &changed), changed == token, "{i} {with:?}");
                }
                // One bit of the decoded value, for characters that stand for one.
                let bit = |c: u8| c ^ 1;
                let mut bytes = token.clone().into_bytes();
                bytes[i] = bit(bytes[i]);
                assert!(!verify(&f, &String::from_utf8(bytes).unwrap()), "{i}");
                assert!(!verify(&f, &token[..i]), "cut at {i}");
            }
        }
    }
}

#[test]
fn j08_parts_of_two_tokens_do_not_mix() {
    for algorithm in ALGORITHMS {
        let f = fixture(algorithm);
        let one = f.access();
        let claims = AccessClaims { role: Role::User, ..access_claims() };
        let two = f.ring.sign_access(&claims).unwrap().expose().to_owned();
        let three = f.pre_authorized();
        let split = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
        let tokens = [split(&one), split(&two), split(&three)];
        for (a, b, c) in (0..27).map(|n| (n / 9, n / 3 % 3, n % 3)) {
            let mixed = format!("{}.{}.{}", tokens[a][0], tokens[b][1], tokens[c][2]);
            if ![&one, &two, &three].contains(&&mixed) {
                f.refuses(&mixed);
            }
        }
        f.refuses(&format!("{one}.{}", tokens[1][2]));
        f.refuses(&format!("{one}{two}"));
        f.refuses(&format!(".{one}"));
        f.refuses("..");
        f.refuses(".");
        f.refuses("");
    }
}

#[test]
fn j08_degenerate_ecdsa_signatures_are_refused() {
    let f = fixture(SigningAlgorithm::Es512);
    let good = f.access();
    let (input, signature) = good.rsplit_once('.').unwrap();
    let signature = from_base64url(signature).unwrap();
    let order = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::SECP521R1).unwrap();
    let mut n = openssl::bn::BigNum::new().unwrap();
    order.order(&mut n, &mut openssl::bn::BigNumContext::new().unwrap()).unwrap();
    let n = n.to_vec_padded(66).unwrap();
    let (zero, mut one) = (vec![0; 66], vec![0; 66]);
    one[65] = 1;
    let (r, s) = signature.split_at(66);
    let der = openssl::ecdsa::EcdsaSig::from_private_components(
        openssl::bn::BigNum::from_slice(r).unwrap(),
        openssl::bn::BigNum::from_slice(s).unwrap(),
    )
    .unwrap()
    .to_der()
    .unwrap();
    let forged = [
        [zero.as_slice(), &zero].concat(),
        [&zero[..], s].concat(),
        [r, &zero[..]].concat(),
        [&one[..], &zero].concat(),
        [&n[..], &n].concat(),
        [&n[..], s].concat(),
        [&[0xff; 66][..], &[0xff; 66]].concat(),
        [s, r].concat(),
        der,
        [&[0][..], r, &[0], s].concat(),
        signature[..131].to_vec(),
        vec![0],
    ];
    for signature in forged {
        f.refuses(&format!("{input}.{}", base64url(&signature)));
    }
}

#[test]
fn j09_a_token_has_one_spelling() {
    for algorithm in ALGORITHMS {
        let f = fixture(algorithm);
        let good = f.access();
        assert!(f.ring.verify_access(&good).is_ok());
        let parts: Vec<&str> = good.split('.').collect();
        for changed in [
            format!("{good}="),
            format!("{good}=="),
            format!(" {good}"),
            format!("{good} "),
            format!("{good}\n"),
            format!("{good}."),
            format!("{}=.{}.{}", parts[0], parts[1], parts[2]),
            format!("{}.{}=.{}", parts[0], parts[1], parts[2]),
            format!("{}\n.{}.{}", parts[0], parts[1], parts[2]),
            format!("{good}{}", " ".repeat(5_000)),
        ] {
            f.refuses(&changed);
        }
        // Every last character that decodes, in a lenient decoder, to the same bytes.
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        for part in 0..3 {
            let (head, last) = parts[part].split_at(parts[part].len() - 1);
            for c in alphabet.chars().filter(|c| c.to_string() != last) {
                let mut changed: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
                changed[part] = format!("{head}{c}");
                f.refuses(&changed.join("."));
            }
        }
    }
}

#[test]
fn j11_a_token_of_one_kind_is_none_of_another() {
    for algorithm in ALGORITHMS {
        let f = fixture(algorithm);
        assert_eq!(f.ring.verify_access(&f.pre_authorized()), Err(TokenError));
        assert_eq!(f.ring.verify_pre_authorized(&f.access()), Err(TokenError));
        let kinds = [
            (KeyUse::SignAccess, "at+jwt", decoded(&f.access(), 1).to_string()),
            (KeyUse::SignPreAuthorized, "pre+jwt", decoded(&f.pre_authorized(), 1).to_string()),
            (KeyUse::SignStepUp, "otp+jwt", decoded(&f.step_up(), 1).to_string()),
        ];
        // Every mixture of signing key, named key, `typ` and payload but the three right ones.
        let types = ["at+jwt", "pre+jwt", "otp+jwt", "JWT", "at+JWT", "application/at+jwt", ""];
        for ((signing, ..), (named, ..)) in kinds.iter().flat_map(|a| kinds.iter().map(move |b| (a, b))) {
            for (typ, (.., payload)) in types.iter().flat_map(|typ| kinds.iter().map(move |kind| (*typ, kind))) {
                let token = f.signed(*signing, &f.header(*named, typ).to_string(), payload);
                let verified = [
                    f.ring.verify_access(&token).is_ok(),
                    f.ring.verify_pre_authorized(&token).is_ok(),
                    f.ring.verify_step_up(&token).is_ok(),
                ];
                let right = |(key_use, its_typ, its_payload): &(KeyUse, &str, String)| {
                    signing == key_use && named == key_use && typ == *its_typ && payload == its_payload
                };
                assert_eq!(
                    verified,
                    [right(&kinds[0]), right(&kinds[1]), right(&kinds[2])],
                    "{signing:?} {named:?} {typ}"
                );
            }
        }
    }
}

#[test]
fn j12_another_service_with_the_same_keys_is_another_service() {
    for changed in [
        KeyRingConfig { issuer: "https://staging.example".to_owned(), ..config(SigningAlgorithm::EdDsa) },
        KeyRingConfig {
            access_audience: "https://other.example".to_owned(),
            self_audience: "https://other.example/auth".to_owned(),
            ..config(SigningAlgorithm::EdDsa)
        },
    ] {
        let (f, other) = (fixture(SigningAlgorithm::EdDsa), empty_ring(changed));
        other.ring.load(&f.stored).unwrap();
        other.refuses(&f.access());
        other.refuses(&f.pre_authorized());
        other.refuses(&f.step_up());
    }
}

#[test]
fn long_texts_are_refused_before_they_are_read() {
    let f = fixture(SigningAlgorithm::EdDsa);
    let mut payload = decoded(&f.access(), 1);
    payload["amr"] = vec!["pwd"; 400].into();
    let token = f.signed(KeyUse::SignAccess, &f.access_header().to_string(), &payload.to_string());
    assert!(token.len() < 4096 && f.ring.verify_access(&token).is_ok());
    payload["amr"] = vec!["pwd"; 600].into();
    let token = f.signed(KeyUse::SignAccess, &f.access_header().to_string(), &payload.to_string());
    assert!(token.len() > 4096);
    f.refuses(&token);
    f.refuses(&"a".repeat(10_000_000));
}
