//! BM25 within a list of texts, without an index.

use super::words;

/// How much a word that stands in a text again adds: less each time.
const K1: f32 = 1.2;
/// How much a long text's words count for less.
const B: f32 = 0.75;

/// The `n` texts that say most about any of `words`, the best first: their places in `texts` and their
/// scores. Of equal ones the later comes first.
///
/// Words are those of the index of texts, and the score is BM25 within this list.
pub fn rank(texts: &[&str], words: &str, n: usize) -> Vec<(usize, f32)> {
    let mut wanted = words::of(words);
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.is_empty() || n == 0 {
        return Vec::new();
    }
    // How often each word stands in each text, the texts side by side.
    let mut counts = vec![0_u32; texts.len() * wanted.len()];
    let mut lengths = Vec::with_capacity(texts.len());
    for (text, counts) in texts.iter().zip(counts.chunks_mut(wanted.len())) {
        let mut length = 0_u32;
        words::each(text, |token| {
            length += 1;
            if let Ok(word) = wanted.binary_search(&token.text) {
                counts[word] += 1;
            }
            true
        });
        lengths.push(length as f32);
    }
    let average = (lengths.iter().sum::<f32>() / texts.len().max(1) as f32).max(1.0);
    let rarity: Vec<f32> = (0..wanted.len())
        .map(|word| {
            let with = counts
                .chunks(wanted.len())
                .filter(|counts| counts[word] > 0);
            let with = with.count() as f32;
            (1.0 + (texts.len() as f32 - with + 0.5) / (with + 0.5)).ln()
        })
        .collect();
    let mut ranked: Vec<(usize, f32)> = counts
        .chunks(wanted.len())
        .zip(&lengths)
        .map(|(counts, length)| {
            let norm = K1 * (1.0 - B + B * length / average);
            let word = |(&count, rarity): (&u32, &f32)| {
                let count = count as f32;
                rarity * count * (K1 + 1.0) / (count + norm)
            };
            counts.iter().zip(&rarity).map(word).sum()
        })
        .enumerate()
        .filter(|&(_, score): &(usize, f32)| score > 0.0)
        .collect();
    ranked.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(b.0.cmp(&a.0)));
    ranked.truncate(n);
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_words_and_short_texts_say_most() {
        let texts = [
            "the cat sat on the mat",
            "the refund of the order",
            "nothing",
            "The REFUND, and a great deal more about the many orders that were sent",
            "",
        ];
        let found = rank(&texts, "the refund", 10);
        let places: Vec<usize> = found.iter().map(|&(place, _)| place).collect();
        assert_eq!(places, [1, 3, 0]);
        assert!(found.windows(2).all(|pair| pair[0].1 > pair[1].1));
        assert_eq!(rank(&texts, "the refund", 1), found[..1]);
        assert_eq!(
            rank(&texts, "… refund refund!", 9),
            rank(&texts, "réfund", 9)
        );
    }

    #[test]
    fn nothing_is_found_where_nothing_is_asked_or_there() {
        assert_eq!(rank(&["a"], "", 3), []);
        assert_eq!(rank(&["a"], "!", 3), []);
        assert_eq!(rank(&["a"], "b", 3), []);
        assert_eq!(rank(&[], "b", 3), []);
        assert_eq!(rank(&["a"], "a", 0), []);
    }

    #[test]
    fn of_equal_texts_the_later_comes_first() {
        let places: Vec<usize> = rank(&["a b", "a b", "c"], "a", 2)
            .iter()
            .map(|&(place, _)| place)
            .collect();
        assert_eq!(places, [1, 0]);
    }
}
