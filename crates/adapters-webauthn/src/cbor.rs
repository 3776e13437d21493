//! CBOR (RFC 8949), as far as authenticators use it: definite lengths, no tags, no floating point (CTAP 2 canonical form).
//! Nothing is built: it finds where values end, so that what the library reads is what was meant.

/// Values may be this deep in one another. Authenticators are limited to 4 (CTAP 2.1 section 6).
const MAX_DEPTH: u8 = 8;

/// Which kind of value a byte begins (RFC 8949 section 3.1).
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const SIMPLE: u8 = 7;

/// The parts of an attestation object (WebAuthn Level 3 section 6.5.4).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AttestationObject<'a> {
    pub(crate) format: &'a str,
    /// The statement, still CBOR.
    pub(crate) statement: &'a [u8],
    pub(crate) authenticator_data: &'a [u8],
}

impl<'a> AttestationObject<'a> {
    /// Reads an object that ends where the bytes end, with each part once.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader { rest: bytes };
        let (MAP, entries) = reader.head()? else { return None };
        let (mut format, mut statement, mut authenticator_data) = (None, None, None);
        for _ in 0..entries {
            let repeated = match reader.text()? {
                "fmt" => format.replace(reader.text()?).is_some(),
                "attStmt" => statement.replace(reader.value()?).is_some(),
                "authData" => authenticator_data.replace(reader.byte_string()?).is_some(),
                _ => return None,
            };
            if repeated {
                return None;
            }
        }
        let object = Self { format: format?, statement: statement?, authenticator_data: authenticator_data? };
        reader.rest.is_empty().then_some(object)
    }
}

/// Splits one value off the front: the value and what is behind it.
pub(crate) fn split_value(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut reader = Reader { rest: bytes };
    let value = reader.value()?;
    Some((value, reader.rest))
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.rest = rest;
        Some(taken)
    }

    /// The kind of the next value and its number: a length, a count or the value itself.
    fn head(&mut self) -> Option<(u8, u64)> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        let (kind, number) = (first >> 5, first & 0b1_1111);
        let number = match number {
            0..24 => u64::from(number),
            24..28 => self.take(1 << (number - 24))?.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte)),
            // 31 would be a length that is not known yet; the others are not assigned.
            _ => return None,
        };
        Some((kind, number))
    }

    fn text(&mut self) -> Option<&'a str> {
        let (TEXT, length) = self.head()? else { return None };
        str::from_utf8(self.take(length)?).ok()
    }

    fn byte_string(&mut self) -> Option<&'a [u8]> {
        let (BYTES, length) = self.head()? else { return None };
        self.take(length)
    }

    /// The bytes of the next value, whatever it is.
    fn value(&mut self) -> Option<&'a [u8]> {
        let before = self.rest;
        self.skip(MAX_DEPTH)?;
        before.get(..before.len() - self.rest.len())
    }

    fn skip(&mut self, depth: u8) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match self.head()? {
            // Whole numbers; false, true, null and undefined. The simple values above are floating point.
            (0 | 1, _) | (SIMPLE, 20..24) => Some(()),
            (BYTES | TEXT, length) => self.take(length).map(drop),
            // Every value takes a byte at least, so a false count ends with the bytes.
            (ARRAY, count) => (0..count).try_for_each(|_| self.skip(depth)),
            (MAP, count) => (0..count).try_for_each(|_| self.skip(depth).and_then(|()| self.skip(depth))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_ends_where_it_ends() {
        for value in [
            &[0x00][..],
            &[0x18, 0x64],
            &[0x39, 0x01, 0x00],
            &[0x42, 1, 2],
            &[0x62, b'a', b'b'],
            &[0x82, 0x01, 0xf5],
            &[0xa1, 0x01, 0x81, 0xf6],
            &[0xa0],
        ] {
            let with_more = [value, &[0xff, 0x00]].concat();
            assert_eq!(split_value(&with_more), Some((value, &[0xff, 0x00][..])), "{value:?}");
            assert_eq!(split_value(&value[..value.len() - 1]), None, "{value:?} without its last byte");
        }
    }

    #[test]
    fn what_authenticators_never_write_is_refused() {
        for (bytes, what) in [
            (&[0x5f, 0x41, 1, 0xff][..], "byte string of unknown length"),
            (&[0x9f, 1, 0xff], "array of unknown length"),
            (&[0xbf, 1, 1, 0xff], "map of unknown length"),
            (&[0x1c], "number 28, not assigned"),
            (&[0xc0, 0x61, b'a'], "tag"),
            (&[0xfb, 0, 0, 0, 0, 0, 0, 0, 0], "floating point"),
            (&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0], "more values than bytes"),
            (&[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0], "longer than memory"),
            (&[0x81; 9], "nine arrays in one another"),
        ] {
            assert_eq!(split_value(bytes), None, "{what}");
        }
        assert!(split_value(&[0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x00]).is_some(), "seven arrays and a number");
    }

    #[test]
    fn an_attestation_object_has_its_three_parts_once_and_nothing_else() {
        let (format, statement, data): (&[u8], &[u8], &[u8]) =
            (b"\x63fmt\x64none", b"\x67attStmt\xa0", b"\x68authData\x43abc");
        let object = |count: u8, parts: &[&[u8]]| [&[0xa0 | count], parts.concat().as_slice()].concat();
        let good = object(3, &[format, statement, data]);
        let expected = AttestationObject { format: "none", statement: &[0xa0], authenticator_data: b"abc" };
        assert_eq!(AttestationObject::parse(&good), Some(expected));
        for bad in [
            [good.as_slice(), &[0]].concat(),
            object(2, &[format, data]),
            object(4, &[format, statement, data, format]),
            object(4, &[format, statement, data, b"\x61x\x00"]),
            object(3, &[format, statement, b"\x68authData\x63abc"]),
            [&[0xbf], &good[1..], &[0xff]].concat(),
        ] {
            assert_eq!(AttestationObject::parse(&bad), None, "{bad:02x?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_fail_otherwise(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some((value, rest)) = split_value(&bytes) {
                prop_assert_eq!([value, rest].concat(), bytes.clone());
            }
            let _ = AttestationObject::parse(&bytes);
        }
    }
}
