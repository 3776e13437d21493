//! PostgreSQL and Redis.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use deadpool_redis::redis::{self, Commands, FromRedisValue, Value};
use tokio_postgres::{NoTls, SimpleQueryMessage};

use crate::support::stores::{Shared, redis_connection};

pub struct Servers<'a> {
    shared: &'a Shared,
    redis: redis::Connection,
}

impl<'a> Servers<'a> {
    pub fn new(shared: &'a Shared) -> Self {
        Self { shared, redis: redis_connection() }
    }

    /// The first column of every row. On a thread of its own: the caller may be part of a runtime.
    fn rows(&self, query: &str) -> Vec<String> {
        let url = self.shared.postgres_url();
        std::thread::scope(|scope| scope.spawn(|| rows(url, query)).join().unwrap())
    }

    pub fn count(&mut self, of: &str) -> i64 {
        self.rows(&format!("SELECT count(*) FROM {of}"))[0].parse().unwrap()
    }

    pub fn sessions(&mut self) -> usize {
        let keys = self.shared.keys();
        keys.iter().filter(|key| self.table(key) == "sessions").count()
    }

    pub fn generation(&mut self, session: &str) -> i64 {
        self.redis.hget(format!("{}:s:{{{session}}}", self.shared.prefix()), "head").unwrap()
    }

    pub fn dump(&mut self, without: &[&str]) -> BTreeMap<String, Vec<String>> {
        let mut dump = self.tables(without);
        for key in self.shared.keys() {
            let table = self.table(&key).to_owned();
            let mut row = format!("key='{key}'");
            for (field, value) in self.fields(&key) {
                if !without.contains(&format!("{table}.{field}").as_str()) {
                    let _ = write!(row, " {field}={}", quoted(&value));
                }
            }
            dump.entry(table).or_default().push(row);
        }
        dump
    }

    /// Values as they are, and as Redis writes them to its own file.
    pub fn bytes(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for row in self.tables(&[]).into_values().flatten() {
            bytes.extend(row.as_bytes());
            bytes.extend(unquoted(&row));
        }
        for key in self.shared.keys() {
            bytes.extend(key.as_bytes());
            for (field, value) in self.fields(&key) {
                bytes.extend(field.as_bytes());
                bytes.extend(value);
            }
            let image: Option<Vec<u8>> = redis::cmd("DUMP").arg(&key).query(&mut self.redis).unwrap();
            bytes.extend(image.unwrap_or_default());
        }
        bytes
    }

    /// Runs these commands.
    pub fn command(&self, sql: &str) {
        self.rows(sql);
    }

    fn tables(&self, without: &[&str]) -> BTreeMap<String, Vec<String>> {
        let columns = self.rows(
            "SELECT table_name || ' ' || column_name || ' ' || data_type FROM information_schema.columns \
             WHERE table_schema = 'public' ORDER BY table_name, ordinal_position",
        );
        let mut selections: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for column in &columns {
            let [table, column, kind] = column.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{column}") };
            let selection = selections.entry(table.to_owned()).or_default();
            if without.contains(&format!("{table}.{column}").as_str()) {
                continue;
            }
            let text = match kind {
                "bytea" => format!("'X''' || upper(encode(\"{column}\", 'hex')) || ''''"),
                _ => format!("quote_literal(\"{column}\"::text)"),
            };
            selection.push(format!("'{column}=' || coalesce({text}, 'NULL')"));
        }
        let read = |(table, selection): (String, Vec<String>)| {
            let rows = self.rows(&format!("SELECT {} FROM \"{table}\" ORDER BY 1", selection.join(" || ' ' || ")));
            (table, rows)
        };
        selections.into_iter().map(read).collect()
    }

    /// The table a key would be in, in a SQLite file.
    fn table(&self, key: &str) -> &'static str {
        let rest = key.strip_prefix(self.shared.prefix()).and_then(|rest| rest.strip_prefix(':')).unwrap();
        match rest.split(':').next().unwrap() {
            "s" => "sessions",
            "u" => "sessions_of_users",
            "c" => "ceremonies",
            "r" => "rate_windows",
            "f" | "fs" => "feed",
            other => panic!("nobody has said what {other} is: {key}"),
        }
    }

    /// What a key holds, by name. None when it lapsed meanwhile.
    fn fields(&mut self, key: &str) -> Vec<(String, Vec<u8>)> {
        let kind: String = redis::cmd("TYPE").arg(key).query(&mut self.redis).unwrap();
        match kind.as_str() {
            "none" => Vec::new(),
            "string" => vec![("value".to_owned(), self.redis.get(key).unwrap())],
            "hash" => {
                let mut fields: Vec<(String, Vec<u8>)> = self.redis.hgetall(key).unwrap();
                fields.sort();
                fields
            }
            "zset" => {
                let members: Vec<(String, String)> = self.redis.zrange_withscores(key, 0, -1).unwrap();
                members.into_iter().map(|(member, score)| (member, score.into_bytes())).collect()
            }
            "set" => {
                let mut members: Vec<Vec<u8>> = self.redis.smembers(key).unwrap();
                members.sort();
                members.into_iter().map(|member| ("member".to_owned(), member)).collect()
            }
            "stream" => {
                let entries: Vec<(String, Value)> =
                    redis::cmd("XRANGE").arg(key).arg("-").arg("+").query(&mut self.redis).unwrap();
                let text = |fields: Value| Vec::<Vec<u8>>::from_redis_value(fields).unwrap().join(&b' ');
                entries.into_iter().map(|(id, fields)| (id, text(fields))).collect()
            }
            other => panic!("{key} is a {other}, which nobody reads here"),
        }
    }
}

fn rows(url: &str, query: &str) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        let messages = client.simple_query(query).await.unwrap_or_else(|error| panic!("{query}: {error:?}"));
        drop(client);
        connection.await.unwrap().unwrap();
        let row = |message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
            _ => None,
        };
        messages.into_iter().filter_map(row).collect()
    })
}

/// Text in quotes, bytes as SQLite would quote them.
fn quoted(value: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(value) {
        return format!("'{text}'");
    }
    let mut text = String::from("X'");
    for byte in value {
        let _ = write!(text, "{byte:02X}");
    }
    text + "'"
}

/// The bytes of every `X'…'` of a row.
fn unquoted(row: &str) -> Vec<u8> {
    let digits = row.split("X'").skip(1).filter_map(|rest| rest.split('\'').next());
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.flat_map(|digits| digits.as_bytes().chunks(2).filter_map(byte).collect::<Vec<_>>()).collect()
}
