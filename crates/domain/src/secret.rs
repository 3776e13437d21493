//! Values that must never be printed and are wiped when dropped.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident, $inner:ty, $view:ty) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name(Zeroizing<$inner>);

        impl $name {
            /// Takes the value over; the caller keeps no copy.
            pub fn new(value: $inner) -> Self {
                Self(Zeroizing::new(value))
            }

            /// The value itself. Every call is a place a reviewer looks at.
            pub fn expose(&self) -> &$view {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }

        impl From<$inner> for $name {
            fn from(value: $inner) -> Self {
                Self::new(value)
            }
        }
    };
}

secret!(
    /// A secret text: a token, a code, a password as typed. `Debug` shows nothing.
    SecretString, String, str
);
secret!(
    /// Secret bytes: a key, an opened payload. `Debug` shows nothing.
    SecretBytes, Vec<u8>, [u8]
);

impl Zeroize for SecretString {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", SecretString::new("hunter2".into())), "SecretString(…)");
        assert_eq!(format!("{:?}", SecretBytes::new(vec![1, 2])), "SecretBytes(…)");
    }
}
