//! One log line and two figures per request.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use metrics::{Counter, Histogram};
use tracing::Level;

use super::request_id::RequestId;
use crate::http::remote::client_address;
use crate::http::routing::method_label;

/// Counts requests by route, method and status.
const REQUESTS: &str = "keystead_http_requests_total";
/// How long answers took, in seconds, by route and method.
const DURATION: &str = "keystead_http_request_duration_seconds";
/// The route of a path nobody serves: paths a client makes up must not become labels.
const UNMATCHED: &str = "unmatched";
/// Routes asked so often that their successes, and refusals because a store is away, are logged at debug level only.
const QUIET: [&str; 7] = [
    "/api/v1/auth/token/verify",
    "/.well-known/jwks.json",
    "/health/live",
    "/health/ready",
    "/healthz",
    "/readyz",
    "/metrics",
];

/// Handles of one route, found once and kept.
struct Series {
    method: &'static str,
    status: StatusCode,
    requests: Counter,
    duration: Histogram,
}

/// The figures of one thread. A recorder must be installed before the first request.
#[derive(Default)]
pub(super) struct Telemetry {
    routes: RefCell<HashMap<String, Vec<Series>>>,
}

impl Telemetry {
    /// Counts and logs an answer. Neither the query nor any header but the request's id is logged.
    pub(super) fn record(&self, req: &HttpRequest, status: StatusCode, took: Duration, id: &RequestId) {
        let pattern = req.match_pattern();
        let route = pattern.as_deref().unwrap_or(UNMATCHED);
        let method = method_label(req.method());
        self.count(route, method, status, took);
        let (us, status_code) = (u64::try_from(took.as_micros()).unwrap_or(u64::MAX), status.as_u16());
        let request_id = id.as_str();
        // Neither a busy route nor an outage of a store may flood the log.
        let is_usual = status.is_success() || status == StatusCode::SERVICE_UNAVAILABLE;
        if is_usual && QUIET.contains(&route) {
            tracing::debug!(target: "keystead::access", request_id, method, route, status = status_code, us, "request");
        } else if tracing::enabled!(target: "keystead::access", Level::INFO) {
            let client = client_address(req).ip().map(tracing::field::display);
            tracing::info!(target: "keystead::access", request_id, method, route, status = status_code, us, client, "request");
        }
    }

    /// Counts an answer.
    pub(super) fn count(&self, route: &str, method: &'static str, status: StatusCode, took: Duration) {
        let mut routes = self.routes.borrow_mut();
        if let Some(known) = routes.get(route)
            && let Some(series) = known.iter().find(|series| series.method == method && series.status == status)
        {
            series.requests.increment(1);
            series.duration.record(took.as_secs_f64());
            return;
        }
        let owned = || route.to_owned();
        let requests =
            metrics::counter!(REQUESTS, "route" => owned(), "method" => method, "status" => status.as_str().to_owned());
        let duration = metrics::histogram!(DURATION, "route" => owned(), "method" => method);
        requests.increment(1);
        duration.record(took.as_secs_f64());
        routes.entry(owned()).or_default().push(Series { method, status, requests, duration });
    }
}

/// Text from outside, or from a library, as one bounded line of a log: at most 512 bytes, nothing that moves a cursor,
/// breaks a line or turns text around.
pub fn log_text(text: &str) -> String {
    let mut kept = String::new();
    for c in text.chars() {
        let hidden = c.is_control()
            || matches!(c, '\u{00ad}' | '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        let c = if hidden { ' ' } else { c };
        if kept.len() + c.len_utf8() > 512 {
            break;
        }
        kept.push(c);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l05_log_text_is_one_bounded_line() {
        let text = log_text("a\r\nb\u{1b}[31m\u{2028}\u{202e}\"}c");
        assert_eq!(text, "a  b [31m  \"}c");
        assert_eq!(log_text(&"é".repeat(40_000)).len(), 512);
        // What turns text around or is not seen: marks, embeddings, isolates, the soft hyphen.
        for hidden in
            "\u{ad}\u{61c}\u{200b}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{feff}"
                .chars()
        {
            assert_eq!(log_text(&format!("a{hidden}b")), "a b", "U+{:04X}", u32::from(hidden));
        }
    }

    #[test]
    fn figures_are_kept_per_route_method_and_status() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let _guard = metrics::set_default_local_recorder(&recorder);
        let telemetry = Telemetry::default();
        for status in [200, 200, 404] {
            telemetry.count("/x/{id}", "GET", StatusCode::from_u16(status).unwrap(), Duration::from_millis(2));
        }
        let page = handle.render();
        for line in [
            "keystead_http_requests_total{route=\"/x/{id}\",method=\"GET\",status=\"200\"} 2",
            "keystead_http_requests_total{route=\"/x/{id}\",method=\"GET\",status=\"404\"} 1",
            "keystead_http_request_duration_seconds_count{route=\"/x/{id}\",method=\"GET\"} 3",
        ] {
            assert!(page.contains(line), "{line} in {page}");
        }
    }
}
