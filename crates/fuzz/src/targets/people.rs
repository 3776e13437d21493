//! What people type about themselves.

use keystead_api_actix::http::Time;
use keystead_domain::account::{
    Address, ContactKind, EmailAddress, FullName, Locale, LoginName, Password, PasswordPolicy, PhoneNumber, Reason,
    Username,
};
use keystead_domain::attendance::{LocalDate, Remarks};
use keystead_domain::factor::PasskeyName;

use crate::check;
use crate::input::{line, text};

/// `email`: an address as somebody typed it.
pub(super) fn email(bytes: &[u8]) {
    let Some(typed) = text(bytes) else { return };
    let Ok(address) = EmailAddress::try_new(typed) else { return };
    let canonical = address.as_str();
    // One safe line of an SMTP conversation (RFC 5321 section 4.1.2), one mailbox.
    assert!(canonical.len() <= 254 && canonical.bytes().all(|byte| (0x21..0x7f).contains(&byte)), "{canonical:?}");
    assert!(!canonical.contains(['<', '>', '"', '\\', '(', ')', ',', ';', ':']), "{canonical:?}");
    assert_eq!(canonical.matches('@').count(), 1);
    assert_eq!(EmailAddress::try_new(canonical).as_ref(), Ok(&address));
    assert_eq!(EmailAddress::try_new(&canonical.to_ascii_uppercase()).as_ref(), Ok(&address));
    let stored = Address::from_stored(ContactKind::Email, canonical).expect("what was accepted is read back");
    let masked = stored.masked();
    let shown = masked.rsplit_once('@').map_or("", |(shown, _)| shown);
    assert_eq!(shown.chars().filter(|c| *c != '•').count(), 1, "{shown:?} tells more than the first character");
    assert!(PhoneNumber::try_new(typed).is_err() && Username::try_new(typed).is_err(), "the forms exclude each other");
}

/// `phone`: a number as somebody typed it.
pub(super) fn phone(bytes: &[u8]) {
    let Some(typed) = text(bytes) else { return };
    let Ok(number) = PhoneNumber::try_new(typed) else { return };
    let canonical = number.as_str();
    let digits = canonical.strip_prefix('+').expect("E.164 begins with +");
    assert!((7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()), "{canonical:?}");
    assert_eq!(PhoneNumber::try_new(canonical).as_ref(), Ok(&number), "one number has one spelling");
    assert_eq!(PhoneNumber::from_stored(canonical).as_ref(), Some(&number));
    assert!(EmailAddress::try_new(typed).is_err() && Username::try_new(typed).is_err(), "the forms exclude each other");
}

/// `login_name`: whatever somebody typed to sign in.
pub(super) fn login_name(bytes: &[u8]) {
    let Some(typed) = text(bytes) else { return };
    let name = LoginName::parse(typed);
    // The canonical text names the same account, so that nothing tells a spelling from another: no counter, no decoy.
    assert_eq!(LoginName::parse(name.canonical()), name, "{typed:?} is another name when it is canonical");
    for spelled in [format!(" {typed}\t"), typed.to_ascii_uppercase()] {
        assert_eq!(LoginName::parse(&spelled).canonical(), name.canonical(), "{spelled:?} is another name");
    }
    let known = match &name {
        LoginName::Email(address) => address.as_str(),
        LoginName::Phone(number) => number.as_str(),
        LoginName::Username(username) => username.as_str(),
        LoginName::Unknown(_) => return,
    };
    check::one_line(known, 254);
}

/// `names`: what somebody, something or a reason is called.
pub(super) fn names(bytes: &[u8]) {
    let Some(typed) = text(bytes) else { return };
    if let Ok(name) = FullName::try_new(typed) {
        check::one_line(name.as_str(), 4 * 64);
        assert!((1..=64).contains(&name.as_str().chars().count()));
        assert_eq!(FullName::try_new(name.as_str()).as_ref(), Ok(&name), "a name is its own canonical form");
        assert!(!name.as_str().contains("://") && !name.as_str().contains('@'));
    }
    if let Ok(username) = Username::try_new(typed) {
        assert_eq!(Username::try_new(username.as_str()).as_ref(), Ok(&username));
    }
    if let Ok(locale) = Locale::try_new(typed) {
        assert_eq!(Locale::try_new(locale.as_str()).as_ref(), Ok(&locale));
    }
    if let Ok(reason) = Reason::try_new(typed) {
        check::one_line(reason.as_str(), 4 * Reason::MAX);
        assert_eq!(Reason::try_new(reason.as_str()).as_ref(), Ok(&reason));
    }
    if let Ok(Some(remarks)) = Remarks::try_new(typed) {
        check::one_line(remarks.as_str(), 4 * Remarks::MAX);
        assert_eq!(Remarks::try_new(remarks.as_str()), Ok(Some(remarks)));
    }
    if let Ok(name) = PasskeyName::try_new(typed) {
        check::one_line(name.as_str(), 4 * 64);
        assert_eq!(PasskeyName::try_new(name.as_str()).as_ref(), Ok(&name));
    }
}

/// `password`: a new password behind the first line, which is its owner's name.
pub(super) fn password(bytes: &[u8]) {
    let (own, typed) = line(bytes);
    let (Some(own), Some(typed)) = (text(own), text(typed)) else { return };
    let Some(password) = Password::for_verification(typed) else { return };
    assert!(password.expose().chars().count() <= 128);
    let again = Password::for_verification(password.expose()).expect("NFC does not grow twice");
    assert_eq!(again, password, "NFC of NFC is itself");
    if let Ok(accepted) = PasswordPolicy::default().accept(typed, &[own]) {
        assert_eq!(accepted, password, "what is hashed at registration is what is hashed at login");
        assert!(accepted.expose().chars().count() >= 8);
    }
}

/// `dates`: a day or a time.
pub(super) fn dates(bytes: &[u8]) {
    let Some(written) = text(bytes) else { return };
    if let Ok(day) = LocalDate::try_new(written) {
        assert_eq!(day.to_string(), written, "a day has one spelling");
    }
    if let Some(at) = Time::parse(written) {
        let json = serde_json::to_string(&Time(at)).expect("a time that was read can be written");
        assert_eq!(Time::parse(json.trim_matches('"')), Some(at));
    }
}
