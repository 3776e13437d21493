//! The servers a run of all tests shares.

use std::fmt;

use crate::{Error, Missing, Postgres, Redis, RedisCluster, Result, postgres, programs, shared};

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

    /// What would have to be installed before [`start`](Self::start) can work.
    pub fn missing() -> Vec<Missing> {
        let redis_is_given = shared::is_set(shared::REDIS_URL) && shared::is_set(shared::REDIS_CLUSTER_URL);
        let postgres =
            if shared::is_set(shared::POSTGRES_URL) { programs::psql().err() } else { Postgres::installed().err() };
        let redis = if redis_is_given { None } else { Redis::installed().err() };
        let errors = [postgres, redis].into_iter().flatten();
        errors.filter_map(|error| if let Error::Missing(missing) = error { Some(missing) } else { None }).collect()
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

/// One line per kind of server: which one, and whose.
impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, own: Option<String>, variable: &str| match own {
            Some(address) => writeln!(f, "{name}: started on {address}"),
            None => writeln!(f, "{name}: the one of {variable}"),
        };
        line("PostgreSQL", self.postgres.as_ref().map(|server| server.url().to_owned()), shared::POSTGRES_URL)?;
        line("Redis", self.redis.as_ref().map(|server| server.url().to_owned()), shared::REDIS_URL)?;
        line("Redis Cluster", self.cluster.as_ref().map(|cluster| cluster.urls().join(",")), shared::REDIS_CLUSTER_URL)
    }
}

fn join<T>(handle: std::thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    handle.join().unwrap_or_else(|_| Err(Error::new("starting a server panicked")))
}
