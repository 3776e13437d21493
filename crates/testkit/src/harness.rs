use std::any::Any;
use std::sync::Arc;

/// The implementation under test, and what must outlive it (a temporary folder, a server).
pub struct Harness<T> {
    /// The implementation.
    pub subject: T,
    /// Dropped after the test.
    pub keep: Box<dyn Any + Send>,
}

impl<T> Harness<T> {
    /// A subject that needs nothing kept.
    pub fn new(subject: T) -> Self {
        Self { subject, keep: Box::new(()) }
    }

    /// Keeps `guard` until the test is over, after what was kept before.
    pub fn keeping(self, guard: impl Any + Send) -> Self {
        Self { subject: self.subject, keep: Box::new((guard, self.keep)) }
    }

    /// The subject, shared as contracts take it, and what to keep.
    pub fn share(self) -> (Arc<T>, Box<dyn Any + Send>) {
        (Arc::new(self.subject), self.keep)
    }
}

/// One test per named contract of one suite, in a module of the suite's name.
#[doc(hidden)]
#[macro_export]
macro_rules! contract_tests {
    ($suite:ident, $port:ty, $make:expr, [$($name:ident),* $(,)?]) => {
        mod $suite {
            // Unused when the caller's expression begins with `super::` or `crate::`.
            #[allow(unused_imports)]
            use super::*;

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let (subject, _keep) = $crate::Harness::share($make.await);
                    $crate::contracts::$suite::$name(subject as ::std::sync::Arc<$port>).await;
                }
            )*
        }
    };
}
