//! Asking for what is not there costs as much as asking for what is.

use keystead_domain::limits::REQUESTS;
use reqwest::Method;

use super::{HOUR, set, too_many};
use crate::support::{Service, refusal};

/// Requests of an address before it is refused.
const REQUESTS_OF_ONE: u32 = 5;

#[tokio::test]
async fn unknown_routes_and_the_document_count_once_as_requests() {
    let few = |config: &mut _| set(config, &REQUESTS, REQUESTS_OF_ONE, REQUESTS_OF_ONE * HOUR);
    let service = Service::builder().default_limits().behind_a_proxy().configured(few).start().await;
    let cases = [
        (Method::GET, "/nowhere", Some(refusal(404, "NOT_FOUND"))),
        (Method::POST, "/api/v2/auth/login", Some(refusal(404, "NOT_FOUND"))),
        (Method::GET, "/api/v1/nowhere", Some(refusal(404, "NOT_FOUND"))),
        (Method::DELETE, "/api/v1/auth/login", Some(refusal(405, "METHOD_NOT_ALLOWED"))),
        (Method::GET, "/api/v1/openapi.json", None),
    ];
    for (number, (method, path, expected)) in cases.into_iter().enumerate() {
        let address = format!("198.51.100.{number}");
        let ask = async || service.api().at(method.clone(), path).header("x-forwarded-for", &address).send().await;
        for _ in 0..REQUESTS_OF_ONE {
            let reply = ask().await;
            match &expected {
                Some(refused) => assert_eq!(&reply.refusal(), refused, "{method} {path}"),
                None => assert_eq!(reply.status, 200, "{method} {path}"),
            }
        }
        assert_eq!(ask().await.refusal(), too_many(), "{method} {path}");
        // Probes are answered whatever else somebody asked.
        let health = service.api().at(Method::GET, "/readyz").header("x-forwarded-for", &address);
        assert_eq!(health.send().await.status, 200);
    }
}
