//! Random sequences of calls, made on an engine and on the reference side by side.

mod calls;
mod groups;
mod pair;

use std::fmt::Debug;

use proptest::collection::vec;
use proptest::prelude::Strategy;
use proptest::test_runner::{Config, TestRunner};

use crate::Engine;
pub use groups::groups_behave_like_the_reference;
use pair::Pair;

/// How many sequences are tried, unless `PROPTEST_CASES` says otherwise.
const SEQUENCES: u32 = 40;

/// Fails if the engine and the reference answer differently. Prints the shortest sequence of calls
/// it can find; `PROPTEST_RNG_SEED` repeats a run.
pub fn behaves_like_the_reference<E: Engine>() {
    try_sequences(calls::any_call(), 40, async |calls| {
        let mut pair = Pair::<E>::new().await;
        for call in calls {
            pair.make(call).await;
        }
        pair.finish().await;
    });
}

/// Makes random sequences of up to `longest` calls.
fn try_sequences<C: Debug>(
    any_call: impl Strategy<Value = C>,
    longest: usize,
    make: impl AsyncFn(Vec<C>),
) {
    let mut config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = SEQUENCES;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime starts");
    let sequences = vec(any_call, 1..longest);
    let outcome = TestRunner::new(config).run(&sequences, |calls| {
        runtime.block_on(make(calls));
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
