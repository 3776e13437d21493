//! Which node of a cluster a key lives on (Redis Cluster specification, "Key distribution model").

use deadpool_redis::redis::Value;

use crate::config::Address;

const SLOTS: u16 = 16384;

/// The slot of a key: CRC16 of what stands in its first `{…}`, if anything, else of all of it.
pub(crate) fn slot(key: &[u8]) -> u16 {
    let tag = key.iter().position(|&byte| byte == b'{').and_then(|open| {
        let rest = key.get(open + 1..)?;
        let close = rest.iter().position(|&byte| byte == b'}')?;
        rest.get(..close).filter(|tag| !tag.is_empty())
    });
    crc16(tag.unwrap_or(key)) % SLOTS
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| {
        (0..8)
            .fold(crc ^ (u16::from(byte) << 8), |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 })
    })
}

/// A range of slots and the master that serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) first: u16,
    pub(crate) last: u16,
    pub(crate) master: Address,
}

/// Reads the answer to `CLUSTER SLOTS`. A node without a name is the one that was asked.
pub(crate) fn ranges(answer: Value, asked: &str) -> Option<Vec<Range>> {
    let Value::Array(entries) = answer else { return None };
    let range = |entry: Value| {
        let Value::Array(parts) = entry else { return None };
        let mut parts = parts.into_iter();
        let (first, last) = (number(&parts.next()?)?, number(&parts.next()?)?);
        let Value::Array(master) = parts.next()? else { return None };
        let mut master = master.into_iter();
        let (host, port) = (master.next()?, number(&master.next()?)?);
        Some(Range { first, last, master: (host_of(host, asked)?, port) })
    };
    entries.into_iter().map(range).collect()
}

/// Reads where `MOVED` and `ASK` lead: `<host>:<port>`, the host empty when it is the one that was asked.
pub(crate) fn redirect(target: &str, asked: &str) -> Option<Address> {
    let (host, port) = target.rsplit_once(':')?;
    let host = if host.is_empty() { asked } else { host };
    Some((host.to_owned(), port.parse().ok()?))
}

fn number(value: &Value) -> Option<u16> {
    match value {
        Value::Int(number) => u16::try_from(*number).ok(),
        _ => None,
    }
}

fn host_of(value: Value, asked: &str) -> Option<String> {
    match value {
        Value::BulkString(bytes) if !bytes.is_empty() => String::from_utf8(bytes).ok(),
        Value::BulkString(_) | Value::Nil => Some(asked.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(slot(b"foo"), 12182);
        assert_eq!(slot(b"{user1000}.following"), slot(b"{user1000}.followers"));
        assert_eq!(slot(b"foo{bar}{zap}"), slot(b"bar"));
        assert_eq!(slot(b"foo{{bar}}zap"), slot(b"{bar"));
        assert_eq!(slot(b"foo{}{bar}"), crc16(b"foo{}{bar}") % SLOTS);
        assert_eq!(slot(b"foo{bar"), crc16(b"foo{bar") % SLOTS);
    }

    #[test]
    fn nameless_nodes_are_the_one_that_was_asked() {
        let node = |host: Value| Value::Array(vec![host, Value::Int(7001), Value::BulkString(b"id".to_vec())]);
        let entry = |first, last, host| Value::Array(vec![Value::Int(first), Value::Int(last), node(host)]);
        let named = entry(0, 5460, Value::BulkString(b"10.0.0.1".to_vec()));
        let answer = Value::Array(vec![named, entry(5461, 16383, Value::Nil)]);
        let range = |first, last, host: &str| Range { first, last, master: (host.to_owned(), 7001) };
        assert_eq!(ranges(answer, "asked"), Some(vec![range(0, 5460, "10.0.0.1"), range(5461, 16383, "asked")]));
        assert_eq!(ranges(Value::Array(vec![Value::Int(1)]), "asked"), None);
        assert_eq!(redirect("::1:7001", "asked"), Some(("::1".into(), 7001)));
        assert_eq!(redirect(":7001", "asked"), Some(("asked".into(), 7001)));
        assert_eq!(redirect("nowhere", "asked"), None);
    }
}
