//! Time-based one-time passwords (RFC 6238) and how people get their secrets into an authenticator.

use std::fmt::Write as _;

use data_encoding::BASE32_NOPAD;
use keystead_application::ports::TotpAlgorithm;
use keystead_domain::SecretString;
use keystead_domain::factor::TOTP_STEP;
use keystead_domain::token::OneTimeCode;
use qrcode::render::svg::Color;
use qrcode::{EcLevel, QrCode};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};
use totp_lite::{Sha1, totp_custom};
use zeroize::Zeroizing;

const DIGITS: u32 = 6;

/// RFC 6238 with what every authenticator understands: SHA-1, six digits, steps of [`TOTP_STEP`] seconds. HMAC does not
/// need SHA-1 to resist collisions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totp;

/// HOTP (RFC 4226 section 5.3) of a counter: a step of one second makes the library's time the counter itself.
fn hotp(secret: &[u8], counter: u64, digits: u32) -> Zeroizing<String> {
    Zeroizing::new(totp_custom::<Sha1>(1, digits, secret, counter))
}

/// Encodes everything but RFC 3986's unreserved characters, spaces as `%20`: authenticators do not read `+` as a space.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

impl TotpAlgorithm for Totp {
    fn matching_step(&self, secret: &[u8], code: &OneTimeCode, steps: &[u64]) -> Option<u64> {
        // Every step is computed and compared, whichever matches: the time taken tells neither whether nor which.
        let (mut found, mut matched) = (Choice::from(0), 0);
        for step in steps {
            let equal = hotp(secret, *step, DIGITS).as_bytes().ct_eq(code.expose().as_bytes());
            matched.conditional_assign(step, equal & !found);
            found |= equal;
        }
        bool::from(found).then_some(matched)
    }

    fn uri(&self, secret: &[u8], issuer: &str, account: &str) -> SecretString {
        let (issuer, account, secret) = (percent_encoded(issuer), percent_encoded(account), self.text(secret));
        SecretString::new(format!(
            "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={TOTP_STEP}",
            secret.expose()
        ))
    }

    fn text(&self, secret: &[u8]) -> SecretString {
        SecretString::new(BASE32_NOPAD.encode(secret))
    }

    fn qr_svg(&self, text: &str) -> Option<SecretString> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
        let svg = code.render::<Color<'_>>().min_dimensions(240, 240).build();
        // A page that takes the SVG into itself has no place for the XML declaration.
        let svg = svg.split_once("?>").map_or(svg.as_str(), |(_, svg)| svg);
        Some(SecretString::new(svg.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"12345678901234567890";

    fn code(text: &str) -> OneTimeCode {
        OneTimeCode::parse(text).unwrap()
    }

    #[test]
    fn rfc_4226_appendix_d() {
        let expected =
            ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
        for (counter, expected) in (0..).zip(expected) {
            assert_eq!(*hotp(SECRET, counter, 6), expected);
            assert_eq!(Totp.matching_step(SECRET, &code(expected), &[counter]), Some(counter));
            assert_eq!(Totp.matching_step(SECRET, &code(expected), &[counter + 1]), None);
        }
    }

    #[test]
    fn rfc_6238_appendix_b_sha_1() {
        for (time, expected) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            let step = time / TOTP_STEP;
            assert_eq!(*hotp(SECRET, step, 8), expected);
            // Fewer digits are the last ones of more (RFC 4226 section 5.3).
            assert_eq!(Totp.matching_step(SECRET, &code(&expected[2..]), &[step + 1, step, step - 1]), Some(step));
        }
    }

    /// RFC 4226 section 5.3 and 5.4 over OpenSSL's HMAC: another implementation of every part.
    fn independent(secret: &[u8], step: u64) -> String {
        let key = openssl::pkey::PKey::hmac(secret).unwrap();
        let mut signer = openssl::sign::Signer::new(openssl::hash::MessageDigest::sha1(), &key).unwrap();
        let mac = signer.sign_oneshot_to_vec(&step.to_be_bytes()).unwrap();
        let at = usize::from(mac[19] & 15);
        let number = u32::from_be_bytes(mac[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }

    #[test]
    fn another_implementation_agrees() {
        for length in [1, 10, 16, 20, 32, 64, 65, 100] {
            let secret: Vec<u8> = (0..length).map(|i: u8| i.wrapping_mul(37).wrapping_add(length)).collect();
            for step in [0, 1, 59_999_999, u64::from(u32::MAX), 1 << 40] {
                let expected = independent(&secret, step);
                assert_eq!(*hotp(&secret, step, 6), expected);
                assert_eq!(Totp.matching_step(&secret, &code(&expected), &[step]), Some(step));
            }
        }
    }

    #[test]
    fn the_first_of_several_matching_steps_is_told_and_no_step_matches_nothing() {
        // 1,000,000 codes, 2^64 steps: two steps within a few thousand share a code.
        let mut seen = std::collections::HashMap::new();
        let (one, two) =
            (0..).find_map(|step| seen.insert(hotp(SECRET, step, 6).to_string(), step).map(|old| (old, step))).unwrap();
        let shared = code(&hotp(SECRET, one, 6));
        assert_eq!(Totp.matching_step(SECRET, &shared, &[two, one]), Some(two));
        assert_eq!(Totp.matching_step(SECRET, &shared, &[one, two]), Some(one));
        assert_eq!(Totp.matching_step(SECRET, &shared, &[]), None);
        assert_eq!(Totp.matching_step(b"another secret of it", &shared, &[one, two]), None);
    }

    #[test]
    fn rfc_4648_section_10_without_padding() {
        for (plain, expected) in [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foobar", "MZXW6YTBOI")] {
            assert_eq!(Totp.text(plain.as_bytes()).expose(), expected);
        }
    }

    #[test]
    fn the_uri_names_issuer_and_account_and_nothing_leaves_its_place() {
        assert_eq!(
            Totp.uri(b"foobar", "Ada & Söhne: GmbH", "ada+x@example.com").expose(),
            "otpauth://totp/Ada%20%26%20S%C3%B6hne%3A%20GmbH:ada%2Bx%40example.com?secret=MZXW6YTBOI\
             &issuer=Ada%20%26%20S%C3%B6hne%3A%20GmbH&algorithm=SHA1&digits=6&period=30"
        );
    }

    #[test]
    fn the_qr_code_is_one_svg_element_and_a_text_too_long_is_none() {
        let uri = Totp.uri(SECRET, "Keystead", "ada@example.com");
        let svg = Totp.qr_svg(uri.expose()).unwrap();
        let svg = svg.expose();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>"), "{svg}");
        assert_eq!(svg.matches('<').count() - 1, 3, "rect, path, and the end of svg");
        assert!(!svg.contains("script") && !svg.contains("otpauth"));
        assert_ne!(Totp.qr_svg(&format!("{}x", uri.expose())).unwrap().expose(), svg);
        assert_eq!(Totp.qr_svg(&"x".repeat(3_000)), None);
    }
}
