//! Searching: how far down the list of likely neighbours the true ones stand.
//!
//! *In*: for each fragment the others, best first; the true pairs. *Out*: [`SearchScores`]. *Invariant*: a true neighbour that a list leaves out
//! counts as not found.

use super::truth::Adjacent;
use serde::Serialize;
use std::collections::BTreeMap;

/// Depths at which is scored.
const DEPTHS: [usize; 4] = [1, 5, 10, 20];

/// Shares by depth, keys `1`, `5`, `10`, `20`.
pub type ByDepth = BTreeMap<usize, f64>;

/// How well neighbours are found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SearchScores {
    /// Fragments that were searched among.
    pub fragments: usize,
    /// True pairs.
    pub pairs: usize,
    /// Share of the pairs (a, b), a < b, with b among the first k of a's list; published, one direction only.
    pub recall: ByDepth,
    /// The same in both directions.
    pub recall_both_directions: ByDepth,
    /// Mean normalised discounted gain of the lists of fragments that have a neighbour (gain 1, discount log2, all true neighbours).
    pub ndcg: ByDepth,
}

/// Orders the others of each fragment by falling similarity; ties by index.
pub fn ranking(similarity: &[Vec<f64>]) -> Vec<Vec<usize>> {
    let order = |(own, row): (usize, &Vec<f64>)| {
        let mut others: Vec<(usize, f64)> = row.iter().copied().enumerate().filter(|(i, _)| *i != own).collect();
        others.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        others.into_iter().map(|(i, _)| i).collect()
    };
    similarity.iter().enumerate().map(order).collect()
}

/// Cosine of every two embeddings.
pub fn cosines(embeddings: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let norms: Vec<f64> = embeddings.iter().map(|e| dot(e, e).sqrt().max(1e-300)).collect();
    let row = |(a, na): (&Vec<f64>, &f64)| embeddings.iter().zip(&norms).map(|(b, nb)| dot(a, b) / (na * nb)).collect();
    embeddings.iter().zip(&norms).map(row).collect()
}

/// Scores lists against the true pairs; `None` without a true pair.
pub fn score(lists: &[Vec<usize>], pairs: &[Adjacent]) -> Option<SearchScores> {
    if pairs.is_empty() {
        return None;
    }
    let place = |of: usize, other: usize| lists.get(of).and_then(|list| list.iter().position(|i| *i == other)).unwrap_or(usize::MAX);
    let forth: Vec<usize> = pairs.iter().map(|p| place(p.a, p.b)).collect();
    let back = pairs.iter().map(|p| place(p.b, p.a));
    let both: Vec<usize> = forth.iter().copied().chain(back).collect();
    let share = |places: &[usize], k: usize| places.iter().filter(|p| **p < k).count() as f64 / places.len() as f64;
    let by_depth = |of: &dyn Fn(usize) -> f64| DEPTHS.into_iter().map(|k| (k, of(k))).collect::<ByDepth>();
    let neighbours = |of: usize| pairs.iter().filter_map(move |p| if p.a == of { Some(p.b) } else { (p.b == of).then_some(p.a) });
    let discount = |place: usize| 1.0 / (place as f64 + 2.0).log2();
    let gain = |of: usize, k: usize| {
        let true_ones: Vec<usize> = neighbours(of).collect();
        let found: f64 = true_ones.iter().map(|other| place(of, *other)).filter(|p| *p < k).map(discount).sum();
        let best: f64 = (0..true_ones.len().min(k)).map(discount).sum();
        (best > 0.0).then(|| found / best)
    };
    Some(SearchScores {
        fragments: lists.len(),
        pairs: pairs.len(),
        recall: by_depth(&|k| share(&forth, k)),
        recall_both_directions: by_depth(&|k| share(&both, k)),
        ndcg: by_depth(&|k| super::mean((0..lists.len()).filter_map(|of| gain(of, k))).unwrap_or(0.0)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Rigid;

    #[test]
    fn places_in_the_lists_are_counted() {
        let pair = |a, b| Adjacent { a, b, a_to_b: Rigid::default(), correspondences: Vec::new() };
        let pairs = [pair(0, 1), pair(0, 2), pair(2, 3)];
        // 0: 1 first, 2 last; 2: 3 first, 0 second; 3: 2 not in the list.
        let lists = vec![vec![1, 3, 2], vec![0, 2, 3], vec![3, 0, 1], vec![0, 1]];
        let found = score(&lists, &pairs).unwrap();
        assert_eq!(found.recall[&1], 2.0 / 3.0);
        assert_eq!(found.recall[&5], 1.0);
        assert_eq!(found.recall_both_directions[&1], 3.0 / 6.0);
        assert_eq!(found.recall_both_directions[&20], 5.0 / 6.0);
        // Only the first places: 1 of 1, 1 of 1, 1 of 1, 0 of 1.
        assert_eq!(found.ndcg[&1], 0.75);
        let of_0 = (1.0 + 0.5) / (1.0 + 1.0 / 3.0_f64.log2());
        assert!((found.ndcg[&5] - (of_0 + 1.0 + 1.0 + 0.0) / 4.0).abs() < 1e-12);
        assert!(score(&lists, &[]).is_none());
    }

    #[test]
    fn the_own_place_is_left_out_and_ties_go_by_index() {
        let rows = cosines(&[vec![1.0, 0.0], vec![0.0, 2.0], vec![0.0, 1.0]]);
        assert_eq!(ranking(&rows), [vec![1, 2], vec![2, 0], vec![1, 0]]);
    }
}
