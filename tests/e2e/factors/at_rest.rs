//! G06: of what second factors are made of, nothing usable is at rest in database and Redis.

use data_encoding::BASE32_NOPAD;
use serde_json::json;

use super::{EMAIL, PHONE, asked, with_phones, without_passwords};
use crate::at_rest::{contains, forms, hex};
use crate::support::{PASSWORD, Service};

#[tokio::test]
async fn g06_nothing_of_second_factors_is_usable_at_rest() {
    let change = |config: &mut keystead_api_actix::config::Config| {
        without_passwords(config);
        with_phones(config);
    };
    let service = Service::builder().configured(change).start().await;
    let (mut secrets, mut codes) = (Vec::new(), Vec::new());

    // A program, and a second secret that waits to be confirmed.
    let (ada, program) = service.enrolled(EMAIL).await;
    let waiting = ada.begin_totp().await.unwrap();
    for (name, program) in [("TOTP secret", &program), ("pending TOTP secret", &waiting)] {
        secrets.push((name, program.base32.clone().into_bytes()));
        secrets.push((name, program.base32.to_lowercase().into_bytes()));
        secrets.push((name, program.secret()));
        secrets.push((name, hex(&program.secret()).into_bytes()));
    }
    for code in ada.recovery_codes().await.unwrap() {
        let digits = code.replace('-', "");
        secrets.push(("recovery code", code.into_bytes()));
        secrets.push(("the secret part of a recovery code", digits.as_bytes()[4..].to_vec()));
        secrets.push(("recovery code", digits.into_bytes()));
    }
    secrets.extend(forms(ada.proof.as_deref().unwrap()).into_iter().map(|form| ("step-up proof", form)));
    let question = asked(&service, EMAIL).await;
    secrets.extend(forms(&question.token).into_iter().map(|form| ("half-login token", form)));
    secrets.extend(forms(&question.client_id).into_iter().map(|form| ("half-login client id", form)));

    // Codes on their way: to a new number, to a moved address, for a login without a password, for a step-up, by SMS.
    let pending = ada.add_contact("phone", PHONE).await.unwrap();
    codes.push(service.code(PHONE).await);
    let ada = ada.verify_contact(&pending, &codes[0]).await.unwrap();
    ada.add_contact("phone", "+442079460924").await.unwrap();
    codes.push(service.code("+442079460924").await);
    let pending = ada.add_contact("email", "moved@example.com").await.unwrap();
    codes.push(service.code("moved@example.com").await);
    ada.verify_contact(&pending, codes.last().unwrap()).await.unwrap();
    let undo = service.mails_about(EMAIL, "This address no longer", 1).await[0].link_token().unwrap();
    secrets.extend(forms(&undo).into_iter().map(|form| ("undo token", form)));
    let bob = service.native().register_with(&json!({ "phone": "+442079460925", "password": PASSWORD })).await.unwrap();
    codes.push(service.code("+442079460925").await);
    let bob = bob.verify(codes.last().unwrap()).await.unwrap();
    bob.ask_step_up("sms").await.unwrap();
    codes.push(service.codes("+442079460925", 2).await.remove(1));
    let without = service.native().passwordless("+442079460925").await.unwrap();
    codes.push(service.codes("+442079460925", 3).await.remove(2));
    secrets.extend(forms(&without.token).into_iter().map(|form| ("passwordless token", form)));
    service.mail_settled().await;

    let mut database = service.database();
    let (bytes, rows) = (database.bytes(), database.dump(&[]));
    assert!(contains(&bytes, b"moved@example.com") && contains(&bytes, PHONE.as_bytes()), "all of it is searched");
    assert_eq!(BASE32_NOPAD.encode(&program.secret()), program.base32);
    for (name, secret) in &secrets {
        assert!(!contains(&bytes, secret), "{name} in clear");
        let digits = hex(secret);
        assert!(!rows.values().flatten().any(|row| row.contains(&digits)), "{name} in clear, in a row");
    }
    // Six digits may be part of a number: look for a value that is the code.
    for code in &codes {
        let digits = hex(code.as_bytes());
        for row in rows.values().flatten() {
            let values = [format!("='{code}'"), format!("={code} "), format!("X'{digits}'"), format!(":\"{code}\"")];
            assert!(!values.iter().any(|value| row.contains(value.as_str())), "a code in clear: {row}");
        }
    }
    for word in ["otpauth", "\"notice\"", "#code=", "#token="] {
        assert!(!contains(&bytes, word.as_bytes()), "{word} at rest");
    }
}
