//! Random values of the shapes Keystead uses, from the [`Entropy`] port.

use keystead_domain::SecretString;
use keystead_domain::account::UserId;
use keystead_domain::token::{OneTimeCode, SessionId, TokenId};

use crate::ports::{Entropy, OutboxId};

/// 64 URL-safe characters, so that each carries exactly six bits.
const ALPHABET: [char; 64] = nanoid::alphabet::SAFE;

fn text(entropy: &dyn Entropy, length: usize) -> String {
    let random = |size: usize| {
        let mut bytes = vec![0; size];
        entropy.fill(&mut bytes);
        bytes
    };
    nanoid::format(random, &ALPHABET, length)
}

/// A session identifier: 126 bits.
pub fn session_id(entropy: &dyn Entropy) -> SessionId {
    loop {
        if let Some(id) = SessionId::parse(&text(entropy, 21)) {
            return id;
        }
    }
}

/// A token identifier of a session: 96 bits of its own.
pub fn token_id(entropy: &dyn Entropy, session: &SessionId) -> TokenId {
    loop {
        if let Some(id) = TokenId::new(session, &text(entropy, 16)) {
            return id;
        }
    }
}

/// A secret of 258 bits: client ids, device tokens, mailed tokens.
pub fn secret(entropy: &dyn Entropy) -> SecretString {
    SecretString::new(text(entropy, 43))
}

/// An outbox identifier.
pub fn outbox_id(entropy: &dyn Entropy) -> OutboxId {
    OutboxId(text(entropy, 21))
}

/// A version-4 UUID.
pub fn user_id(entropy: &dyn Entropy) -> UserId {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    UserId::from_random(bytes)
}

/// A six-digit code, every one equally likely: numbers beyond the last whole multiple are drawn again.
pub fn code(entropy: &dyn Entropy) -> OneTimeCode {
    const LAST: u32 = u32::MAX - u32::MAX % OneTimeCode::COUNT;
    loop {
        let mut bytes = [0; 4];
        entropy.fill(&mut bytes);
        let number = u32::from_be_bytes(bytes);
        if number < LAST
            && let Some(code) = OneTimeCode::from_number(number % OneTimeCode::COUNT)
        {
            return code;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// A full-period generator over 32 bits: uniform by construction.
    struct Weyl(AtomicU32);

    impl Entropy for Weyl {
        fn fill(&self, buffer: &mut [u8]) {
            for chunk in buffer.chunks_mut(4) {
                let word = self.0.fetch_add(0x9E37_79B9, Ordering::Relaxed).to_be_bytes();
                chunk.copy_from_slice(&word[..chunk.len()]);
            }
        }
    }

    #[test]
    fn codes_are_uniform_and_keep_leading_zeros() {
        let entropy = Weyl(AtomicU32::new(1));
        let mut first_digits = [0u32; 10];
        for _ in 0..100_000 {
            let code = code(&entropy);
            assert_eq!(code.expose().len(), 6);
            first_digits[usize::from(code.expose().as_bytes()[0] - b'0')] += 1;
        }
        assert!(first_digits.iter().all(|count| (9_500..10_500).contains(count)), "{first_digits:?}");
    }

    #[test]
    fn identifiers_have_their_shapes() {
        let entropy = Weyl(AtomicU32::new(7));
        let session = session_id(&entropy);
        let token = token_id(&entropy, &session);
        assert_eq!(token.session(), session);
        assert_eq!(session.as_str().len(), 21);
        assert_eq!(secret(&entropy).expose().len(), 43);
        assert_ne!(secret(&entropy), secret(&entropy));
    }
}
