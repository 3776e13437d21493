//! `keystead dev` only: the mailbox and the clock. These routes do not exist in `keystead serve`.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use keystead_domain::{SecretString, Timestamp};
use serde::Serialize;

use crate::dto;
use crate::http::{
    ApiBody, ApiError, ApiQuery, Code, Document, NoBody, Params, Query, Time, endpoint, no_content, resource,
};

/// A page of its own style, nothing loaded from anywhere, no script.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";
/// The longest step of the clock: a year.
const LONGEST_STEP: u64 = 366 * 86_400;

/// A mail or text message in the development mailbox.
pub struct DevMail {
    /// `Message-ID`, or the identifier of a text message.
    pub id: String,
    /// `email` or `sms`.
    pub channel: &'static str,
    /// Recipient.
    pub to: String,
    /// Subject; empty for a text message.
    pub subject: String,
    /// Plain text part, or the text message.
    pub text: SecretString,
    /// HTML part; empty for a text message.
    pub html: SecretString,
    /// When it was delivered.
    pub created_at: Timestamp,
}

/// What a developer can see and move.
pub trait DevTools: Send + Sync {
    /// The mails and text messages, newest first, to one address or all.
    fn mails(&self, to: Option<&str>) -> Vec<DevMail>;
    /// Empties the mailbox.
    fn clear_mails(&self);
    /// Moves the service's clock forward.
    fn advance_clock(&self, span: Duration);
}

/// The tools, as handlers find them.
pub type DevToolsHandle = Arc<dyn DevTools>;

/// Adds the routes.
pub fn configure(config: &mut ServiceConfig, tools: DevToolsHandle) {
    config
        .app_data(Data::new(tools))
        .service(endpoint("/dev/mail").get(mails).delete(clear))
        .service(endpoint("/dev/clock").post(advance));
}

/// `filter[to]`.
struct MailFilter {
    to: Option<String>,
}

impl Query for MailFilter {
    fn read(params: &mut Params) -> Self {
        Self { to: params.take("filter[to]").map(|to| to.trim().to_ascii_lowercase()) }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MailAttributes {
    channel: &'static str,
    to: String,
    subject: String,
    text: String,
    html: String,
    created_at: Time,
}

async fn mails(
    req: HttpRequest,
    tools: Data<DevToolsHandle>,
    ApiQuery(filter): ApiQuery<MailFilter>,
) -> Result<HttpResponse, ApiError> {
    let mails = tools.mails(filter.to.as_deref());
    let accept = req.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("text/html")) {
        return Ok(page(&mails));
    }
    let resources = mails
        .into_iter()
        .map(|mail| {
            let attributes = MailAttributes {
                channel: mail.channel,
                to: mail.to,
                subject: mail.subject,
                text: mail.text.expose().to_owned(),
                html: mail.html.expose().to_owned(),
                created_at: mail.created_at.into(),
            };
            resource("messages", mail.id, attributes)
        })
        .collect();
    Ok(Document::list(resources, None).ok())
}

async fn clear(tools: Data<DevToolsHandle>, _: NoBody) -> Result<HttpResponse, ApiError> {
    tools.clear_mails();
    Ok(no_content())
}

dto! {
    /// A step of the clock.
    pub struct ClockBody: "clockSteps" {
        /// Seconds forward.
        advance: u64,
    }
}

async fn advance(tools: Data<DevToolsHandle>, body: ApiBody<ClockBody>) -> Result<HttpResponse, ApiError> {
    let mut check = body.check();
    if body.advance > LONGEST_STEP {
        check.refuse("advance", Code::VALIDATION_FAILED, "a step is at most a year".into());
    }
    check.finish(())?;
    tools.advance_clock(Duration::from_secs(body.advance));
    Ok(no_content())
}

/// The mailbox for people. Messages are shown as text: what a template got wrong cannot run here.
fn page(mails: &[DevMail]) -> HttpResponse {
    let mut html = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Keystead mailbox</title><style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui;max-width:45rem;\
         margin:2rem auto;padding:0 1rem}article{border:1px solid #8888;border-radius:.5rem;padding:1rem;margin:1rem 0}\
         h2{font-size:1rem;margin:0}pre{white-space:pre-wrap;overflow-wrap:anywhere}</style><h1>Development mailbox</h1>",
    );
    if mails.is_empty() {
        html.push_str("<p>No message yet. Register somebody and reload.</p>");
    }
    for mail in mails {
        html.push_str("<article><h2>");
        escape(if mail.channel == "sms" { "Text message" } else { &mail.subject }, &mut html);
        html.push_str("</h2><p>to ");
        escape(&mail.to, &mut html);
        html.push_str("</p><pre>");
        escape(mail.text.expose(), &mut html);
        html.push_str("</pre></article>");
    }
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")))
        .insert_header((header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY)))
        .body(html)
}

fn escape(text: &str, html: &mut String) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
}
