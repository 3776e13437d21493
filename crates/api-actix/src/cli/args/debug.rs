//! `keystead debug …`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `keystead debug …`.
#[derive(Debug, Subcommand)]
pub enum DebugCommand {
    /// Verify a signed token with a JWK set, without a service or a database
    #[command(after_help = "Example:\n  curl -s https://id.example.com/.well-known/jwks.json > jwks.json\n  \
        keystead debug verify-jws --jwks jwks.json < token.txt")]
    VerifyJws(VerifyJwsArgs),
    /// Print a page of documentation that is generated from the code
    #[command(after_help = "Example:\n  keystead debug docs configuration > docs/configuration.md")]
    Docs(DocsArgs),
}

/// `keystead debug docs`.
#[derive(Args, Clone, Copy, Debug)]
pub struct DocsArgs {
    /// Which page
    #[arg(value_enum, value_name = "PAGE")]
    pub page: DocsPage,
}

/// A page of documentation that is generated from the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DocsPage {
    /// docs/api-errors.md
    ApiErrors,
    /// docs/limits.md
    Limits,
    /// docs/configuration.md
    Configuration,
    /// docs/authorization.md
    Authorization,
}

/// `keystead debug verify-jws`.
#[derive(Args, Clone, Debug)]
pub struct VerifyJwsArgs {
    /// The JWK set (RFC 7517), a file
    #[arg(long, value_name = "FILE")]
    pub jwks: PathBuf,
    /// The token in compact form (RFC 7515 section 7.1); from standard input unless given
    #[arg(value_name = "TOKEN")]
    pub token: Option<String>,
}
