//! Known answers of every format, from their home implementations.

use std::sync::Arc;

use keystead_application::ports::{HashError, PasswordHasher as _};
use keystead_domain::SecretString;
use keystead_domain::account::Password;

use super::*;
use crate::OsEntropy;
use crate::passwords::{Argon2Config, Argon2Hasher};

/// Where it is from; the hash as its system wrote it; the password; what it is kept as, `=` for unchanged.
type Known = (&'static str, &'static str, &'static str, &'static str);

/// Hashes that are one text.
const TEXTS: [Known; 26] = [
    (
        "argon2: test.c of the reference implementation",
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "password",
        "=",
    ),
    (
        "argon2: test.c of the reference implementation, version 0x10, which has no `v=`",
        "$argon2i$m=65536,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ",
        "password",
        "$argon2i$v=16$m=65536,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ",
    ),
    (
        "argon2-cffi 25.1, type D",
        "$argon2d$v=19$m=64,t=2,p=2$c29tZXNhbHQ$1q8bgD0xYiK3sMCt/uIryr7jP0g04fs9QOITesC7M88",
        "password",
        "=",
    ),
    (
        "Django's tests: argon2 before it had a version",
        "argon2$argon2i$m=8,t=1,p=1$c29tZXNhbHQ$gwQOXSNhxiOxPOA0+PY10P9QFO4NAYysnqRt1GSQLE55m+2GYDt9FEjPMHhP2Cuf0nOEXXMocVrsJAtNSsKyfg",
        "secret",
        "$argon2i$v=16$m=8,t=1,p=1$c29tZXNhbHQ$gwQOXSNhxiOxPOA0+PY10P9QFO4NAYysnqRt1GSQLE55m+2GYDt9FEjPMHhP2Cuf0nOEXXMocVrsJAtNSsKyfg",
    ),
    (
        "Django's tests: argon2",
        "argon2$argon2id$v=19$m=102400,t=2,p=8$Y041dExhNkljRUUy$TMa6A8fPJhCAUXRhJXCXdw",
        "secret",
        "$argon2id$v=19$m=102400,t=2,p=8$Y041dExhNkljRUUy$TMa6A8fPJhCAUXRhJXCXdw",
    ),
    (
        "scrypt: RFC 7914 section 12, third vector",
        "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw",
        "pleaseletmein",
        "=",
    ),
    (
        "scrypt: RFC 7914 section 12, second vector",
        "$scrypt$ln=10,r=8,p=16$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA",
        "password",
        "=",
    ),
    (
        "passlib 1.7.4: scrypt",
        "$scrypt$ln=8,r=8,p=1$WKs1xljLudd6z9kbY0wpJQ$yCR4iDZYDKv+iEJj6yHY0lv/epnfB6f/w1EbXrsJOuQ",
        "password",
        "=",
    ),
    (
        "Django's tests: scrypt",
        "scrypt$16384$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw==",
        "lètmein",
        "$scrypt$ln=14,r=8,p=1$c2Vhc2FsdA$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw",
    ),
    (
        "pbkdf2: RFC 6070, fifth vector",
        "$pbkdf2-sha1$i=4096,l=25$c2FsdFNBTFRzYWx0U0FMVHNhbHRTQUxUc2FsdFNBTFRzYWx0$PS7sT+QchJuAyNg2YsDkSospGpZM8vBwOA",
        "passwordPASSWORDpassword",
        "=",
    ),
    (
        "pbkdf2: RFC 6070, sixth vector, with NULs in password and salt",
        "$pbkdf2-sha1$i=4096$c2EAbHQ$Vvpqp1VICZ3MN9fwNCXgww",
        "pass\0word",
        "$pbkdf2-sha1$i=4096,l=16$c2EAbHQ$Vvpqp1VICZ3MN9fwNCXgww",
    ),
    (
        "pbkdf2: RFC 7914 section 11, second vector",
        "$pbkdf2-sha256$i=80000,l=64$TmFDbA$TdzY9guYviGDDO5e8icB+WQaRBjQTAQUrv8Ih2s0q1ah1CWhIlgzVJrbhBtRybMXaicr3ruh0HhHj2Kzl/M8jQ",
        "Password",
        "=",
    ),
    (
        "passlib's tests: pbkdf2_sha1",
        "$pbkdf2$1212$OB.dtnSEXZK8U5cgxU/GYQ$y5LKPOplRmok7CZp/aqVDVg8zGI",
        "password",
        "$pbkdf2-sha1$i=1212,l=20$OB+dtnSEXZK8U5cgxU/GYQ$y5LKPOplRmok7CZp/aqVDVg8zGI",
    ),
    (
        "passlib's tests: pbkdf2_sha256",
        "$pbkdf2-sha256$1212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ",
        "password",
        "$pbkdf2-sha256$i=1212,l=32$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg+fJPeq1h/gXXY7acBp9/6c+tmQ",
    ),
    (
        "passlib's tests: pbkdf2_sha512",
        "$pbkdf2-sha512$1212$RHY0Fr3IDMSVO/RSZyb5ow$eNLfBK.eVozomMr.1gYa17k9B7KIK25NOEshvhrSX.esqY3s.FvWZViXz4KoLlQI.BzY/YTNJOiKc5gBYFYGww",
        "password",
        "$pbkdf2-sha512$i=1212,l=64$RHY0Fr3IDMSVO/RSZyb5ow$eNLfBK+eVozomMr+1gYa17k9B7KIK25NOEshvhrSX+esqY3s+FvWZViXz4KoLlQI+BzY/YTNJOiKc5gBYFYGww",
    ),
    (
        "Django's tests: pbkdf2_sha256",
        "pbkdf2_sha256$390000$seasalt$8xBlGd3jVgvJ+92hWPxi5ww0uuAuAnKgC45eudxro7c=",
        "lètmein",
        "$pbkdf2-sha256$i=390000,l=32$c2Vhc2FsdA$8xBlGd3jVgvJ+92hWPxi5ww0uuAuAnKgC45eudxro7c",
    ),
    (
        "Django's tests: pbkdf2_sha1",
        "pbkdf2_sha1$390000$seasalt2$aDapRanzW8aHTz97v2TcfHzWD+I=",
        "lètmein",
        "$pbkdf2-sha1$i=390000,l=20$c2Vhc2FsdDI$aDapRanzW8aHTz97v2TcfHzWD+I",
    ),
    ("crypt_blowfish's tests", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U", "="),
    ("jBCrypt's tests: no password", "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.", "", "="),
    (
        "crypt_blowfish's tests, under PHP's prefix",
        "$2y$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a",
        "U*U*U",
        "=",
    ),
    (
        "crypt_blowfish's tests: what is behind 72 bytes does not count",
        "$2b$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored",
        "=",
    ),
    (
        "Django 5.2.19: BCryptPasswordHasher",
        "bcrypt$$2b$05$CCCCCCCCCCCCCCCCCCCCC./mc37Kdhrv0B3/.B13E.XXGgHg1yCoy",
        "lètmein",
        "$2b$05$CCCCCCCCCCCCCCCCCCCCC./mc37Kdhrv0B3/.B13E.XXGgHg1yCoy",
    ),
    (
        "Django 5.2.19: BCryptSHA256PasswordHasher, all of a long password counts",
        "bcrypt_sha256$$2b$05$CCCCCCCCCCCCCCCCCCCCC.d313R/0E/uxPsXDdVk8c8V8G.lZMH2K",
        "VSK0UYV6FFQVZ0KG88DYN9WADAADZO1CTSIVDJUNZSUML6IBX7LN7ZS3R5JGB3RGZ7VI7G7DJQ9NI8BQFSRPTG6UWTTVESA5ZPUN",
        "=",
    ),
    ("go-crypt's and passlib's {SSHA}", "{SSHA}JFZFs0oHzxbMwkSJmYVeI8MnTDy/276a", "test123", "="),
    (
        "{SSHA256}, its scheme in lower case",
        "{ssha256}czO44OTV17PcF1cRxWrLZLy9xHd7CWyVYplr1rOhuMlx/7IK",
        "test123",
        "{SSHA256}czO44OTV17PcF1cRxWrLZLy9xHd7CWyVYplr1rOhuMlx/7IK",
    ),
    (
        "uffd's tests: {SSHA512}",
        "{ssha512}dOeDLmVpHJThhHeag10Hm2g4T7s3SBE6rGHcXUolXJHVufY4qT782rwZ/0XE6cuLcBZ0KpnwmUzRpAEtZBdv+JYEEtZQs/uC",
        "password",
        "{SSHA512}dOeDLmVpHJThhHeag10Hm2g4T7s3SBE6rGHcXUolXJHVufY4qT782rwZ/0XE6cuLcBZ0KpnwmUzRpAEtZBdv+JYEEtZQs/uC",
    ),
];

/// Exported by Keycloak 11 to 26 (realm exports and dumps people published, of accounts for trying out): credentialData,
/// secretData, password, what it is kept as.
const KEYCLOAK: [[&str; 4]; 4] = [
    [
        r#"{"hashIterations":27500,"algorithm":"pbkdf2-sha256"}"#,
        r#"{"value":"31MudlHfx763mvpL+ZJU/etLgu2qFt0NpX+xyK0f8MCxOagc5N5+LCLQ/lUx8PJA6+eflW/eRQcnqGR7L8qb7w==","salt":"SWU35ecF1zm/VYEcvzdNJg=="}"#,
        "admin",
        "$pbkdf2-sha256$i=27500,l=64$SWU35ecF1zm/VYEcvzdNJg$31MudlHfx763mvpL+ZJU/etLgu2qFt0NpX+xyK0f8MCxOagc5N5+LCLQ/lUx8PJA6+eflW/eRQcnqGR7L8qb7w",
    ],
    [
        r#"{"hashIterations":210000,"algorithm":"pbkdf2-sha512","additionalParameters":{}}"#,
        r#"{"value":"5oS6wHpjW6lZ7PS25rHXFGXqwc31BBsIKPL3ePl/3a1LTm44ZD4dTT2d0tRLE4XK0DCLASa00fHSVRlMlcuh4Q==","salt":"CVjSQwO3bRYQIZC95+2UvQ==","additionalParameters":{}}"#,
        "password",
        "$pbkdf2-sha512$i=210000,l=64$CVjSQwO3bRYQIZC95+2UvQ$5oS6wHpjW6lZ7PS25rHXFGXqwc31BBsIKPL3ePl/3a1LTm44ZD4dTT2d0tRLE4XK0DCLASa00fHSVRlMlcuh4Q",
    ],
    [
        r#"{"hashIterations":5,"algorithm":"argon2","additionalParameters":{"hashLength":["32"],"memory":["7168"],"type":["id"],"version":["1.3"],"parallelism":["1"]}}"#,
        r#"{"value":"BruFLfFkjH/8erZ26NnrbkOrWiZuQyDRCHD9o0R6Scg=","salt":"Cf9AYCE5pAbb4CKEF0GUTA==","additionalParameters":{}}"#,
        "password",
        "$argon2id$v=19$m=7168,t=5,p=1$Cf9AYCE5pAbb4CKEF0GUTA$BruFLfFkjH/8erZ26NnrbkOrWiZuQyDRCHD9o0R6Scg",
    ],
    [
        // RFC 6070's fourth vector under the name Keycloak has for SHA-1: it pads short passwords with NULs, which HMAC
        // does not see.
        r#"{"hashIterations":4096,"algorithm":"pbkdf2","additionalParameters":{}}"#,
        r#"{"value":"SwB5AbdlSJq+rUnZJvch0GWkKcE=","salt":"c2FsdA=="}"#,
        "password",
        "$pbkdf2-sha1$i=4096,l=20$c2FsdA$SwB5AbdlSJq+rUnZJvch0GWkKcE",
    ],
];

fn text(text: &str) -> ForeignHash {
    ForeignHash::Text(SecretString::new(text.to_owned()))
}

fn keycloak(credential_data: &str, secret_data: &str) -> ForeignHash {
    let secret = |text: &str| SecretString::new(text.to_owned());
    ForeignHash::Keycloak { credential_data: secret(credential_data), secret_data: secret(secret_data) }
}

fn read(hash: &str) -> Result<String, HashRefusal> {
    ForeignHashes.read(&text(hash)).map(|read| read.hash.as_str().to_owned())
}

fn hasher() -> Argon2Hasher {
    let cheap = Argon2Config { memory_kib: 256, passes: 1, lanes: 1, permits: 2, queue: 64 };
    Argon2Hasher::try_new(cheap, Arc::new(OsEntropy)).unwrap()
}

/// The same with one digit of the hash changed, away from the ends.
fn changed(stored: &str) -> String {
    let at = stored.len() - 9;
    let other = if stored.as_bytes()[at] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &stored[..at], &stored[at + 1..])
}

/// What holds of every hash that is taken.
async fn proves(hasher: &Argon2Hasher, source: &str, foreign: &ForeignHash, password: &str, stored: &str) {
    let read = ForeignHashes.read(foreign).unwrap_or_else(|refusal| panic!("{source}: {refusal}"));
    assert_eq!(read.hash.as_str(), stored, "{source}");
    assert_eq!(ForeignHashes.read(&text(stored)), Ok(read.clone()), "{source}: what is exported can be imported");
    assert!(hasher.needs_rehash(&read.hash), "{source}");
    let verify = async |password: &str, hash: &PasswordHash| {
        hasher.verify(&Password::for_verification(password).unwrap(), hash).await
    };
    assert_eq!(verify(password, &read.hash).await, Ok(true), "{source}");
    assert_eq!(verify(&format!("x{password}"), &read.hash).await, Ok(false), "{source}");
    let other = PasswordHash::new(changed(stored));
    assert_eq!(verify(password, &other).await, Ok(false), "{source}");
}

#[tokio::test]
async fn every_format_gives_its_known_answers() {
    let hasher = hasher();
    for (source, hash, password, stored) in TEXTS {
        let stored = if stored == "=" { hash } else { stored };
        proves(&hasher, source, &text(hash), password, stored).await;
    }
}

#[tokio::test]
async fn every_credential_of_keycloak_gives_its_known_answers() {
    let hasher = hasher();
    for [data, secret, password, stored] in KEYCLOAK {
        proves(&hasher, data, &keycloak(data, secret), password, stored).await;
    }
}

#[tokio::test]
async fn bcrypt_looks_at_72_bytes_and_at_no_nul() {
    let hasher = hasher();
    let verify = async |password: &str, stored: &str| {
        let hash = PasswordHash::new(stored.to_owned());
        hasher.verify(&Password::for_verification(password).unwrap(), &hash).await.unwrap()
    };
    let long = "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui";
    let first = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    assert!(verify(first, long).await);
    assert!(verify(&format!("{first}whatever"), long).await);
    assert!(!verify(&first[..71], long).await);
    let short = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    assert!(verify("U*U", short).await);
    assert!(!verify("U*U\0", short).await && !verify("U*U\0and more", short).await);
    // Over SHA-256 neither matters.
    let over = "bcrypt_sha256$$2b$05$CCCCCCCCCCCCCCCCCCCCC.d313R/0E/uxPsXDdVk8c8V8G.lZMH2K";
    assert!(!verify(&TEXTS[22].2[..72], over).await && verify(TEXTS[22].2, over).await);
}

#[test]
fn bytes_above_127_are_as_in_crypt_blowfish() {
    let hash = Bcrypt::parse("$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e").unwrap();
    assert_eq!(hash.matches(b"\xff\xff\xa3"), Ok(true));
    assert_eq!(hash.matches(b"\xff\xff\xa2"), Ok(false));
}

#[test]
fn junk_bits_of_a_bcrypt_hash_are_dropped() {
    let clean = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    assert_eq!(read(&clean.replace(".E5", "/E5")), Ok(clean.to_owned()));
}

#[test]
fn only_hashes_a_thief_guesses_at_leisure_are_weak() {
    let is_weak = |hash: &str| ForeignHashes.read(&text(hash)).unwrap().is_weak;
    for (source, hash, ..) in TEXTS {
        assert_eq!(is_weak(hash), hash.starts_with('{'), "{source}");
    }
    assert!(is_weak("$pbkdf2-sha256$i=999$c2FsdHNhbHQ$TdzY9guYviGDDO5e8icB+Q"));
    assert!(!is_weak("$pbkdf2-sha256$i=1000$c2FsdHNhbHQ$TdzY9guYviGDDO5e8icB+Q"));
}

#[test]
fn unsalted_hashes_are_refused() {
    let sha256 = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";
    for hash in [
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8",
        sha256,
        &[sha256, sha256].concat(),
        "md5$$5f4dcc3b5aa765d61d8327deb882cf99",
        "sha1$$5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8",
        "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
        "{sha256}XohImNooBHFR0OVvjcYpJ3NgPQ1qq73WKhHvch0VQtg=",
        "{MD5}X03MO1qnZdYdgyfeuILPmQ==",
        "{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
        "pbkdf2_sha256$390000$$8xBlGd3jVgvJ+92hWPxi5ww0uuAuAnKgC45eudxro7c=",
        "$pbkdf2-sha256$i=80000$$TdzY9guYviGDDO5e8icB+Q",
        "$scrypt$ln=10,r=8,p=1$$TdzY9guYviGDDO5e8icB+Q",
    ] {
        assert_eq!(read(hash), Err(HashRefusal::Unsalted), "{hash}");
    }
    let [data, secret, ..] = KEYCLOAK[0];
    let unsalted = secret.replace("SWU35ecF1zm/VYEcvzdNJg==", "");
    assert_eq!(ForeignHashes.read(&keycloak(data, &unsalted)), Err(HashRefusal::Unsalted));
}

#[test]
fn a_hash_that_would_cost_too_much_is_refused() {
    let tag = "TdzY9guYviGDDO5e8icB+Q";
    for hash in [
        format!("$argon2id$v=19$m=262145,t=1,p=1$c29tZXNhbHQ${tag}"),
        format!("$argon2id$v=19$m=64,t=21,p=1$c29tZXNhbHQ${tag}"),
        // All passes together.
        format!("$argon2id$v=19$m=65536,t=17,p=1$c29tZXNhbHQ${tag}"),
        format!("argon2$argon2i$v=19$m=262144,t=5,p=1$c29tZXNhbHQ${tag}"),
        format!("$pbkdf2-sha256$i=10000001$c2FsdHNhbHQ${tag}"),
        // Two digests are needed for its length.
        format!("$pbkdf2-sha1$i=5000001$c2FsdHNhbHQ${tag}{tag}"),
        format!("$pbkdf2-sha1$i=99999999999$c2FsdHNhbHQ${tag}"),
        "pbkdf2_sha1$10000001$c2FsdHNhbHQ$aDapRanzW8aHTz97v2TcfHzWD+I=".to_owned(),
        format!("$scrypt$ln=18,r=8,p=1$c2FsdHNhbHQ${tag}"),
        format!("$scrypt$ln=17,r=8,p=9$c2FsdHNhbHQ${tag}"),
        format!("$scrypt$ln=1,r=4294967295,p=4294967295$c2FsdHNhbHQ${tag}"),
        format!("$scrypt$ln=64,r=8,p=1$c2FsdHNhbHQ${tag}"),
        "$2b$17$CCCCCCCCCCCCCCCCCCCCC./mc37Kdhrv0B3/.B13E.XXGgHg1yCoy".to_owned(),
    ] {
        assert_eq!(read(&hash), Err(HashRefusal::TooCostly), "{hash}");
    }
    assert!(read(&format!("$argon2id$v=19$m=65536,t=16,p=16$c29tZXNhbHQ${tag}")).is_ok());
    assert!(read(&format!("$scrypt$ln=17,r=8,p=7$c2FsdHNhbHQ${tag}")).is_ok());
    assert!(read(&format!("$pbkdf2-sha1$i=10000000$c2FsdHNhbHQ${tag}")).is_ok());
    let [data, secret, ..] = KEYCLOAK[2];
    // 5 passes over 209716 KiB are a little more than 1 GiB.
    for (parameter, costly) in [("[\"7168\"]", "[\"209716\"]"), ("\"hashIterations\":5", "\"hashIterations\":21")] {
        let data = data.replace(parameter, costly);
        assert_eq!(ForeignHashes.read(&keycloak(&data, secret)), Err(HashRefusal::TooCostly), "{data}");
    }
}

#[test]
fn what_is_malformed_is_refused() {
    for (source, hash, ..) in TEXTS {
        for broken in
            [format!("{hash}$"), format!("{hash}\n"), format!(" {hash}"), format!("{hash}$AAAA"), hash[1..].to_owned()]
        {
            assert!(read(&broken).is_err(), "{source}: {broken:?}");
        }
        // Where the length is known, no beginning of a hash is a hash.
        let is_bcrypt = hash.starts_with("$2") || hash.starts_with("bcrypt");
        if is_bcrypt || hash.starts_with("pbkdf2_") || hash.starts_with("scrypt$") || hash.contains(",l=") {
            for end in 0..hash.len() {
                assert!(read(&hash[..end]).is_err(), "{source}: {end}");
            }
        }
    }
    let tag = "TdzY9guYviGDDO5e8icB+Q";
    for hash in [
        // Nine, ten and fifteen bytes of tag.
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$TdzY9guYviGD",
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$TdzY9guYviGDDA",
        "$pbkdf2-sha256$i=80000$c2FsdHNhbHQ$TdzY9guYviGDDO5e8icB",
        "$pbkdf2-sha256$i=80000$c2FsdHNhbHQ$",
        // Three bytes of salt.
        &format!("$pbkdf2-sha256$i=80000$c2Fs${tag}"),
        &format!("$pbkdf2-sha256$i=80000,l=17$c2FsdHNhbHQ${tag}"),
        &format!("$pbkdf2-sha256$i=0$c2FsdHNhbHQ${tag}"),
        &format!("$pbkdf2-sha256$i=+80000$c2FsdHNhbHQ${tag}"),
        &format!("$pbkdf2-sha256$i=080000$c2FsdHNhbHQ${tag}"),
        &format!("$pbkdf2-sha256$01212$c2FsdHNhbHQ${tag}"),
        &format!("$pbkdf2-sha256$$c2FsdHNhbHQ${tag}"),
        &format!("$scrypt$ln=0,r=8,p=1$c2FsdHNhbHQ${tag}"),
        &format!("$scrypt$ln=16,r=1,p=1$c2FsdHNhbHQ${tag}"),
        &format!("$scrypt$r=8,ln=14,p=1$c2FsdHNhbHQ${tag}"),
        &format!("$argon2id$v=19$m=65536,t=2,p=1,keyid=Zm9v$c29tZXNhbHQ${tag}"),
        &format!("$argon2id$v=19$m=65536,t=2,p=1,data=Zm9v$c29tZXNhbHQ${tag}"),
        "scrypt$16383$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw==",
        "pbkdf2_sha256$390000$seasalt$aDapRanzW8aHTz97v2TcfHzWD+I=",
        "$2b$5$CCCCCCCCCCCCCCCCCCCCC./mc37Kdhrv0B3/.B13E.XXGgHg1yCoy",
        "$2b$03$CCCCCCCCCCCCCCCCCCCCC./mc37Kdhrv0B3/.B13E.XXGgHg1yCoy",
        "$2b$05$CCCCCCCCCCCCCCCCCCCCC./mc37Kdhrv0B3/.B13E.XXGgHg1yCo",
        "$2b$05$CCCCCCCCCCCCCCCCCCCCC./mc37Kdhrv0B3/.B13E.XXGgHg1yCoyy",
        "$2b$05$CCCCCCCCCCCCCCCCCCCCC./mc37Kdhrv0B3/+B13E.XXGgHg1yCoy",
        &"x".repeat(2000),
    ] {
        assert_eq!(read(hash), Err(HashRefusal::Malformed), "{hash}");
    }
    for hash in [
        "",
        "x",
        "password",
        "!unusable",
        "$1$abcdefgh$G0rVvU9nA8qR6f0OG0Y4y/",
        "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjlO/O817G3uBnIFNjnQJuesI68OTLiBFdcbYEdFCoEOfaS35inz1",
        "$2x$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e",
        "$2$05$CCCCCCCCCCCCCCCCCCCCC./mc37Kdhrv0B3/.B13E.XXGgHg1yCoy",
        "$bcrypt-sha256$v=2,t=2b,r=12$n79VH.0Q2TMWmt3Oqt9uku$Kq4Noyk3094Y2QlB8NdRT8SvGiI4ft2",
        "{SMD5}RnexgcsjdBHMQ1yhB7+sD+a+qDI=",
        "{CRYPT}$2b$05$CCCCCCCCCCCCCCCCCCCCC./mc37Kdhrv0B3/.B13E.XXGgHg1yCoy",
        "sha1$seasalt$cff36ea83f5706ce9aa7454e63e431fc726b2dc8",
        "$pbkdf2-md5$i=80000$c2FsdHNhbHQ$TdzY9guYviGDDO5e8icB+Q",
    ] {
        assert_eq!(read(hash), Err(HashRefusal::Unknown), "{hash}");
    }
}

#[test]
fn credentials_of_keycloak_that_make_no_sense_are_refused() {
    let [data, secret, ..] = KEYCLOAK[2];
    for (part, other, refusal) in [
        ("\"argon2\"", "\"md5\"", HashRefusal::Unknown),
        ("[\"id\"]", "[\"x\"]", HashRefusal::Malformed),
        ("[\"1.3\"]", "[\"1.1\"]", HashRefusal::Malformed),
        ("[\"1.3\"]", "[]", HashRefusal::Malformed),
        ("[\"32\"]", "[\"31\"]", HashRefusal::Malformed),
        ("\"memory\"", "\"mem\"", HashRefusal::Malformed),
        ("\"hashIterations\":5", "\"hashIterations\":-5", HashRefusal::Malformed),
        ("\"hashIterations\"", "\"iterations\"", HashRefusal::Malformed),
        ("{\"hash", "\"hash", HashRefusal::Malformed),
    ] {
        let data = data.replace(part, other);
        assert_eq!(ForeignHashes.read(&keycloak(&data, secret)), Err(refusal), "{data}");
    }
    for secret in ["", "{}", "null", &secret.replace("Cf9AYCE5", "Cf9AYC!5"), &secret.replace("\"salt\"", "\"pepper\"")]
    {
        assert_eq!(ForeignHashes.read(&keycloak(data, secret)), Err(HashRefusal::Malformed), "{secret}");
    }
}

#[tokio::test]
async fn another_spelling_of_a_stored_hash_is_not_checked() {
    let hasher = hasher();
    for (source, hash, password, stored) in TEXTS {
        if stored != "=" {
            let hash = PasswordHash::new(hash.to_owned());
            let checked = hasher.verify(&Password::for_verification(password).unwrap(), &hash).await;
            assert_eq!(checked, Err(HashError::Failed), "{source}");
        }
    }
    assert_eq!(hasher.total(), 0);
}
