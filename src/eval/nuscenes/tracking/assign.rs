//! Pairs of least total cost (Kuhn and Munkres, by shortest augmenting paths).
//!
//! *In*: costs of rows and columns, infinite where a pair is not allowed. *Out*: a column for each row, or none.
//! *Invariant*: as many allowed pairs as there can be, and among those the least sum.

/// The best pairs of a matrix with `columns` columns, row by row.
pub(super) fn assign(costs: &[Vec<f64>], columns: usize) -> Vec<Option<usize>> {
    let rows = costs.len();
    let dearest = costs.iter().flatten().filter(|c| c.is_finite()).fold(None, |most: Option<f64>, c| Some(most.map_or(*c, |m| m.max(*c))));
    let Some(dearest) = dearest else { return vec![None; rows] };
    // A forbidden pair costs more than all allowed ones together.
    let forbidden = 2.0 * rows.min(columns) as f64 * (dearest + 1.0) + 1.0;
    let size = rows.max(columns);
    let cost = |row: usize, column: usize| {
        let given = costs.get(row).and_then(|r| r.get(column)).copied();
        given.map_or(0.0, |c| if c.is_finite() { c } else { forbidden })
    };
    // Potentials and the row of each column; place 0 stands for "none" (rows and columns count from 1).
    let (mut u, mut v) = (vec![0.0; size + 1], vec![0.0; size + 1]);
    let mut row_of = vec![0_usize; size + 1];
    for row in 1..=size {
        augment(row, size, &cost, &mut u, &mut v, &mut row_of);
    }
    let mut chosen = vec![None; rows];
    for (column, row) in row_of.iter().enumerate().skip(1) {
        let allowed = costs.get(row - 1).and_then(|r| r.get(column - 1)).is_some_and(|c| c.is_finite());
        if let Some(slot) = chosen.get_mut(row - 1).filter(|_| allowed) {
            *slot = Some(column - 1);
        }
    }
    chosen
}

/// Brings one more row into the matching along the cheapest path.
fn augment(row: usize, size: usize, cost: &dyn Fn(usize, usize) -> f64, u: &mut [f64], v: &mut [f64], row_of: &mut [usize]) {
    let mut least = vec![f64::INFINITY; size + 1];
    let mut from = vec![0_usize; size + 1];
    let mut done = vec![false; size + 1];
    let set = |list: &mut [usize], at: usize, value: usize| {
        if let Some(slot) = list.get_mut(at) {
            *slot = value;
        }
    };
    set(row_of, 0, row);
    let mut column = 0;
    loop {
        if let Some(slot) = done.get_mut(column) {
            *slot = true;
        }
        let at = row_of.get(column).copied().unwrap_or(0);
        let base = u.get(at).copied().unwrap_or(0.0);
        let (mut step, mut next) = (f64::INFINITY, 0);
        for candidate in 1..=size {
            if done.get(candidate) == Some(&true) {
                continue;
            }
            let reduced = cost(at - 1, candidate - 1) - base - v.get(candidate).copied().unwrap_or(0.0);
            if let Some(slot) = least.get_mut(candidate) {
                if reduced < *slot {
                    *slot = reduced;
                    set(&mut from, candidate, column);
                }
                if *slot < step {
                    (step, next) = (*slot, candidate);
                }
            }
        }
        for candidate in 0..=size {
            if done.get(candidate) == Some(&true) {
                let owner = row_of.get(candidate).copied().unwrap_or(0);
                if let Some(slot) = u.get_mut(owner) {
                    *slot += step;
                }
                if let Some(slot) = v.get_mut(candidate) {
                    *slot -= step;
                }
            } else if let Some(slot) = least.get_mut(candidate) {
                *slot -= step;
            }
        }
        column = next;
        if row_of.get(column) == Some(&0) || column == 0 {
            break;
        }
    }
    while column != 0 {
        let before = from.get(column).copied().unwrap_or(0);
        let owner = row_of.get(before).copied().unwrap_or(0);
        set(row_of, column, owner);
        column = before;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_sum_beats_the_greedy_choice() {
        let costs = vec![vec![1.0, 2.0], vec![1.5, 9.0]];
        assert_eq!(assign(&costs, 2), [Some(1), Some(0)]);
    }

    #[test]
    fn more_pairs_come_before_cheaper_ones() {
        let no = f64::INFINITY;
        assert_eq!(assign(&[vec![0.1, 1.9], vec![0.2, no]], 2), [Some(1), Some(0)]);
        assert_eq!(assign(&[vec![no, no], vec![no, 0.5]], 2), [None, Some(1)]);
        assert_eq!(assign(&[vec![0.5], vec![0.4], vec![no]], 1), [None, Some(0), None]);
        assert_eq!(assign(&[vec![no]], 1), [None]);
    }

    #[test]
    fn every_permutation_of_four_is_beaten_or_met() {
        let mut state = 9_u64;
        for _ in 0..200 {
            let costs: Vec<Vec<f64>> = (0..4)
                .map(|_| {
                    (0..4)
                        .map(|_| {
                            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                            (state >> 40) as f64
                        })
                        .collect()
                })
                .collect();
            let total: f64 = assign(&costs, 4).iter().enumerate().map(|(r, c)| costs[r][c.unwrap()]).sum();
            let mut best = f64::INFINITY;
            for a in 0..4 {
                for b in (0..4).filter(|b| *b != a) {
                    for c in (0..4).filter(|c| ![a, b].contains(c)) {
                        let d = 6 - a - b - c;
                        best = best.min(costs[0][a] + costs[1][b] + costs[2][c] + costs[3][d]);
                    }
                }
            }
            assert!((total - best).abs() < 1e-9 * best, "{total} {best}");
        }
    }
}
