//! What PostgreSQL and Redis are like, for `keystead doctor`.

use std::time::Duration;

use keystead_adapters_crypto::SystemClock;
use keystead_adapters_postgres::PgDatabase;
use keystead_adapters_redis::RedisLink;
use keystead_application::ports::Clock as _;

use super::stores::{postgres_config, redis_config};
use super::{ComposeError, broken};
use crate::config::{Config, Data, SharedConfig};

/// Replicas compare times with each other through rows. Clocks further apart than this do not read the revocation log
/// reliably (docs/adr/0015).
const LARGEST_DIFFERENCE: Duration = Duration::from_secs(5);
/// Clocks further apart than this are not synchronised.
const NOTABLE_DIFFERENCE: Duration = Duration::from_secs(2);

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// As it should be.
    Good(String),
    /// Works, and should be looked at.
    Doubtful(String),
    /// Does not work.
    Bad(String),
}

/// Examines what only replicas need, by name. Nothing when the store is one file.
pub async fn examine(config: &Config) -> Vec<(&'static str, Finding)> {
    let Data::Shared(shared) = &config.store.data else { return Vec::new() };
    let clock = clock_difference(config, shared).await.map_or_else(|error| Finding::Bad(error.to_string()), judge);
    let redis = redis_config(&shared.redis).and_then(|settings| RedisLink::open(&settings).map_err(broken));
    let redis = redis.map_or_else(
        |error| Finding::Bad(error.to_string()),
        |_| Finding::Good("answers, and throws nothing away (maxmemory-policy noeviction)".to_owned()),
    );
    vec![("clock", clock), ("redis", redis)]
}

/// The database's clock minus this machine's, in microseconds.
async fn clock_difference(config: &Config, shared: &SharedConfig) -> Result<i64, ComposeError> {
    let database = PgDatabase::open(&postgres_config(&config.store, &shared.postgres)?).map_err(broken)?;
    database.clock_skew(SystemClock.now()).await.map_err(broken)
}

fn judge(micros: i64) -> Finding {
    let difference = Duration::from_micros(micros.unsigned_abs());
    let side = if micros < 0 { "behind" } else { "ahead of" };
    let told = format!("the database's clock is {:.1} s {side} this machine's", difference.as_secs_f64());
    if difference <= NOTABLE_DIFFERENCE {
        Finding::Good(told)
    } else if difference <= LARGEST_DIFFERENCE {
        Finding::Doubtful(format!("{told}; let NTP set both"))
    } else {
        Finding::Bad(format!("{told}; let NTP set both"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_may_differ_by_two_seconds_and_must_not_by_more_than_five() {
        for (micros, told) in [(0, "0.0 s ahead"), (-2_000_000, "2.0 s behind"), (1_999_999, "2.0 s ahead")] {
            assert!(matches!(judge(micros), Finding::Good(text) if text.contains(told)), "{micros}");
        }
        for (micros, told) in [(2_000_001, "2.0 s ahead"), (-5_000_000, "5.0 s behind")] {
            assert!(matches!(judge(micros), Finding::Doubtful(text) if text.contains(told)), "{micros}");
        }
        for micros in [5_000_001, -3_600_000_000, i64::MIN] {
            assert!(matches!(judge(micros), Finding::Bad(text) if text.contains("NTP")), "{micros}");
        }
    }
}
