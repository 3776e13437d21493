use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;

use keystead_application::ports::RenderError;
use keystead_domain::language::LanguageRanges;
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};

use super::embedded::{EMBEDDED, FALLBACK, KINDS, MESSAGES};
use super::overrides::{self, Sources};

/// The compiled templates of every locale, named `<locale>/<file>`.
pub(super) struct Library {
    environment: Environment<'static>,
    names: BTreeSet<String>,
    locales: BTreeSet<String>,
    default: String,
}

impl Library {
    /// The built-in templates, with the operator's in their place where there are any; and everything that is wrong with
    /// those. `default` is the language of people whose own is not known or not there.
    pub(super) fn load(override_dir: Option<&Path>, default: &str) -> Result<(Self, Vec<RenderError>), RenderError> {
        let mut problems = Vec::new();
        let embedded = EMBEDDED.iter().copied().flatten();
        let mut sources: Sources =
            embedded.map(|(name, source)| ((*name).to_owned(), Cow::Borrowed(*source))).collect();
        if let Some(directory) = override_dir {
            overrides::read(directory, &mut sources, &mut problems);
        }
        let names: BTreeSet<String> = sources.keys().cloned().collect();
        let locales = names.iter().filter_map(|name| Some(name.split_once('/')?.0.to_owned())).collect();
        let environment = compile(sources, &names, default, &mut problems)?;
        let library = Self { environment, names, locales, default: default.to_owned() };
        library.check_complete(&mut problems);
        Ok((library, problems))
    }

    pub(super) fn locales(&self) -> impl Iterator<Item = &str> + Clone {
        self.locales.iter().map(String::as_str)
    }

    /// The locale to write a message in: the first of those wished for that has it, else the default, else English.
    /// `wished` is a list as in `Accept-Language`; `kind` is the file to go by.
    pub(super) fn locale_for(&self, wished: Option<&str>, template: &str, kind: &str) -> &str {
        let has = |locale: &&str| self.names.contains(&format!("{locale}/{template}.{kind}"));
        let available: Vec<&str> = self.locales().filter(has).collect();
        let find = |list: &str| LanguageRanges::parse(list).lookup(&available.iter().copied());
        wished.and_then(find).or_else(|| find(&self.default)).unwrap_or(FALLBACK)
    }

    /// Renders one template. The error names template and line, and no value.
    pub(super) fn render(&self, name: &str, values: &Value) -> Result<String, RenderError> {
        let template = self.environment.get_template(name).map_err(|error| describe(name, &error))?;
        template.render(values).map_err(|error| describe(name, &error))
    }

    /// Renders a piece that messages share, in a locale or what stands in for it.
    pub(super) fn piece(&self, locale: &str, file: &str, values: &Value) -> Result<String, RenderError> {
        self.render(&resolve(&self.names, locale, &self.default, file), values)
    }

    /// A message of a locale has all files of its mail or none: half of it in another language helps nobody. Text
    /// messages are looked up by themselves.
    fn check_complete(&self, problems: &mut Vec<RenderError>) {
        for locale in &self.locales {
            for message in MESSAGES {
                let file = |kind: &&str| self.names.contains(&format!("{locale}/{message}.{kind}"));
                let missing: Vec<_> = KINDS.into_iter().filter(|kind| !file(kind)).collect();
                if (1..KINDS.len()).contains(&missing.len()) {
                    problems.push(RenderError(format!("{locale}/{message}: missing {}", missing.join(", "))));
                }
            }
        }
        if LanguageRanges::parse(&self.default).lookup(&self.locales()).is_none() {
            problems.push(RenderError(format!("{}: there are no templates in the default language", self.default)));
        }
    }

    /// The variables a template uses, those of what it includes left out.
    #[cfg(test)]
    pub(super) fn variables(&self, name: &str) -> BTreeSet<String> {
        self.environment.get_template(name).unwrap().undeclared_variables(true).into_iter().collect()
    }
}

/// `base.html` of `pt-BR` means its own, else that of `pt`, of the default language, of English.
fn resolve(names: &BTreeSet<String>, locale: &str, default: &str, file: &str) -> String {
    let language = |locale: &str| locale.split('-').next().unwrap_or(FALLBACK).to_owned();
    [locale.to_owned(), language(locale), default.to_owned(), language(default)]
        .into_iter()
        .map(|locale| format!("{locale}/{file}"))
        .find(|name| names.contains(name))
        .unwrap_or_else(|| format!("{FALLBACK}/{file}"))
}

/// What does not compile is reported and left out.
fn compile(
    sources: Sources,
    names: &BTreeSet<String>,
    default: &str,
    problems: &mut Vec<RenderError>,
) -> Result<Environment<'static>, RenderError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    environment.set_syntax(syntax.map_err(|error| describe("syntax", &error))?);
    environment.set_auto_escape_callback(|name| {
        let is_html = Path::new(name).extension().is_some_and(|extension| extension == "html");
        if is_html { AutoEscape::Html } else { AutoEscape::None }
    });
    let (known, default) = (names.clone(), default.to_owned());
    environment.set_path_join_callback(move |name, parent| {
        let locale = parent.split_once('/').map_or(FALLBACK, |(locale, _)| locale);
        Cow::Owned(resolve(&known, locale, &default, name))
    });
    for (name, source) in sources {
        if let Err(error) = environment.add_template_owned(name.clone(), source) {
            problems.push(describe(&name, &error));
        }
    }
    Ok(environment)
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
