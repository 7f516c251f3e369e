//! How the cases become tests.

use std::future::Future;
use std::time::Duration;

use crate::Engine;
use crate::kit::Setup;

/// Registers every case for an [`recount_core::EventLog`] as a test of its own.
///
/// Takes an [`Engine`]: a type of the module the macro stands in, or a path from `crate`. The
/// tests are in a module `log`.
#[macro_export]
macro_rules! event_log_suite {
    ($engine:ty) => {
        $crate::__log_cases!([$crate::__tests] log $engine);
    };
}

/// Registers every case for a [`recount_core::GroupStore`] as a test of its own.
///
/// Takes a [`crate::GroupEngine`], as [`event_log_suite!`] does. The tests are in a module `groups`.
#[macro_export]
macro_rules! group_store_suite {
    ($engine:ty) => {
        $crate::__group_cases!([$crate::__tests] groups $engine);
    };
}

/// Registers the comparison of an engine with [`crate::MemoryLog`]: random sequences of calls must
/// bring the same from both. Takes an [`Engine`].
#[macro_export]
macro_rules! model_suite {
    ($engine:ty) => {
        #[test]
        fn behaves_like_the_reference() {
            $crate::suite::behaves_like_the_reference::<$engine>();
        }
    };
}

/// Registers the same for its groups. Takes a [`crate::GroupEngine`].
#[macro_export]
macro_rules! group_model_suite {
    ($engine:ty) => {
        #[test]
        fn groups_behave_like_the_reference() {
            $crate::suite::groups_behave_like_the_reference::<$engine>();
        }
    };
}

pub use crate::model::{behaves_like_the_reference, groups_behave_like_the_reference};

/// Longer than any case takes. A case that waits for what never comes fails instead of hanging.
const PATIENCE: Duration = Duration::from_mins(2);

/// Runs one case on a fresh stream, in a runtime of its own.
fn run<E: Engine, F: Future<Output = ()>>(case: impl FnOnce(Setup<E>) -> F) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime starts")
        .block_on(async {
            let case = case(Setup::new().await);
            let in_time = tokio::time::timeout(PATIENCE, case).await;
            in_time.expect("the case ends");
        });
}

/// The tests of an engine, one a case.
#[doc(hidden)]
#[macro_export]
macro_rules! __tests {
    ($suite:ident $engine:ty; $($topic:ident { $($case:ident)+ })+) => {
        mod $suite {
            #[allow(unused_imports)]
            use super::*;
            $(mod $topic {
                #[allow(unused_imports)]
                use super::*;
                $(#[test]
                fn $case() {
                    $crate::suite::$suite::$topic::$case::<$engine>();
                })+
            })+
        }
    };
}

/// The cases as functions that a test calls. Only what is listed is reachable, so that the compiler
/// finds what is not.
macro_rules! runners {
    ($suite:ident $bound:path; $($topic:ident { $($case:ident)+ })+) => {
        pub mod $suite {
            $(pub mod $topic {
                $(pub fn $case<E: $bound>() {
                    crate::suite::run::<E, _>(crate::cases::$suite::$topic::$case::<E>);
                })+
            })+
        }
    };
}

__log_cases!([runners] log crate::Engine);
__group_cases!([runners] groups crate::GroupEngine);
