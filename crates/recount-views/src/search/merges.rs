//! Which segments become one: neighbours only, so that documents stay in the order of their entries.

/// As many segments of one size become one.
const FAN_IN: usize = 8;
/// Documents of the largest segment that a merge makes.
const DOCS_MAX: u64 = 4 << 20;

/// The runs of neighbours that are worth a merge; `segments` are the documents of each segment, in the order
/// in which these were taken in. What is being merged is given as none, and separates its neighbours.
///
/// Every document is merged once for each factor of eight in the number of documents, and of every size
/// fewer than eight segments are left.
pub(super) fn plan(segments: &[Option<u64>]) -> Vec<std::ops::Range<usize>> {
    let mut runs = Vec::new();
    let mut from = 0;
    while from < segments.len() {
        let Some(size) = segments[from].map(tier) else {
            from += 1;
            continue;
        };
        // Smaller ones in between go along.
        let mut to = from;
        let mut docs = 0;
        let mut of_size = 0;
        while let Some(&Some(next)) = segments.get(to) {
            if tier(next) > size || docs + next > DOCS_MAX || of_size == FAN_IN {
                break;
            }
            docs += next;
            of_size += usize::from(tier(next) == size);
            to += 1;
        }
        if of_size == FAN_IN {
            runs.push(from..to);
            from = to;
        } else {
            from += 1;
        }
    }
    runs
}

/// The power of eight that a segment's size is.
fn tier(docs: u64) -> u32 {
    docs.max(1).ilog2() / FAN_IN.ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_neighbours_of_a_size_become_one() {
        assert!(plan(&[Some(9); 7]).is_empty());
        assert_eq!(plan(&[Some(9); 8]), vec![0..8; 1]);
        assert_eq!(plan(&[Some(9); 17]), [0..8, 8..16]);
        let mut sizes = vec![Some(5000), None];
        sizes.extend([Some(9); 8]);
        assert_eq!(plan(&sizes), vec![2..10; 1]);
        sizes.insert(5, None);
        assert!(plan(&sizes).is_empty());
    }

    #[test]
    fn smaller_ones_in_between_go_along() {
        let mut sizes = [Some(100); 9];
        sizes[4] = Some(1);
        assert_eq!(plan(&sizes), vec![0..9; 1]);
        sizes[4] = Some(1000);
        assert!(plan(&sizes).is_empty());
    }

    #[test]
    fn segments_stay_few_however_many_commits_there_are() {
        let mut segments = Vec::new();
        let mut merged = 0;
        for _ in 0..20_000 {
            segments.push(Some(3));
            while let Some(run) = plan(&segments).into_iter().next() {
                let docs = segments[run.clone()].iter().flatten().sum();
                merged += docs;
                segments.splice(run, [Some(docs)]);
            }
        }
        assert!(segments.len() <= 7 * 6, "{}", segments.len());
        assert!(merged <= 60_000 * 6, "{merged}");
        assert_eq!(segments.iter().flatten().sum::<u64>(), 60_000);
    }

    #[test]
    fn no_segment_becomes_too_large() {
        assert!(plan(&[Some(DOCS_MAX / 4); 8]).is_empty());
    }
}
