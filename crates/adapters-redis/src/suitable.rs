//! What a server must be before anything is entrusted to it.

use std::sync::Arc;

use crate::config::OpenError;
use crate::connection::{Node, field, info};

/// The oldest version with `(` in the ranges of streams.
const OLDEST: (u32, u32) = (6, 2);

/// Refuses a server that would lose sessions or revocations, or cannot run the scripts.
pub(crate) async fn check(node: &Arc<Node>, clustered: bool) -> Result<(), OpenError> {
    let connection = node.connection().await.map_err(|why| OpenError::Unreachable(why.to_string()))?;
    let mut sections = Vec::new();
    for section in ["server", "memory", "replication"] {
        let answer = info(&connection, section).await;
        sections.push(answer.map_err(|error| OpenError::Unreachable(format!("{}: {error}", node.name())))?);
    }
    judge(&sections.concat(), clustered).map_err(|what| OpenError::Unsuitable { server: node.name(), what })
}

fn judge(info: &str, clustered: bool) -> Result<(), String> {
    let version = field(info, "redis_version").unwrap_or_default();
    if parse(version).is_none_or(|version| version < OLDEST) {
        return Err(format!("it is version {version:?}, and 6.2 is the oldest that works"));
    }
    let mode = field(info, "redis_mode").unwrap_or_default();
    if (mode == "cluster") != clustered {
        return Err(if clustered {
            format!("it is no node of a cluster (redis_mode is {mode:?}); configure it as a single server")
        } else {
            "it is a node of a Redis Cluster; configure it as a cluster".to_owned()
        });
    }
    if field(info, "role") != Some("master") {
        return Err("it is a read-only replica; name the master".to_owned());
    }
    match field(info, "maxmemory_policy") {
        Some("noeviction") => Ok(()),
        policy => Err(format!(
            "maxmemory-policy is {:?}, so it throws away sessions and rate limits when its memory is full; set \
             `maxmemory-policy noeviction` (redis.conf, or CONFIG SET)",
            policy.unwrap_or("unknown")
        )),
    }
}

fn parse(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(version: &str, mode: &str, role: &str, policy: &str) -> String {
        format!("redis_version:{version}\r\nredis_mode:{mode}\r\nrole:{role}\r\nmaxmemory_policy:{policy}\r\n")
    }

    #[test]
    fn a_refusal_says_what_to_set() {
        let good = info("7.0.15", "standalone", "master", "noeviction");
        assert_eq!(judge(&good, false), Ok(()));
        assert!(judge(&good, true).unwrap_err().contains("no node of a cluster"));
        assert_eq!(judge(&info("6.2.0", "cluster", "master", "noeviction"), true), Ok(()));
        for (bad, word) in [
            (info("6.0.16", "standalone", "master", "noeviction"), "6.2"),
            (info("", "standalone", "master", "noeviction"), "6.2"),
            (info("7.0.15", "cluster", "master", "noeviction"), "as a cluster"),
            (info("7.0.15", "standalone", "slave", "noeviction"), "replica"),
            (info("7.0.15", "standalone", "master", "allkeys-lru"), "maxmemory-policy noeviction"),
        ] {
            assert!(judge(&bad, false).unwrap_err().contains(word), "{word}");
        }
    }
}
