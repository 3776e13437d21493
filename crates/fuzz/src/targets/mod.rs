//! The targets, one file per group.

mod body;
mod captcha;
mod config;
mod factors;
mod hashes;
mod headers;
mod imports;
mod people;
mod query;
mod request;
mod social;
mod srp;
mod tokens;
mod web_authn;
mod wire;

use crate::Target;

/// A line of the table.
const fn target(name: &'static str, longest: usize, run: fn(&[u8])) -> Target {
    Target { name, run, longest }
}

/// Every target.
pub static TARGETS: &[Target] = &[
    target("accept", 1024, body::accept),
    target("accept_language", 768, headers::accept_language),
    target("access_token", 4200, tokens::text),
    target("authorization", 4200, headers::authorization),
    target("base32_totp", 256, factors::totp),
    target("captcha_solution", 300, captcha::solution),
    target("config_file", 8192, config::file),
    target("config_pairs", 4096, config::pairs),
    target("content_type", 512, body::content_type),
    target("cookies", 4400, headers::cookies),
    target("credentials", 8192, headers::credentials),
    target("cursors", 600, query::cursors),
    target("dates", 128, people::dates),
    target("discovery", 4096, social::discovery),
    target("email", 400, people::email),
    target("forwarded", 2048, headers::forwarded),
    target("http_request", 8192, request::whole),
    target("id_token", 4096, social::id_token),
    target("identifiers", 512, tokens::identifiers),
    target("import_line", 4096, imports::line),
    target("json_document", 8192, body::document),
    target("jwks", 4096, social::key_set),
    target("keycloak_credential", 2048, hashes::keycloak),
    target("log_text", 2048, headers::log_text),
    target("login_name", 400, people::login_name),
    target("names", 400, people::names),
    target("one_time_code", 128, factors::code),
    target("otp_authorization", 1024, headers::otp_authorization),
    target("password", 1200, people::password),
    target("password_hash", 1100, hashes::text),
    target("phone", 64, people::phone),
    target("published_jws", 4096, tokens::published),
    target("query", 4200, query::page),
    target("refresh_token", 600, tokens::refresh),
    target("sealed", 512, tokens::sealed),
    target("siteverify_answer", 2048, captcha::answer),
    target("srp_challenge", 512, srp::challenge),
    target("srp_credential", 1400, srp::credential),
    target("srp_values", 1400, srp::values),
    target("token_claims", 4096, tokens::claims),
    target("token_header", 1024, tokens::header),
    target("webauthn_answer", 8192, web_authn::answer),
    target("webauthn_assertion", 1024, web_authn::assertion),
    target("webauthn_attestation", 4096, web_authn::attestation),
    target("wire", 8192, wire::connection),
    target("x_forwarded_for", 2048, headers::x_forwarded_for),
];
