//! G12: every route that is served is declared, and the other way round.

use std::collections::BTreeSet;

use keystead_api_actix::authorization::RULES;

use crate::support::Service;

/// Routes the document does not tell of: other names of one it does, and the document itself.
const UNTOLD: [(&str, &str); 3] = [("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/api/v1/openapi.json")];

#[tokio::test]
async fn g12_every_route_is_declared() {
    let service = Service::start().await;
    let document = service.api().get("/api/v1/openapi.json").await.ok(200).unwrap().json();
    let mut served: BTreeSet<(String, String)> = UNTOLD.map(|(method, path)| (method.into(), path.into())).into();
    for (path, methods) in document["paths"].as_object().unwrap() {
        served.extend(methods.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone())));
    }
    let declared: BTreeSet<_> = RULES.iter().map(|rule| (rule.method.to_owned(), rule.path.to_owned())).collect();
    let (missing, gone): (Vec<_>, Vec<_>) =
        (served.difference(&declared).collect(), declared.difference(&served).collect());
    assert!(missing.is_empty() && gone.is_empty(), "nobody said whom they are for: {missing:?}; not served: {gone:?}");
    for (_, path) in UNTOLD {
        assert_eq!(service.api().get(path).await.status, 200, "{path}");
    }
}
