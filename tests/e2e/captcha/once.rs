//! G02: a solution is used once, at whichever replica.

use std::collections::BTreeMap;

use keystead_testkit::race::race;
use serde_json::json;

use super::{invalid, solved, start};
use crate::support::{PASSWORD, tally};

const RACERS: usize = 64;

#[tokio::test]
async fn g02_of_parallel_requests_with_one_solution_one_is_served() {
    let service = start().await;
    for round in 0..3 {
        let solution = solved(&service.native(), "register").await;
        let (before, rows) = (service.hashes(), service.database().count("pending_registrations"));
        let answers = race(RACERS, |number| {
            let client = service.native().through(&service.replica(number));
            let email = format!("racer-{round}-{number}@example.com");
            let wish = json!({ "email": email, "password": PASSWORD, "captcha": solution });
            async move { client.register_with(&wish).await }
        });
        let (won, refused) = tally(answers.await);
        assert_eq!(won.len(), 1);
        assert_eq!(refused, BTreeMap::from([(invalid(), RACERS - 1)]));
        assert_eq!(service.hashes() - before, 1, "nothing is hashed for the others");
        assert_eq!(service.database().count("pending_registrations") - rows, 1);
    }
}
