//! The layout of a town: where junctions are and how streets join them, before any width.
//!
//! A grid with uneven blocks loses some of its edges; corners left with two edges become bends of a longer street.
//! *In / Out*: number of junctions and chance; places and links, metres. *Invariant*: one connected piece, at least three
//! links at each junction and no dead end, so that every direction of every street can be reached from every other.

use super::rng::Rng;

/// A street between two junctions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Link {
    /// Junctions at its ends.
    pub ends: [usize; 2],
    /// Bends on the way.
    pub via: Vec<[f64; 2]>,
    /// Whether it is a main street.
    pub major: bool,
}

/// Junctions and links.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Plan {
    /// Middles of the junctions.
    pub spots: Vec<[f64; 2]>,
    /// Streets.
    pub links: Vec<Link>,
}

struct Draft {
    at: Vec<[f64; 2]>,
    edges: Vec<([usize; 2], bool)>,
}

impl Draft {
    fn degree(&self, node: usize) -> usize {
        self.edges.iter().filter(|(e, _)| e.contains(&node)).count()
    }
    fn junctions(&self) -> usize {
        (0..self.at.len()).filter(|n| self.degree(*n) >= 3).count()
    }
    /// One piece, with no dead end.
    fn sound(&self) -> bool {
        let mut seen = vec![false; self.at.len()];
        let mut open = vec![0];
        while let Some(node) = open.pop() {
            if seen.get_mut(node).is_none_or(|s| std::mem::replace(s, true)) {
                continue;
            }
            open.extend(self.edges.iter().filter(|(e, _)| e.contains(&node)).map(|(e, _)| e[0] + e[1] - node));
        }
        seen.iter().all(|s| *s) && (0..self.at.len()).all(|n| self.degree(n) >= 2)
    }
}

fn lines(count: usize, rng: &mut Rng) -> Vec<f64> {
    let mut at = 0.0;
    (0..count)
        .map(|_| {
            let here = at;
            at += if rng.chance(0.25) { rng.range(118.0, 150.0) } else { rng.range(78.0, 112.0) };
            here
        })
        .collect()
}

fn draft(columns: usize, rows: usize, rng: &mut Rng) -> Draft {
    let (xs, ys) = (lines(columns, rng), lines(rows, rng));
    let (major_column, major_row) = (rng.below(columns.min(3)), rng.below(rows.min(3)));
    let mut d = Draft { at: Vec::new(), edges: Vec::new() };
    for (r, y) in ys.iter().enumerate() {
        for (c, x) in xs.iter().enumerate() {
            d.at.push([x + rng.range(-9.0, 9.0), y + rng.range(-9.0, 9.0)]);
            let node = r * columns + c;
            if c + 1 < columns {
                d.edges.push(([node, node + 1], r % 3 == major_row));
            }
            if r + 1 < rows {
                d.edges.push(([node, node + columns], c % 3 == major_column));
            }
        }
    }
    d
}

/// Takes edges away until `wanted` junctions are left, and some more that change no count.
fn thin(d: &mut Draft, wanted: usize, rng: &mut Rng) {
    let mut spare = d.edges.len() / 9;
    let mut order: Vec<[usize; 2]> = d.edges.iter().map(|e| e.0).collect();
    for _ in 0..3 {
        rng.shuffle(&mut order);
        for edge in &order {
            let before = d.junctions();
            if before == wanted && spare == 0 {
                return;
            }
            let Some(i) = d.edges.iter().position(|e| e.0 == *edge) else { continue };
            let (kept, major) = d.edges.remove(i);
            let after = d.junctions();
            let free = after == before && spare > 0 && !major;
            if !d.sound() || after < wanted || (after == before && !free) {
                d.edges.insert(i, (kept, major));
            } else if free {
                spare -= 1;
            }
        }
    }
}

/// Runs of edges through nodes with two edges become one link each.
fn merge(d: &Draft) -> Plan {
    let mut number = vec![None; d.at.len()];
    let mut plan = Plan::default();
    for (node, slot) in number.iter_mut().enumerate() {
        if let (true, Some(at)) = (d.degree(node) >= 3, d.at.get(node)) {
            *slot = Some(plan.spots.len());
            plan.spots.push(*at);
        }
    }
    let number_of = |node: usize| number.get(node).copied().flatten();
    let mut used = vec![false; d.edges.len()];
    for (start, from) in number.iter().enumerate().filter_map(|(n, i)| i.map(|i| (n, i))) {
        for first in 0..d.edges.len() {
            let (mut node, mut edge, mut via, mut votes) = (start, first, Vec::new(), 0i32);
            while let Some((ends, major)) = d.edges.get(edge) {
                if !ends.contains(&node) || used.get_mut(edge).is_none_or(|u| std::mem::replace(u, true)) {
                    break;
                }
                votes += if *major { 1 } else { -1 };
                node = ends[0] + ends[1] - node;
                if let Some(to) = number_of(node) {
                    plan.links.push(Link { ends: [from, to], via, major: votes > 0 });
                    break;
                }
                via.extend(d.at.get(node));
                let onward = d.edges.iter().zip(&used).position(|((e, _), used)| !used && e.contains(&node));
                let Some(onward) = onward else { break };
                edge = onward;
            }
        }
    }
    plan
}

/// A layout with this many junctions (4 to 100).
pub(crate) fn layout(junctions: usize, rng: &Rng) -> Plan {
    let mut rows = 2;
    while (rows + 1) * (rows + 1) <= junctions + 4 {
        rows += 1;
    }
    let mut columns = rows;
    while columns * rows < junctions + 4 {
        columns += 1;
    }
    let mut best = Plan::default();
    for attempt in 0..40 {
        let mut rng = rng.fork(attempt);
        let mut d = draft(columns, rows, &mut rng);
        thin(&mut d, junctions, &mut rng);
        let plan = merge(&d);
        let fits = plan.links.iter().all(|l| l.ends[0] != l.ends[1]);
        let error = |p: &Plan| p.spots.len().abs_diff(junctions);
        if fits && (best.spots.is_empty() || error(&plan) < error(&best)) {
            best = plan;
        }
        if best.spots.len() == junctions {
            break;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_and_seed_gives_exactly_the_junctions_asked_for() {
        for n in 4..=100 {
            let plan = layout(n, &Rng::new(n as u64 * 31));
            assert_eq!(plan.spots.len(), n);
            for spot in 0..n {
                let arms = plan.links.iter().flat_map(|l| l.ends).filter(|e| *e == spot).count();
                assert!((3..=4).contains(&arms), "{n}: junction {spot} has {arms} arms");
            }
        }
    }
}
