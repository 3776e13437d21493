//! What was never tidied up, tidied up at once.

use keystead_api_actix::compose::compose;

use crate::stores::{Raw, load};
use crate::{Outcome, now};

/// Makes every device lapse, runs rounds of housekeeping until nothing is left, and prints how long it took.
pub(crate) fn run(config: &str) -> Outcome {
    let config = load(config)?;
    let composed = compose(&config)?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let mut raw = Raw::open(&config).await?;
        let past = match raw {
            Raw::Sqlite(_) => "1",
            Raw::Postgres(_) => "to_timestamp(1)",
        };
        raw.execute(&format!("UPDATE devices SET expires_at = {past}")).await?;
        drop(raw);
        println!("ready");
        let (mut deleted, begun) = (0, now());
        loop {
            let round = composed.background.housekeeping.run().await?;
            deleted += round;
            if round == 0 {
                break;
            }
        }
        println!("{}", serde_json::json!({"deleted": deleted, "seconds": begun.elapsed().as_secs_f64()}));
        Ok(())
    })
}
