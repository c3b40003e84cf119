//! Who belongs to whom at the least total cost (the Hungarian method with potentials).
//!
//! *In*: a matrix of costs. *Out*: for each row its column, or none. *Invariant*: the smaller side is matched whole; the sum is the least
//! possible; a cost that is not finite counts as very large. Kuhn 1955; Jonker & Volgenant 1987.

/// Counts for a cost that is no number.
const HUGE: f64 = 1e12;

/// The column of each row; `costs` is row-major with `columns` columns.
pub fn assign(costs: &[f64], columns: usize) -> Vec<Option<usize>> {
    let rows = costs.len().checked_div(columns).unwrap_or(0);
    let cost = |row: usize, column: usize| {
        let value = costs.get(row * columns + column).copied().unwrap_or(HUGE);
        if value.is_finite() { value } else { HUGE }
    };
    if rows <= columns {
        let owners = least(rows, columns, cost);
        let mut of_row = vec![None; rows];
        for (column, owner) in owners.iter().enumerate() {
            if let Some(target) = owner.and_then(|row| of_row.get_mut(row)) {
                *target = Some(column);
            }
        }
        of_row
    } else {
        // With more rows than columns, the columns do the choosing.
        least(columns, rows, |a, b| cost(b, a))
    }
}

/// For each of `m` takers who gets it, out of `n <= m`.
fn least(n: usize, m: usize, cost: impl Fn(usize, usize) -> f64) -> Vec<Option<usize>> {
    // Positions are one-based; 0 stands for nobody.
    let mut u = vec![0.0_f64; n + 1];
    let mut v = vec![0.0_f64; m + 1];
    let mut owner = vec![0_usize; m + 1];
    let mut way = vec![0_usize; m + 1];
    let get = |list: &[usize], at: usize| list.get(at).copied().unwrap_or(0);
    let real = |list: &[f64], at: usize| list.get(at).copied().unwrap_or(0.0);
    for seeker in 1..=n {
        owner.iter_mut().take(1).for_each(|o| *o = seeker);
        let mut at = 0;
        let mut best = vec![f64::INFINITY; m + 1];
        let mut done = vec![false; m + 1];
        loop {
            done.iter_mut().skip(at).take(1).for_each(|d| *d = true);
            let row = get(&owner, at);
            let (mut delta, mut next) = (f64::INFINITY, 0);
            let columns = best.iter_mut().zip(&mut way).zip(done.iter().zip(&v)).enumerate().skip(1);
            for (column, ((best, way), (done, v))) in columns.filter(|(_, (_, (done, _)))| !**done) {
                debug_assert!(!done);
                let reduced = cost(row - 1, column - 1) - real(&u, row) - v;
                if reduced < *best {
                    (*best, *way) = (reduced, at);
                }
                if *best < delta {
                    (delta, next) = (*best, column);
                }
            }
            for ((done, best), (owner, v)) in done.iter().zip(&mut best).zip(owner.iter().zip(&mut v)) {
                if *done {
                    u.iter_mut().skip(*owner).take(1).for_each(|u| *u += delta);
                    *v -= delta;
                } else {
                    *best -= delta;
                }
            }
            at = next;
            if get(&owner, at) == 0 {
                break;
            }
        }
        while at != 0 {
            let before = get(&way, at);
            let moved = get(&owner, before);
            owner.iter_mut().skip(at).take(1).for_each(|o| *o = moved);
            at = before;
        }
    }
    owner.into_iter().skip(1).map(|o| o.checked_sub(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brute(costs: &[f64], columns: usize, row: usize, free: &mut Vec<usize>) -> f64 {
        if row * columns == costs.len() {
            return 0.0;
        }
        (0..free.len())
            .map(|i| {
                let column = free.remove(i);
                let total = costs[row * columns + column] + brute(costs, columns, row + 1, free);
                free.insert(i, column);
                total
            })
            .fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn the_sum_is_the_least_of_all() {
        let mut state = 9_u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f64 / 1e6 - 5.0
        };
        for (rows, columns) in [(1, 1), (3, 3), (4, 6), (6, 4), (5, 7), (7, 2)] {
            let costs: Vec<f64> = (0..rows * columns).map(|_| draw()).collect();
            let found = assign(&costs, columns);
            let total: f64 = found.iter().enumerate().filter_map(|(r, c)| c.map(|c| costs[r * columns + c])).sum();
            assert_eq!(found.iter().flatten().count(), rows.min(columns));
            let turned: Vec<f64> = (0..columns).flat_map(|c| (0..rows).map(move |r| (r, c))).map(|(r, c)| costs[r * columns + c]).collect();
            let least = if rows <= columns {
                brute(&costs, columns, 0, &mut (0..columns).collect())
            } else {
                brute(&turned, rows, 0, &mut (0..rows).collect())
            };
            assert!((total - least).abs() < 1e-9, "{rows}x{columns}: {total} {least}");
        }
        assert_eq!(assign(&[], 0), []);
        assert_eq!(assign(&[f64::NAN, 1.0, 2.0, f64::NAN], 2), [Some(1), Some(0)]);
    }
}
