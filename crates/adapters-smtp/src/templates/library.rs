use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use keystead_application::ports::RenderError;
use keystead_domain::account::Locale;
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};

/// The language every message exists in.
pub(super) const FALLBACK: &str = "en";

/// The files of one message by mail.
const KINDS: [&str; 3] = ["subject.txt", "txt", "html"];

/// The file of one message by SMS.
pub(super) const SMS: &str = "sms.txt";

/// Files that messages share: layouts to extend and pieces to include.
const SHARED: [&str; 6] = ["base.txt", "base.html", "occasion.txt", "occasion.html", "factor.txt", "act.txt"];

/// Every message there is.
pub(super) const MESSAGES: [&str; 28] = [
    "verify_email",
    "verify_contact",
    "login_code",
    "reset_code",
    "passwordless_code",
    "step_up_code",
    "account_exists",
    "reset_password",
    "activate_account",
    "password_reset",
    "password_changed",
    "refresh_reused",
    "new_device",
    "factor_added",
    "factor_removed",
    "recovery_codes_made",
    "recovery_code_used",
    "factors_blocked",
    "passkey_cloned",
    "contact_added",
    "contact_lost",
    "contact_restored",
    "account_deactivated",
    "administered",
    "impersonated",
    "check_out_reminder",
    "social_linked",
    "social_unlinked",
];

macro_rules! embedded {
    ($locale:literal: $($file:literal)*) => {
        [$((concat!($locale, "/", $file), include_str!(concat!("../../templates/", $locale, "/", $file)))),*]
    };
}

/// The built-in templates.
static EMBEDDED: [(&str, &str); 118] = embedded!("en":
    "base.txt" "base.html" "occasion.txt" "occasion.html" "factor.txt" "act.txt"
    "verify_email.subject.txt" "verify_email.txt" "verify_email.html" "verify_email.sms.txt"
    "verify_contact.subject.txt" "verify_contact.txt" "verify_contact.html" "verify_contact.sms.txt"
    "login_code.subject.txt" "login_code.txt" "login_code.html" "login_code.sms.txt"
    "reset_code.subject.txt" "reset_code.txt" "reset_code.html" "reset_code.sms.txt"
    "passwordless_code.subject.txt" "passwordless_code.txt" "passwordless_code.html" "passwordless_code.sms.txt"
    "step_up_code.subject.txt" "step_up_code.txt" "step_up_code.html" "step_up_code.sms.txt"
    "account_exists.subject.txt" "account_exists.txt" "account_exists.html" "account_exists.sms.txt"
    "reset_password.subject.txt" "reset_password.txt" "reset_password.html" "reset_password.sms.txt"
    "activate_account.subject.txt" "activate_account.txt" "activate_account.html" "activate_account.sms.txt"
    "password_reset.subject.txt" "password_reset.txt" "password_reset.html" "password_reset.sms.txt"
    "password_changed.subject.txt" "password_changed.txt" "password_changed.html" "password_changed.sms.txt"
    "refresh_reused.subject.txt" "refresh_reused.txt" "refresh_reused.html" "refresh_reused.sms.txt"
    "new_device.subject.txt" "new_device.txt" "new_device.html" "new_device.sms.txt"
    "factor_added.subject.txt" "factor_added.txt" "factor_added.html" "factor_added.sms.txt"
    "factor_removed.subject.txt" "factor_removed.txt" "factor_removed.html" "factor_removed.sms.txt"
    "recovery_codes_made.subject.txt" "recovery_codes_made.txt" "recovery_codes_made.html" "recovery_codes_made.sms.txt"
    "recovery_code_used.subject.txt" "recovery_code_used.txt" "recovery_code_used.html" "recovery_code_used.sms.txt"
    "factors_blocked.subject.txt" "factors_blocked.txt" "factors_blocked.html" "factors_blocked.sms.txt"
    "passkey_cloned.subject.txt" "passkey_cloned.txt" "passkey_cloned.html" "passkey_cloned.sms.txt"
    "contact_added.subject.txt" "contact_added.txt" "contact_added.html" "contact_added.sms.txt"
    "contact_lost.subject.txt" "contact_lost.txt" "contact_lost.html" "contact_lost.sms.txt"
    "contact_restored.subject.txt" "contact_restored.txt" "contact_restored.html" "contact_restored.sms.txt"
    "account_deactivated.subject.txt" "account_deactivated.txt" "account_deactivated.html" "account_deactivated.sms.txt"
    "administered.subject.txt" "administered.txt" "administered.html" "administered.sms.txt"
    "impersonated.subject.txt" "impersonated.txt" "impersonated.html" "impersonated.sms.txt"
    "check_out_reminder.subject.txt" "check_out_reminder.txt" "check_out_reminder.html" "check_out_reminder.sms.txt"
    "social_linked.subject.txt" "social_linked.txt" "social_linked.html" "social_linked.sms.txt"
    "social_unlinked.subject.txt" "social_unlinked.txt" "social_unlinked.html" "social_unlinked.sms.txt"
);

/// The compiled templates of every locale, named `<locale>/<file>`.
pub(super) struct Library {
    environment: Environment<'static>,
    names: BTreeSet<String>,
    locales: BTreeSet<String>,
}

impl Library {
    /// The built-in templates, with the operator's in their place where there are any.
    pub(super) fn load(override_dir: Option<&Path>) -> Result<Self, RenderError> {
        let mut sources: BTreeMap<String, Cow<'static, str>> =
            EMBEDDED.iter().map(|(name, source)| ((*name).to_owned(), Cow::Borrowed(*source))).collect();
        if let Some(directory) = override_dir {
            read_overrides(directory, &mut sources)?;
        }
        let names: BTreeSet<String> = sources.keys().cloned().collect();
        let locales = names.iter().filter_map(|name| Some(name.split_once('/')?.0.to_owned())).collect();
        let library = Self { environment: compile(sources, &names)?, names, locales };
        library.check_complete()?;
        Ok(library)
    }

    pub(super) fn locales(&self) -> impl Iterator<Item = &str> {
        self.locales.iter().map(String::as_str)
    }

    /// The first of region, language, English that has the message. `kind`: the file to go by.
    pub(super) fn locale_for(&self, wished: &str, template: &str, kind: &str) -> String {
        let wished = Locale::try_new(wished).map_or_else(|_| FALLBACK.to_owned(), |locale| locale.to_string());
        let language = wished.split('-').next().unwrap_or(FALLBACK);
        [wished.as_str(), language]
            .into_iter()
            .find(|locale| self.names.contains(&format!("{locale}/{template}.{kind}")))
            .unwrap_or(FALLBACK)
            .to_owned()
    }

    /// Renders one template. The error names template and line, and no value.
    pub(super) fn render(&self, name: &str, values: &Value) -> Result<String, RenderError> {
        let template = self.environment.get_template(name).map_err(|error| describe(name, &error))?;
        template.render(values).map_err(|error| describe(name, &error))
    }

    /// A message of a locale has all files of its mail or none: half of it in another language helps nobody. Text
    /// messages are looked up by themselves.
    fn check_complete(&self) -> Result<(), RenderError> {
        for locale in &self.locales {
            for message in MESSAGES {
                let file = |kind: &&str| self.names.contains(&format!("{locale}/{message}.{kind}"));
                let missing: Vec<_> = KINDS.into_iter().filter(|kind| !file(kind)).collect();
                if (1..KINDS.len()).contains(&missing.len()) {
                    return Err(RenderError(format!("{locale}/{message}: missing {}", missing.join(", "))));
                }
            }
        }
        Ok(())
    }
}

fn compile(
    sources: BTreeMap<String, Cow<'static, str>>,
    names: &BTreeSet<String>,
) -> Result<Environment<'static>, RenderError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    environment.set_syntax(syntax.map_err(|error| describe("syntax", &error))?);
    environment.set_auto_escape_callback(|name| {
        let is_html = Path::new(name).extension().is_some_and(|extension| extension == "html");
        if is_html { AutoEscape::Html } else { AutoEscape::None }
    });
    let known = names.clone();
    // `base.html` means the layout of the same locale, or the English one.
    environment.set_path_join_callback(move |name, parent| {
        let locale = parent.split_once('/').map_or(FALLBACK, |(locale, _)| locale);
        let own = format!("{locale}/{name}");
        Cow::Owned(if known.contains(&own) { own } else { format!("{FALLBACK}/{name}") })
    });
    for (name, source) in sources {
        let result = environment.add_template_owned(name.clone(), source);
        result.map_err(|error| describe(&name, &error))?;
    }
    Ok(environment)
}

/// Reads `<directory>/<locale>/<file>`. A file nobody would ever use is a mistake to report.
fn read_overrides(directory: &Path, sources: &mut BTreeMap<String, Cow<'static, str>>) -> Result<(), RenderError> {
    for (locale, path) in entries(directory)? {
        if !path.is_dir() {
            continue;
        }
        if !Locale::try_new(&locale).is_ok_and(|parsed| parsed.as_str() == locale) {
            return Err(RenderError(format!("{locale}: the folder is not named after a locale such as en or pt-BR")));
        }
        for (file, path) in entries(&path)? {
            let name = format!("{locale}/{file}");
            if !is_known(&file) {
                return Err(RenderError(format!("{name}: no message uses this file")));
            }
            let source = fs::read_to_string(path).map_err(|error| RenderError(format!("{name}: {error}")))?;
            sources.insert(name, Cow::Owned(source));
        }
    }
    Ok(())
}

/// Names and paths in a folder, without hidden files.
fn entries(directory: &Path) -> Result<Vec<(String, std::path::PathBuf)>, RenderError> {
    let unreadable = |error: std::io::Error| RenderError(format!("{}: {error}", directory.display()));
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            found.push((name, entry.path()));
        }
    }
    Ok(found)
}

fn is_known(file: &str) -> bool {
    SHARED.contains(&file)
        || file
            .split_once('.')
            .is_some_and(|(message, kind)| MESSAGES.contains(&message) && (kind == SMS || KINDS.contains(&kind)))
}

/// The engine's detail is left out when it could quote a value.
fn describe(name: &str, error: &minijinja::Error) -> RenderError {
    let name = error.name().unwrap_or(name);
    let line = error.line().map_or_else(String::new, |line| format!(" line {line}"));
    let detail = match error.kind() {
        minijinja::ErrorKind::SyntaxError | minijinja::ErrorKind::TemplateNotFound => error.detail(),
        _ => None,
    };
    let detail = detail.map_or_else(String::new, |detail| format!(": {detail}"));
    RenderError(format!("{name}{line}: {}{detail}", error.kind()))
}
