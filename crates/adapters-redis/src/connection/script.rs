use std::sync::OnceLock;

use deadpool_redis::redis::{self, Cmd, FromRedisValue};

use super::call::{CallError, Repeat, Route};

/// A Lua script, sent by its hash, and in full to a server that does not know it: after a start, a failover or
/// `SCRIPT FLUSH`, and in a cluster at the first use on each node.
pub(crate) struct Script {
    source: &'static str,
    hash: OnceLock<String>,
}

impl Script {
    pub(crate) const fn new(source: &'static str) -> Self {
        Self { source, hash: OnceLock::new() }
    }

    fn hash(&self) -> &str {
        self.hash.get_or_init(|| redis::Script::new(self.source).get_hash().to_owned())
    }

    /// Runs it. All keys are of one slot.
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        route: &Route,
        keys: &[&str],
        arguments: &[Argument],
        repeat: Repeat,
    ) -> Result<T, CallError> {
        let key = keys.first().copied().unwrap_or_default();
        match route.call(key, &command("EVALSHA", self.hash(), keys, arguments), repeat).await {
            Err(error) if error.is_unknown_script() => {
                route.call(key, &command("EVAL", self.source, keys, arguments), repeat).await
            }
            result => result,
        }
    }
}

fn command(name: &str, script: &str, keys: &[&str], arguments: &[Argument]) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(script).arg(keys.len()).arg(keys);
    for Argument(argument) in arguments {
        command.arg(argument);
    }
    command
}

/// An argument of a script. Numbers travel as decimal text, whole: Lua prints large ones as `1e+15`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Argument(Vec<u8>);

impl From<&str> for Argument {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<String> for Argument {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl From<&[u8]> for Argument {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

macro_rules! decimal {
    ($($number:ty),*) => {
        $(impl From<$number> for Argument {
            fn from(number: $number) -> Self {
                Self(number.to_string().into_bytes())
            }
        })*
    };
}

decimal!(i64, u32, u64, usize);

#[cfg(test)]
impl Argument {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
