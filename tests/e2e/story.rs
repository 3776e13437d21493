//! The whole story of one account.

use crate::support::{PASSWORD, Service};

#[tokio::test]
async fn smoke() {
    let service = Service::start().await;
    let ada = service.registered("ada@example.com").await;
    ada.verify().await.unwrap();
    service.native().login("ADA@example.com", PASSWORD).await.unwrap();
    let service = service.restart().await;
    ada.verify().await.unwrap();
    assert_eq!(service.database().audited("user_created"), 1);
}
