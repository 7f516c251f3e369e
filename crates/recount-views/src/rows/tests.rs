use std::collections::BTreeMap;
use std::ops::Bound;

use proptest::prelude::*;
use recount_core::{Direction, EntryId, Position, Recorded};

use super::*;
use crate::checkpoint::Kept;
use crate::kit::FakeLog;
use crate::projection::Kind as _;
use crate::view::{Fault, View};

type Read = Vec<(Vec<u8>, Vec<u8>)>;
type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// Does to its rows what the test says, and compares what it reads.
struct Script(Vec<Vec<Step>>);

#[derive(Debug, Clone)]
enum Step {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
}

impl Script {
    fn model(&self, steps: usize) -> Model {
        let mut model = Model::new();
        for step in self.0[..steps].iter().flatten() {
            match step {
                Step::Put(key, value) => model.insert(key.clone(), value.clone()),
                Step::Delete(key) => model.remove(key),
            };
        }
        model
    }
}

impl View for Script {
    fn name(&self) -> &'static str {
        "script"
    }

    fn version(&self) -> u32 {
        1
    }

    fn apply(&mut self, entry: &Recorded, rows: &mut Rows<'_>) -> Result<(), Fault> {
        let at = entry.position.entry_id.ms as usize;
        for step in &self.0[at - 1] {
            match step {
                Step::Put(key, value) => rows.put(key, value)?,
                Step::Delete(key) => rows.delete(key)?,
            }
        }
        compare(&self.model(at), |prefix, from, direction| {
            collect(rows.range(prefix, from, direction)?)
        });
        Ok(())
    }
}

fn collect(range: RowRange<'_>) -> Result<Read, RowsError> {
    range
        .map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec())))
        .collect()
}

/// Every prefix of every key, from every key, in both directions.
fn compare(
    model: &Model,
    read: impl Fn(&[u8], Bound<&[u8]>, Direction) -> Result<Read, RowsError>,
) {
    let mut marks: Vec<Vec<u8>> = model.keys().cloned().collect();
    marks.extend([vec![], vec![0], vec![255], vec![255, 255], vec![1, 2]]);
    for prefix in marks.iter().map(|mark| &mark[..mark.len().min(1)]) {
        for mark in &marks {
            for from in [
                Bound::Unbounded,
                Bound::Included(&mark[..]),
                Bound::Excluded(&mark[..]),
            ] {
                for direction in [Direction::Forward, Direction::Backward] {
                    let backward = direction == Direction::Backward;
                    let mut expected: Vec<_> = model
                        .iter()
                        .filter(|(key, _)| key.starts_with(prefix))
                        .filter(|(key, _)| match from {
                            Bound::Unbounded => true,
                            Bound::Included(from) if backward => &key[..] <= from,
                            Bound::Included(from) => &key[..] >= from,
                            Bound::Excluded(from) if backward => &key[..] < from,
                            Bound::Excluded(from) => &key[..] > from,
                        })
                        .map(|(key, value)| (key.clone(), value.clone()))
                        .collect();
                    if backward {
                        expected.reverse();
                    }
                    let read = read(prefix, from, direction).unwrap();
                    assert_eq!(read, expected, "{prefix:?} {from:?} {direction:?}");
                }
            }
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let key = || prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(2), Just(255)], 0..3);
    let step = prop_oneof![
        3 => (key(), prop::collection::vec(any::<u8>(), 0..4)).prop_map(|(key, value)| Step::Put(key, value)),
        1 => key().prop_map(Step::Delete),
    ];
    prop::collection::vec(prop::collection::vec(step, 0..6), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn rows_are_a_sorted_map_whatever_is_committed(steps in steps(), commits in any::<u8>()) {
        let dir = tempfile::tempdir().unwrap();
        let log = FakeLog::new(1, 10);
        let count = steps.len();
        let script = steps.clone();
        let kind = RowsKind::new(move || Script(script.clone()));
        let mut view = kind.open(dir.path()).unwrap();
        for at in 0..count {
            log.add("s0", "step");
            let entries = log.entries(0);
            view.take(&entries[at..]).unwrap();
            if commits >> at & 1 == 1 || at + 1 == count {
                view.commit(&Kept::default()).unwrap();
            }
        }
        let snapshot = Snapshot::open(dir.path()).unwrap().unwrap();
        let model = Script(steps).model(count);
        compare(&model, |prefix, from, direction| collect(snapshot.range(prefix, from, direction)?));
        for (key, value) in &model {
            prop_assert_eq!(snapshot.get(key).unwrap(), Some(&value[..]));
        }
        prop_assert_eq!(snapshot.get(&[9; 600]).unwrap(), None);
        prop_assert_eq!(snapshot.first(b"").unwrap().map(|(key, _)| key.to_vec()), model.keys().next().cloned());
        prop_assert_eq!(snapshot.last(b"").unwrap().map(|(key, _)| key.to_vec()), model.keys().next_back().cloned());
    }
}

#[test]
fn a_checkpoint_knows_what_it_covers() {
    let mut checkpoint = crate::checkpoint::Checkpoint::default();
    let log = FakeLog::new(2, 10);
    let (a, b) = (log.add("s0", "a"), log.add("s1", "b"));
    let cursor = |positions: &[Position]| positions.iter().copied().collect();
    assert!(checkpoint.covers(&cursor(&[])));
    checkpoint.advance(&log.entries(a.partition as usize), Some(1));
    assert!(checkpoint.covers(&cursor(&[a])));
    assert!(!checkpoint.covers(&cursor(&[a, b])));
    checkpoint.advance(&log.entries(b.partition as usize), None);
    assert!(checkpoint.covers(&cursor(&[a, b])));
    let beyond = Position {
        entry_id: EntryId::new(9, 0),
        ..a
    };
    assert!(!checkpoint.covers(&cursor(&[beyond])));
    assert_eq!(checkpoint.entries(), 2);
}
