use std::sync::Arc;
use std::time::Duration;

use deadpool_redis::redis::{Cmd, ErrorKind, FromRedisValue, RedisError, ServerErrorKind, Value, from_redis_value};
use keystead_application::ports::EphemeralError;

use super::cluster::Cluster;
use super::dial::Connection;
use super::node::Node;
use super::slots::redirect;

/// How often one command is sent on to another node before it is given up.
const HOPS: usize = 6;
/// Between two tries while a slot moves from one node to another.
const MOVING: Duration = Duration::from_millis(20);

/// Whether running a command twice does the same as running it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It does: sent once more when the connection died before the answer came.
    Safe,
    /// It does not, or its answer would be another: an unknown outcome is an error.
    Never,
}

/// Why a command gave no answer.
#[derive(Clone, Debug)]
pub(crate) enum CallError {
    /// No server to send it to.
    Down(Arc<str>),
    /// The server refused it, or the connection broke.
    Redis(RedisError),
}

impl CallError {
    /// The server does not have the script. Nothing was run.
    pub(crate) fn is_unknown_script(&self) -> bool {
        matches!(self, Self::Redis(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript))
    }
}

impl From<RedisError> for CallError {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}

impl From<CallError> for EphemeralError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Down(why) => Self(why.to_string()),
            CallError::Redis(error) => Self(error.to_string()),
        }
    }
}

/// Where commands go.
#[derive(Clone)]
pub(crate) enum Route {
    /// To the one master.
    One(Arc<Node>),
    /// To the node that serves the key.
    Cluster(Arc<Cluster>),
}

/// What an error says about the command, the connection and the map.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Not run here; the named node has it.
    Elsewhere { asking: bool },
    /// Not run; the slot is on the move.
    Later,
    /// Not run: nobody serves the slot.
    Nobody,
    /// Not run: the server is no master, or not yet. The connection is to the wrong server.
    Unfit,
    /// The connection died. The command may have run.
    Died,
    /// The connection is not to be trusted any more. The command may have run.
    Broken,
    /// The answer to this command, and no more.
    Refused,
}

fn verdict(error: &RedisError) -> Verdict {
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::Moved) => Verdict::Elsewhere { asking: false },
        ErrorKind::Server(ServerErrorKind::Ask) => Verdict::Elsewhere { asking: true },
        ErrorKind::Server(ServerErrorKind::TryAgain) => Verdict::Later,
        ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown) => {
            Verdict::Unfit
        }
        ErrorKind::Server(ServerErrorKind::ClusterDown) => Verdict::Nobody,
        ErrorKind::Io if error.is_connection_dropped() => Verdict::Died,
        ErrorKind::Io | ErrorKind::Parse | ErrorKind::AuthenticationFailed => Verdict::Broken,
        // How Redis 6.2 wraps what a command inside a script was answered.
        ErrorKind::Server(ServerErrorKind::ResponseError)
            if error.detail().is_some_and(|text| text.contains("-READONLY")) =>
        {
            Verdict::Unfit
        }
        _ if error.code() == Some("NOAUTH") => Verdict::Broken,
        _ => Verdict::Refused,
    }
}

impl Route {
    /// The node a key lives on.
    pub(crate) fn node_of(&self, key: &str) -> Result<Arc<Node>, CallError> {
        match self {
            Self::One(node) => Ok(Arc::clone(node)),
            Self::Cluster(cluster) => cluster.node_of(key.as_bytes()).ok_or_else(|| {
                cluster.refresh_soon();
                CallError::Down("no node of the Redis cluster serves the key".into())
            }),
        }
    }

    /// The shared connection to a node.
    pub(crate) async fn connection(&self, node: &Arc<Node>) -> Result<Connection, CallError> {
        node.connection().await.map_err(|why| {
            self.distrust();
            CallError::Down(why)
        })
    }

    /// A node failed: perhaps another has taken over.
    pub(crate) fn distrust(&self) {
        if let Self::Cluster(cluster) = self {
            cluster.refresh_soon();
        }
    }

    /// Sends a command about `key` to where that lives.
    pub(crate) async fn call<T: FromRedisValue>(
        &self,
        key: &str,
        command: &Cmd,
        repeat: Repeat,
    ) -> Result<T, CallError> {
        let value = self.answer(key, command, repeat).await?;
        from_redis_value(value).map_err(|error| CallError::Redis(error.into()))
    }

    async fn answer(&self, key: &str, command: &Cmd, repeat: Repeat) -> Result<Value, CallError> {
        let (mut node, mut asking) = (self.node_of(key)?, false);
        let mut hops = 0;
        loop {
            let connection = self.connection(&node).await?;
            let answer = if asking { connection.send_asking(command).await } else { connection.send(command).await };
            let error = match answer {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            hops += 1;
            let verdict = verdict(&error);
            if matches!(verdict, Verdict::Unfit | Verdict::Died | Verdict::Broken) {
                node.lost(&connection);
            }
            if !matches!(verdict, Verdict::Refused | Verdict::Later | Verdict::Elsewhere { asking: true }) {
                self.distrust();
            }
            match verdict {
                Verdict::Elsewhere { asking: ask } if hops < HOPS => {
                    let Some(target) = self.target(&error, &node) else { return Err(error.into()) };
                    (node, asking) = (target, ask);
                }
                Verdict::Later if hops < HOPS => {
                    tokio::time::sleep(MOVING).await;
                    (node, asking) = (self.node_of(key)?, false);
                }
                // A new connection may lead to the new master.
                Verdict::Unfit if hops == 1 => node = self.node_of(key)?,
                Verdict::Died if hops == 1 && repeat == Repeat::Safe => node = self.node_of(key)?,
                _ => return Err(error.into()),
            }
        }
    }

    fn target(&self, error: &RedisError, asked: &Node) -> Option<Arc<Node>> {
        let Self::Cluster(cluster) = self else { return None };
        let host = asked.address().map_or("", |(host, _)| host.as_str());
        let (target, _) = error.redirect_node()?;
        Some(cluster.node_at(&redirect(target, host)?))
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use deadpool_redis::redis::{Value, parse_redis_value};

    use super::*;

    fn of_server(answer: &str) -> Verdict {
        let value: Value = parse_redis_value(format!("-{answer}\r\n").as_bytes()).unwrap();
        verdict(&value.extract_error().unwrap_err())
    }

    #[test]
    fn only_errors_before_anything_ran_send_a_command_on() {
        assert_eq!(of_server("MOVED 3999 127.0.0.1:6381"), Verdict::Elsewhere { asking: false });
        assert_eq!(of_server("ASK 3999 127.0.0.1:6381"), Verdict::Elsewhere { asking: true });
        assert_eq!(of_server("TRYAGAIN Multiple keys"), Verdict::Later);
        let wrapped = "ERR Error running script (call to f_1): @user_script: 1: -READONLY You can't write";
        for unfit in [wrapped, "READONLY You can't write", "LOADING Redis is loading"] {
            assert_eq!(of_server(unfit), Verdict::Unfit, "{unfit}");
        }
        assert_eq!(of_server("CLUSTERDOWN Hash slot not served"), Verdict::Nobody);
        assert_eq!(of_server("NOAUTH Authentication required."), Verdict::Broken);
        for refused in ["ERR wrong", "WRONGTYPE Operation", "OOM command not allowed", "NOPERM no", "NOSCRIPT none"] {
            assert_eq!(of_server(refused), Verdict::Refused, "{refused}");
        }
    }

    #[test]
    fn an_answer_that_is_late_is_not_a_connection_that_died() {
        let io = |kind: io::ErrorKind| verdict(&RedisError::from(io::Error::from(kind)));
        assert_eq!(io(io::ErrorKind::TimedOut), Verdict::Broken);
        for kind in [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset, io::ErrorKind::UnexpectedEof] {
            assert_eq!(io(kind), Verdict::Died, "{kind}");
        }
    }
}
