//! Redis Sentinel.

use std::time::Duration;

use crate::redis::{Redis, Role};
use crate::{Error, Result, wait};

/// What the sentinels call the servers they watch.
const NAME: &str = "keystead";
/// The fewest of which two can agree when one is gone.
const SENTINELS: usize = 3;
/// How long finding each other, or a failover, may take; a few seconds as a rule.
const PATIENCE: Duration = Duration::from_secs(60);

/// A master, its replica, and three sentinels that make the replica master within a few seconds when the master does not
/// answer for half a second. Ends as [`Redis`] does.
#[derive(Debug)]
pub struct Sentinel {
    servers: [Redis; 2],
    sentinels: Vec<Redis>,
}

impl Sentinel {
    /// Starts all; returns when a failover would work.
    pub fn start() -> Result<Self> {
        let master = Redis::start()?;
        let replica = Redis::options().line(&format!("replicaof 127.0.0.1 {}", master.port())).start()?;
        wait::until_true("the replica follows", PATIENCE, || {
            Ok(replica.command(&["INFO", "replication"])?.to_string().contains("master_link_status:up"))
        })?;
        let options = Redis::options()
            .role(Role::Sentinel)
            .line(&format!("sentinel monitor {NAME} 127.0.0.1 {} 2", master.port()))
            .line(&format!("sentinel down-after-milliseconds {NAME} 500"))
            .line(&format!("sentinel failover-timeout {NAME} 3000"));
        let sentinels = (0..SENTINELS).map(|_| options.clone().start()).collect::<Result<Vec<_>>>()?;
        let all = Self { servers: [master, replica], sentinels };
        wait::until_true("the sentinels know each other", PATIENCE, || {
            for sentinel in &all.sentinels {
                let master = sentinel.command(&["SENTINEL", "MASTER", NAME])?.into_list();
                let fields: Vec<String> = master.iter().map(ToString::to_string).collect();
                let has = |name: &str, value: &str| fields.chunks(2).any(|field| field == [name, value]);
                if !(has("num-other-sentinels", "2") && has("num-slaves", "1") && has("flags", "master")) {
                    return Ok(false);
                }
            }
            Ok(true)
        })?;
        Ok(all)
    }

    /// What the master is called.
    pub fn master_name(&self) -> &'static str {
        NAME
    }

    /// The sentinels' ports on 127.0.0.1.
    pub fn sentinel_ports(&self) -> Vec<u16> {
        self.sentinels.iter().map(Redis::port).collect()
    }

    /// The sentinels, to stop or freeze.
    pub fn sentinels(&self) -> &[Redis] {
        &self.sentinels
    }

    /// The two servers, the first master first.
    pub fn servers(&self) -> &[Redis; 2] {
        &self.servers
    }

    /// The port of the master, as the first sentinel sees it.
    pub fn master_port(&self) -> Result<u16> {
        let Some(sentinel) = self.sentinels.first() else { return Err(Error::new("no sentinels")) };
        let address = sentinel.command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME])?.into_list();
        let port = address.get(1).and_then(|port| port.to_string().parse().ok());
        port.ok_or_else(|| Error::new(format!("the sentinel answered {address:?}")))
    }

    /// Kills the present master and returns its port. Restart it through [`servers`](Self::servers): it becomes a replica.
    pub fn kill_master(&self) -> Result<u16> {
        let port = self.master_port()?;
        let master = self.servers.iter().find(|server| server.port() == port);
        master.ok_or_else(|| Error::new("the master is none of the servers"))?.kill();
        Ok(port)
    }

    /// Waits until every sentinel names another master than the one on `port`, and that one takes writes.
    pub fn wait_for_failover(&self, port: u16) -> Result {
        wait::until_true("another master", PATIENCE, || {
            let new = self.master_port()?;
            let Some(master) = self.servers.iter().find(|server| server.port() == new && new != port) else {
                return Ok(false);
            };
            Ok(master.command(&["ROLE"])?.into_list().first().is_some_and(|role| role.to_string() == "master"))
        })
    }
}
