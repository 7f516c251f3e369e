//! Random calls on groups, made on an engine and on the reference side by side.

mod calls;
mod on_group;
mod pair;

use crate::GroupEngine;
use pair::Pair;

/// Fails if the groups of the engine and those of the reference answer differently. Prints and repeats as
/// [`super::behaves_like_the_reference`] does.
pub fn groups_behave_like_the_reference<E: GroupEngine>() {
    super::try_sequences(calls::any_call(), 60, async |calls| {
        let mut pair = Pair::<E>::new().await;
        for call in calls {
            pair.make(call).await;
        }
        pair.finish().await;
    });
}
