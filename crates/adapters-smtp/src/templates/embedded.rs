//! The built-in templates. A file that a language lacks does not compile.

/// The language that has everything, and what other languages fall back to last.
pub(super) const FALLBACK: &str = "en";

/// The files of one message by mail.
pub(super) const KINDS: [&str; 3] = ["subject.txt", "txt", "html"];

/// The file of one message by SMS.
pub(super) const SMS: &str = "sms.txt";

/// Name and source of one template.
type File = (&'static str, &'static str);

macro_rules! file {
    ($locale:literal, $($part:literal),*) => {
        (concat!($locale, "/" $(, $part)*), include_str!(concat!("../../templates/", $locale, "/" $(, $part)*)))
    };
}

macro_rules! files {
    ($locale:literal, [$($shared:literal)*], [$($message:literal)*]) => {
        &[
            $(file!($locale, $shared),)*
            $(
                file!($locale, $message, ".subject.txt"),
                file!($locale, $message, ".txt"),
                file!($locale, $message, ".html"),
                file!($locale, $message, ".sms.txt"),
            )*
        ]
    };
}

macro_rules! languages {
    ([$($locale:literal)*] [$($shared:literal)*] [$($message:literal)*]) => {
        /// The languages that are built in.
        #[cfg(test)]
        pub(super) const LANGUAGES: &[&str] = &[$($locale),*];

        /// Files that messages share: layouts to extend and pieces to include.
        pub(super) const SHARED: &[&str] = &[$($shared),*];

        /// Every message there is.
        pub(super) const MESSAGES: &[&str] = &[$($message),*];

        languages!(@embedded [$($locale)*] [$($shared)*] [$($message)*]);
    };
    (@embedded [$($locale:literal)*] $shared:tt $messages:tt) => {
        /// Every built-in template, one slice for each language.
        pub(super) static EMBEDDED: &[&[File]] = &[$(files!($locale, $shared, $messages)),*];
    };
}

languages! {
    ["en" "id" "de" "fr" "es" "pt"]
    ["base.txt" "base.html" "occasion.txt" "occasion.html" "factor.txt" "act.txt" "device.txt" "date.txt" "when.txt"]
    [
        "verify_email"
        "verify_contact"
        "login_code"
        "reset_code"
        "passwordless_code"
        "step_up_code"
        "account_exists"
        "reset_password"
        "activate_account"
        "password_reset"
        "password_changed"
        "refresh_reused"
        "new_device"
        "factor_added"
        "factor_removed"
        "recovery_codes_made"
        "recovery_code_used"
        "factors_blocked"
        "passkey_cloned"
        "contact_added"
        "contact_lost"
        "contact_restored"
        "account_deactivated"
        "administered"
        "impersonated"
        "check_out_reminder"
        "social_linked"
        "social_unlinked"
    ]
}
