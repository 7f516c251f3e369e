//! Ranges of ids, in both directions, page by page.

use std::ops::Bound;

use recount_core::{
    Batch, Direction, EntryId, EventLog, IdRange, Limits, Page, RangeEnd, RangeStart, ReadRange,
    TrimLimit,
};

use crate::Engine;
use crate::kit::{
    Setup, add, all_ids, assert_holds, building, data, events, finish, id, ids, read, read_all,
    read_pages, trim,
};

/// Entries 10-0, 10-1, 20-0, 20-1, 30-0, 30-1, each number ms after the start.
async fn filled<E: Engine>(setup: &Setup<E>) -> (std::sync::Arc<E::Log>, Vec<EntryId>) {
    let log = setup.open().await;
    let mut ids = Vec::new();
    for n in 0..3 {
        setup.clock().advance(10);
        ids.extend(add(&*log, events(n * 2..n * 2 + 2)).await);
    }
    assert_eq!((ids[0], ids[5]), (id(10, 0), id(30, 1)));
    (log, ids)
}

fn between(start: Bound<EntryId>, end: Bound<EntryId>) -> ReadRange {
    ReadRange::new(IdRange { start, end })
}

pub async fn an_empty_log_holds_nothing<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    for range in [ReadRange::all(), ReadRange::all().backward()] {
        let page = log.read(&range).await.expect("the read succeeds");
        assert_eq!(page, Page::default());
    }
}

pub async fn every_kind_of_bound<E: Engine>(setup: Setup<E>) {
    use Bound::{Excluded, Included, Unbounded};
    let (log, all) = filled(&setup).await;
    let starts = [
        (Unbounded, 0),
        (Included(EntryId::MIN), 0),
        (Included(all[0]), 0),
        (Excluded(all[0]), 1),
        (Included(id(15, 0)), 2),
        (Excluded(id(10, 7)), 2),
        (Included(all[5]), 5),
        (Excluded(all[5]), 6),
        (Included(id(40, 0)), 6),
        (Excluded(EntryId::MAX), 6),
    ];
    let ends = [
        (Unbounded, 6),
        (Included(EntryId::MAX), 6),
        (Included(all[5]), 6),
        (Excluded(all[5]), 5),
        (Included(id(25, 3)), 4),
        (Excluded(all[1]), 1),
        (Included(all[0]), 1),
        (Excluded(all[0]), 0),
        (Excluded(EntryId::MIN), 0),
        (Included(EntryId::new(5, 5)), 0),
    ];
    for (start, from) in starts {
        for (end, to) in ends {
            let mut expected = all[from.min(to)..to].to_vec();
            let range = between(start, end);
            let found = ids(&read(&*log, range.clone()).await);
            assert_eq!(found, expected, "{range:?}");
            expected.reverse();
            let found = ids(&read(&*log, range.clone().backward()).await);
            assert_eq!(found, expected, "{range:?} backward");
        }
    }
}

pub async fn a_whole_millisecond_as_redis_writes_it<E: Engine>(setup: Setup<E>) {
    let (log, all) = filled(&setup).await;
    let text = id(20, 0).ms.to_string();
    let start: RangeStart = text.parse().expect("a start");
    let end: RangeEnd = text.parse().expect("an end");
    let range = ReadRange::new((start, end).into());
    assert_eq!(ids(&read(&*log, range).await), all[2..4]);
}

pub async fn paging_visits_everything_once<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let all = add(&*log, events(0..23)).await;
    for limit in [1, 2, 5, 22, 23, 24] {
        for direction in [Direction::Forward, Direction::Backward] {
            let range = ReadRange {
                direction,
                ..ReadRange::all().limit(limit)
            };
            let pages = read_pages(&*log, range).await;
            assert_eq!(pages.len(), 23_usize.div_ceil(limit), "limit {limit}");
            let mut found: Vec<_> = pages.iter().flat_map(|page| ids(&page.entries)).collect();
            if direction == Direction::Backward {
                found.reverse();
            }
            assert_eq!(found, all, "limit {limit}, {direction:?}");
        }
    }
}

pub async fn a_page_that_holds_the_rest_ends<E: Engine>(setup: Setup<E>) {
    let (log, all) = filled(&setup).await;
    for range in [
        ReadRange::all().limit(6),
        ReadRange::all().limit(6).backward(),
        between(Bound::Unbounded, Bound::Included(all[2])).limit(3),
        between(Bound::Excluded(all[2]), Bound::Unbounded)
            .limit(3)
            .backward(),
    ] {
        let page = log.read(&range).await.expect("the read succeeds");
        assert_eq!(page.next, None, "{range:?}");
        assert_eq!(page.entries.len(), range.limit);
        let page = log.read(&range.clone().limit(range.limit - 1)).await;
        assert!(page.expect("the read succeeds").next.is_some(), "{range:?}");
    }
}

pub async fn pages_meet_what_came_in_between<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let mut all = add(&*log, events(0..4)).await;
    let range = ReadRange::all().limit(3);
    let page = log.read(&range).await.expect("the read succeeds");
    all.extend(add(&*log, events(4..6)).await);
    let rest = range.continued(page.next.expect("there is more"));
    assert_eq!(ids(&read(&*log, rest).await), all[3..]);
}

pub async fn a_page_goes_on_after_a_trim<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let all = add(&*log, events(0..9)).await;
    let range = ReadRange::all().limit(3);
    let page = log.read(&range).await.expect("the read succeeds");
    trim(&*log, TrimLimit::MinId(all[6])).await;
    let rest = range.continued(page.next.expect("there is more"));
    assert_eq!(ids(&read(&*log, rest).await), all[6..]);
}

pub async fn a_limit_of_zero_holds_nothing<E: Engine>(setup: Setup<E>) {
    let (log, _) = filled(&setup).await;
    for range in [ReadRange::all(), ReadRange::all().backward()] {
        let page = log.read(&range.limit(0)).await.expect("the read succeeds");
        assert_eq!(page, Page::default());
    }
}

pub async fn an_unknown_partition_holds_nothing<E: Engine>(setup: Setup<E>) {
    let (log, _) = filled(&setup).await;
    let range = ReadRange {
        partition: u32::MAX,
        ..ReadRange::all()
    };
    let page = log.read(&range).await.expect("the read succeeds");
    assert_eq!(page, Page::default());
}

pub async fn a_page_has_a_greatest_length<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let count = Limits::PAGE_ENTRIES_MAX + 7;
    for start in (0..count).step_by(5_000) {
        let batch = events(start..count.min(start + 5_000));
        let receipt = log.append(Batch::new(batch)).await;
        receipt.expect("the append succeeds");
    }
    for range in [ReadRange::all(), ReadRange::all().backward()] {
        let pages = read_pages(&*log, range.limit(usize::MAX)).await;
        assert_eq!(pages.len(), 2);
        assert_eq!(pages[0].entries.len(), Limits::PAGE_ENTRIES_MAX);
        assert_eq!(pages[1].entries.len(), 7);
    }
}

pub async fn a_page_ends_early_when_it_is_heavy<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let heavy = format!(r#"{{"p":"{}"}}"#, "x".repeat(700_000));
    let sent: Vec<_> = (0..60)
        .map(|n| finish(building(&format!("e{n}"), "s").data(data(&heavy))))
        .collect();
    let all = add(&*log, sent.clone()).await;
    for range in [ReadRange::all(), ReadRange::all().backward()] {
        let backward = range.direction == Direction::Backward;
        let pages = read_pages(&*log, range).await;
        let mut found = Vec::new();
        for page in &pages {
            // It ends at the entry that reaches the bound.
            let entries = &page.entries[..page.entries.len() - 1];
            let bytes: usize = entries
                .iter()
                .map(|entry| entry.event().expect("an event").wire_bytes())
                .sum();
            assert!(bytes <= Limits::PAGE_BYTES_MAX, "a page of {bytes} bytes");
            found.extend(ids(&page.entries));
        }
        if backward {
            found.reverse();
        }
        assert_eq!(found, all);
    }
    assert_holds(&read_all(&*log).await[59], &sent[59]);
}

pub async fn a_range_begins_at_the_first_retained_entry<E: Engine>(setup: Setup<E>) {
    let (log, all) = filled(&setup).await;
    trim(&*log, TrimLimit::MaxLength(2)).await;
    let from_gone = between(Bound::Included(all[1]), Bound::Unbounded);
    assert_eq!(ids(&read(&*log, from_gone.clone()).await), all[4..]);
    let backward = ids(&read(&*log, from_gone.backward()).await);
    assert_eq!(backward, [all[5], all[4]]);
    let gone = between(Bound::Unbounded, Bound::Included(all[3]));
    assert_eq!(read(&*log, gone).await, []);
}

pub async fn an_acknowledged_append_is_read_at_once<E: Engine>(setup: Setup<E>) {
    let log = setup.open().await;
    let mut expected = Vec::new();
    for n in 0..20 {
        expected.extend(add(&*log, events(n..n + 1)).await);
        assert_eq!(all_ids(&*log).await, expected);
        let last = log.read(&ReadRange::all().backward().limit(1)).await;
        let last = last.expect("the read succeeds");
        assert_eq!(ids(&last.entries), expected[n..]);
    }
}
