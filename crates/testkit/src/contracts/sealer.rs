//! `Sealer`.

use std::sync::Arc;

use keystead_application::ports::{SealError, Sealer};

/// Tests every contract of [`Sealer`](keystead_application::ports::Sealer) that can be seen from outside. The expression
/// is a future of a [`Harness`](crate::Harness); it is evaluated once per test.
#[macro_export]
macro_rules! sealer_contracts {
    ($make:expr) => {
        $crate::contract_tests!(
            sealer,
            dyn $crate::ports::Sealer,
            $make,
            [
                what_was_sealed_opens_in_its_context,
                every_changed_byte_is_refused,
                another_context_is_refused,
                shortened_and_lengthened_texts_are_refused,
            ]
        );
    };
}

/// Any bytes come back as they were.
pub async fn what_was_sealed_opens_in_its_context(subject: Arc<dyn Sealer>) {
    let long: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    for plain in [b"".as_slice(), b"plain", &long] {
        for context in [b"".as_slice(), b"outbox:m-1"] {
            let opened = subject.open(context, &subject.seal(context, plain)).unwrap();
            assert_eq!(opened.expose(), plain);
        }
    }
}

/// No bit of the sealed text can change unnoticed.
pub async fn every_changed_byte_is_refused(subject: Arc<dyn Sealer>) {
    let sealed = subject.seal(b"context", b"the plain text");
    for index in 0..sealed.len() {
        for bit in 0..8 {
            let mut changed = sealed.clone();
            changed[index] ^= 1 << bit;
            assert_eq!(subject.open(b"context", &changed), Err(SealError), "byte {index}, bit {bit}");
        }
    }
}

/// A sealed text moved to another row, column or table does not open.
pub async fn another_context_is_refused(subject: Arc<dyn Sealer>) {
    let sealed = subject.seal(b"outbox:m-1", b"plain");
    for context in [b"outbox:m-2".as_slice(), b"outbox:m-", b"outbox:m-1p", b""] {
        assert_eq!(subject.open(context, &sealed), Err(SealError));
    }
}

/// A text of another length does not open, down to none at all.
pub async fn shortened_and_lengthened_texts_are_refused(subject: Arc<dyn Sealer>) {
    let sealed = subject.seal(b"context", b"plain");
    for length in 0..sealed.len() {
        assert_eq!(subject.open(b"context", &sealed[..length]), Err(SealError), "{length} bytes");
    }
    assert_eq!(subject.open(b"context", &[sealed, vec![0]].concat()), Err(SealError));
}
