//! What second factors are typed as.

use data_encoding::BASE32_NOPAD;
use keystead_adapters_crypto::Totp;
use keystead_application::ports::TotpAlgorithm as _;
use keystead_domain::factor::RecoveryCode;
use keystead_domain::token::OneTimeCode;

use crate::input::{line, text};

/// `one_time_code`: what somebody typed where a code is asked for.
pub(super) fn code(bytes: &[u8]) {
    let Some(typed) = text(bytes) else { return };
    if let Some(code) = OneTimeCode::parse(typed) {
        let number: u32 = typed.parse().expect("a code is six ASCII digits");
        assert_eq!(OneTimeCode::from_number(number).as_ref(), Some(&code), "a code has one spelling");
        let steps: Vec<u64> = (0..3).collect();
        if let Some(step) = Totp.matching_step(b"12345678901234567890", &code, &steps) {
            // RFC 4226 appendix D.
            let expected = ["755224", "287082", "359152"];
            assert_eq!(usize::try_from(step).ok().and_then(|step| expected.get(step)), Some(&typed));
        }
    }
    if let Some(code) = RecoveryCode::parse(typed) {
        assert!(typed.len() <= 64 && (code.selector().len(), code.secret().len()) == (4, 12));
        assert_eq!(RecoveryCode::parse(code.shown().expose()), Some(code.clone()), "a code is read as it is shown");
        let sloppy = code.shown().expose().to_uppercase().replace('-', " ");
        assert_eq!(RecoveryCode::parse(&sloppy), Some(code));
    }
}

/// `base32_totp`: a secret on the first line, the name of an account on the second, of the service on the third.
pub(super) fn totp(bytes: &[u8]) {
    let (secret, rest) = line(bytes);
    let (account, issuer) = line(rest);
    let (Some(account), Some(issuer)) = (text(account), text(issuer)) else { return };
    let typed = Totp.text(secret);
    assert_eq!(BASE32_NOPAD.decode(typed.expose().as_bytes()).as_deref(), Ok(secret));
    let uri = Totp.uri(secret, issuer, account);
    let parsed = url::Url::parse(uri.expose()).expect("an otpauth URI is a URI");
    assert_eq!((parsed.scheme(), parsed.host_str()), ("otpauth", Some("totp")));
    let parameters: Vec<_> = parsed.query_pairs().collect();
    let names: Vec<_> = parameters.iter().map(|(name, _)| name.as_ref()).collect();
    assert_eq!(names, ["secret", "issuer", "algorithm", "digits", "period"], "a name cannot add a parameter");
    assert!(parameters.iter().any(|(name, value)| name == "issuer" && value == issuer));
    assert!(parameters.iter().any(|(name, value)| name == "secret" && value == typed.expose()));
    assert!(parsed.fragment().is_none() && uri.expose().is_ascii());
    if uri.expose().len() <= 120 {
        let svg = Totp.qr_svg(uri.expose()).expect("a short text has a QR code");
        assert!(svg.expose().starts_with("<svg") || svg.expose().trim_start().starts_with("<svg"));
    }
}
