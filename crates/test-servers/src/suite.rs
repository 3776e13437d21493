//! The servers a run of all tests shares.

use crate::{Postgres, Redis, RedisCluster, Result, postgres, shared};

/// One PostgreSQL, one Redis and one Redis Cluster, each unless its variable points at an existing one. They end with the
/// value or with this process.
#[derive(Debug)]
pub struct Suite {
    postgres: Option<Postgres>,
    redis: Option<Redis>,
    cluster: Option<RedisCluster>,
}

impl Suite {
    /// Starts what the environment does not name.
    pub fn start() -> Result<Self> {
        let is_wanted = |variable: &str| !shared::is_set(variable);
        std::thread::scope(|scope| {
            let postgres = is_wanted(shared::POSTGRES_URL).then(|| scope.spawn(Postgres::start));
            let cluster = is_wanted(shared::REDIS_CLUSTER_URL).then(|| scope.spawn(RedisCluster::start));
            let redis = is_wanted(shared::REDIS_URL).then(Redis::start).transpose();
            Ok(Self {
                postgres: postgres.map(join).transpose()?,
                redis: redis?,
                cluster: cluster.map(join).transpose()?,
            })
        })
    }

    /// Whether all programs the suite would start are installed; the first that is not is the error.
    pub fn installed() -> Result {
        if !shared::is_set(shared::POSTGRES_URL) {
            Postgres::installed()?;
        }
        if !(shared::is_set(shared::REDIS_URL) && shared::is_set(shared::REDIS_CLUSTER_URL)) {
            Redis::installed()?;
        }
        Ok(())
    }

    /// The environment that points tests at the servers started here.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = Vec::new();
        if let Some(server) = &self.postgres {
            variables.push((shared::POSTGRES_URL, server.url().to_owned()));
            variables.push((shared::POSTGRES_LOG, server.log_path().display().to_string()));
        }
        if let Ok(template) = postgres::template() {
            variables.push((postgres::TEMPLATE, template.display().to_string()));
        }
        if let Some(server) = &self.redis {
            variables.push((shared::REDIS_URL, server.url().to_owned()));
        }
        if let Some(cluster) = &self.cluster {
            variables.push((shared::REDIS_CLUSTER_URL, cluster.urls().join(",")));
        }
        variables
    }
}

fn join<T>(handle: std::thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    handle.join().unwrap_or_else(|_| Err(crate::Error::new("starting a server panicked")))
}
