//! Calls on several partitions at a time.

use std::collections::VecDeque;
use std::future::Future;

use recount_core::{Cursor, EntryId, GroupError, Limits, Partition, ReadError};
use tokio::task::JoinSet;

/// So many partitions are asked at a time.
const AT_ONCE: usize = 64;

/// Does all of it at a time, and returns the outcomes in order.
pub(super) async fn at_once<T, W>(works: Vec<W>) -> Vec<Result<T, GroupError>>
where
    T: Send + 'static,
    W: Future<Output = Result<T, GroupError>> + Send + 'static,
{
    let mut outcomes: Vec<_> = Vec::with_capacity(works.len());
    let mut works = VecDeque::from(works);
    if works.len() == 1
        && let Some(work) = works.pop_front()
    {
        // By far the most frequent case needs no task.
        return vec![work.await];
    }
    let mut under_way = JoinSet::new();
    loop {
        while under_way.len() < AT_ONCE
            && let Some(work) = works.pop_front()
        {
            let place = outcomes.len();
            // The runtime ends where a task does before its work.
            outcomes.push(Err(GroupError::Read(ReadError::Closed)));
            under_way.spawn(async move { (place, work.await) });
        }
        match under_way.join_next().await {
            None => return outcomes,
            Some(Ok((place, outcome))) => outcomes[place] = outcome,
            Some(Err(failed)) => {
                if let Ok(panic) = failed.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
            }
        }
    }
}

/// Where a partition is gone on from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) partition: Partition,
    pub(super) after: EntryId,
}

/// The places of a cursor, beginning with the partition whose turn it is.
pub(super) fn places(after: &Cursor, partitions: u32, turn: usize) -> Vec<Place> {
    let mut places: Vec<Place> = (0..partitions)
        .map(|partition| Place {
            partition,
            after: after.get(partition),
        })
        .filter(|place| place.after < EntryId::MAX)
        .collect();
    let first = turn % places.len().max(1);
    places.rotate_left(first);
    places
}

/// What one partition gave.
pub(super) struct Part<T> {
    pub(super) items: Vec<T>,
    pub(super) bytes: usize,
    /// After which entry it may have more.
    pub(super) more: Option<EntryId>,
}

/// What all partitions gave, and where there may be more.
pub(super) struct Gathered<T> {
    pub(super) items: Vec<T>,
    pub(super) left: Vec<Place>,
}

/// Asks partitions for their shares of `count` items, and those that have more for the rest, until there
/// are as many, or there is no more, or they are as large as a page, or each was asked often enough.
///
/// What was handed out before a call failed is returned: nobody else gets it.
pub(super) async fn gather<T, F, W>(
    places: Vec<Place>,
    count: usize,
    rounds: usize,
    ask: F,
) -> Result<Gathered<T>, GroupError>
where
    T: Send + 'static,
    F: Fn(Place, usize) -> W,
    W: Future<Output = Result<Part<T>, GroupError>> + Send + 'static,
{
    let (mut items, mut bytes, mut turns) = (Vec::new(), 0, 0);
    let turns_max = places.len().saturating_mul(rounds);
    let mut open = VecDeque::from(places);
    while !open.is_empty()
        && items.len() < count
        && bytes < Limits::PAGE_BYTES_MAX
        && turns < turns_max
    {
        let left = count - items.len();
        let width = open.len().min(left).min(AT_ONCE);
        let asked: Vec<Place> = open.drain(..width).collect();
        let share = |place: usize| left / width + usize::from(place < left % width);
        let works = asked.iter().enumerate();
        let works = works.map(|(nth, place)| ask(*place, share(nth))).collect();
        let mut failed = None;
        for (place, part) in asked.into_iter().zip(at_once(works).await) {
            match part {
                Ok(part) => {
                    items.extend(part.items);
                    bytes += part.bytes;
                    open.extend(part.more.map(|after| Place { after, ..place }));
                }
                Err(error) => {
                    open.push_back(place);
                    failed = Some(error);
                }
            }
        }
        if let Some(error) = failed {
            if items.is_empty() {
                return Err(error);
            }
            tracing::debug!(%error, "some partitions could not be asked");
            break;
        }
        turns += width;
    }
    Ok(Gathered {
        items,
        left: open.into(),
    })
}
