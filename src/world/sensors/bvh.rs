//! A tree of boxes over boxes: triangles of a shape, or things of a scene.
//!
//! *In*: the bounds of each item. *Out*: an order of the items and a tree of nodes over it; [`Bvh::walk`] visits what a [`Visitor`] lets in,
//! nearest first. *Invariant*: every item lies in exactly one leaf, inside the bounds of all nodes above it. Split by the surface area
//! heuristic over twelve bins (Wald 2007).

use crate::types::num;
use nalgebra::Vector3;

type V3 = Vector3<f32>;

/// Most items of a leaf.
const LEAF: usize = 4;
const BINS: usize = 12;
/// Deepest tree: beyond it nodes are leaves, whatever they hold.
const DEPTH: usize = 40;

/// An axis-aligned box.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Low corner.
    pub low: V3,
    /// High corner.
    pub high: V3,
}

impl Bounds {
    /// Holds nothing.
    pub const EMPTY: Self = Self {
        low: V3::new(f32::INFINITY, f32::INFINITY, f32::INFINITY),
        high: V3::new(f32::NEG_INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY),
    };
    /// Grown to hold a point.
    #[must_use]
    pub fn with(self, p: &V3) -> Self {
        Self { low: self.low.inf(p), high: self.high.sup(p) }
    }
    /// Grown to hold another box.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        Self { low: self.low.inf(&other.low), high: self.high.sup(&other.high) }
    }
    /// Its middle.
    pub fn centre(&self) -> V3 {
        (self.low + self.high) * 0.5
    }
    /// Half its edges.
    pub fn half(&self) -> V3 {
        (self.high - self.low) * 0.5
    }
    fn area(&self) -> f32 {
        let e = self.high - self.low;
        if e.x < 0.0 { 0.0 } else { e.x * e.y + e.y * e.z + e.z * e.x }
    }
}

/// A node: an inner one has its children at `start` and `start + 1`, a leaf `count` items from `start`.
#[derive(Debug, Clone, Copy)]
struct Node {
    centre: V3,
    half: V3,
    start: u32,
    count: u32,
}

/// The tree.
#[derive(Debug, Clone, Default)]
pub struct Bvh {
    nodes: Vec<Node>,
}

/// Who walks through a tree.
pub trait Visitor {
    /// How near a box is, or `None` where it need not be entered.
    fn enter(&mut self, centre: &V3, half: &V3) -> Option<f32>;
    /// Whether a box that was this near is still of interest.
    fn still(&self, near: f32) -> bool;
    /// The items at these places of the tree's order.
    fn items(&mut self, first: usize, count: usize);
}

impl Bvh {
    /// A tree over boxes; gives the order of the items that its leaves refer to.
    pub fn build(bounds: &[Bounds]) -> (Self, Vec<u32>) {
        let mut order: Vec<(u32, V3, Bounds)> = (0..).zip(bounds).map(|(i, b)| (i, b.centre(), *b)).collect();
        let mut tree = Self { nodes: Vec::with_capacity(bounds.len()) };
        if !order.is_empty() {
            tree.nodes.push(leaf(&order, 0));
            tree.split(0, &mut order, 0, 0);
        }
        (tree, order.into_iter().map(|(i, ..)| i).collect())
    }
    fn split(&mut self, at: usize, items: &mut [(u32, V3, Bounds)], first: usize, depth: usize) {
        if items.len() <= LEAF || depth >= DEPTH {
            return;
        }
        let middle = best_cut(items);
        if middle == 0 || middle >= items.len() {
            return;
        }
        let Some((low, high)) = items.split_at_mut_checked(middle) else { return };
        let start = self.nodes.len();
        self.nodes.push(leaf(low, first));
        self.nodes.push(leaf(high, first + middle));
        if let Some(node) = self.nodes.get_mut(at) {
            (node.start, node.count) = (num::u32(start), 0);
        }
        self.split(start, low, first, depth + 1);
        self.split(start + 1, high, first + middle, depth + 1);
    }
    /// Visits the leaves that the visitor lets in, nearer ones first.
    pub fn walk(&self, visitor: &mut impl Visitor) {
        let mut stack = [(0_u32, 0.0_f32); DEPTH + 4];
        let mut filled = 0;
        let Some(root) = self.nodes.first() else { return };
        let Some(mut near) = visitor.enter(&root.centre, &root.half) else { return };
        let mut node = root;
        loop {
            if node.count > 0 {
                visitor.items(num::usize(node.start), num::usize(node.count));
            } else if visitor.still(near) {
                let at = num::usize(node.start);
                if let Some([a, b]) = self.nodes.get(at..at + 2) {
                    match (visitor.enter(&a.centre, &a.half), visitor.enter(&b.centre, &b.half)) {
                        (Some(na), Some(nb)) => {
                            let (first, next, far) = if na <= nb { (a, na, (node.start + 1, nb)) } else { (b, nb, (node.start, na)) };
                            if let Some(slot) = stack.get_mut(filled) {
                                *slot = far;
                                filled += 1;
                            }
                            (node, near) = (first, next);
                            continue;
                        }
                        (Some(n), None) => {
                            (node, near) = (a, n);
                            continue;
                        }
                        (None, Some(n)) => {
                            (node, near) = (b, n);
                            continue;
                        }
                        (None, None) => {}
                    }
                }
            }
            loop {
                if filled == 0 {
                    return;
                }
                filled -= 1;
                let Some(&(next, entry)) = stack.get(filled) else { return };
                if let Some(next) = self.nodes.get(num::usize(next)).filter(|_| visitor.still(entry)) {
                    (node, near) = (next, entry);
                    break;
                }
            }
        }
    }
}

fn leaf(items: &[(u32, V3, Bounds)], first: usize) -> Node {
    let bounds = items.iter().fold(Bounds::EMPTY, |all, (_, _, b)| all.and(b));
    Node { centre: bounds.centre(), half: bounds.half() * 1.000_01, start: num::u32(first), count: num::u32(items.len()) }
}

/// Sorts the items so that the cheapest cut lies at the place that is returned.
fn best_cut(items: &mut [(u32, V3, Bounds)]) -> usize {
    let spread = items.iter().fold(Bounds::EMPTY, |all, (_, c, _)| all.with(c));
    let extent = spread.high - spread.low;
    let mut best = (f32::INFINITY, 0, 0);
    for axis in 0..3 {
        let (Some(&low), Some(&width)) = (spread.low.get(axis), extent.get(axis)) else { continue };
        if width <= 0.0 {
            continue;
        }
        let mut bins = [(Bounds::EMPTY, 0_usize); BINS];
        for (_, c, b) in items.iter() {
            if let Some((bounds, count)) = bins.get_mut(bin(c, axis, low, width)) {
                (*bounds, *count) = (bounds.and(b), *count + 1);
            }
        }
        let mut after = [(0.0_f32, 0_usize); BINS];
        let mut right = (Bounds::EMPTY, 0);
        for (slot, (b, n)) in after.iter_mut().zip(&bins).rev() {
            right = (right.0.and(b), right.1 + n);
            *slot = (right.0.area(), right.1);
        }
        let mut left = (Bounds::EMPTY, 0);
        for (cut, ((b, n), (area, count))) in (1..).zip(bins.iter().zip(after.iter().skip(1))) {
            left = (left.0.and(b), left.1 + n);
            if left.1 > 0 && *count > 0 {
                let cost = left.0.area() * left.1 as f32 + area * *count as f32;
                if cost < best.0 {
                    best = (cost, axis, cut);
                }
            }
        }
    }
    let (cost, axis, cut) = best;
    if !cost.is_finite() {
        // All centres in one place: any halves do.
        return items.len() / 2;
    }
    let (low, width) = (spread.low.get(axis).copied().unwrap_or(0.0), extent.get(axis).copied().unwrap_or(1.0));
    items.sort_by_key(|(_, c, _)| bin(c, axis, low, width) >= cut);
    items.partition_point(|(_, c, _)| bin(c, axis, low, width) < cut)
}

fn bin(centre: &V3, axis: usize, low: f32, width: f32) -> usize {
    let share = (centre.get(axis).copied().unwrap_or(low) - low) / width * BINS as f32;
    num::cell(f64::from(share), BINS).unwrap_or(if share > 0.0 { BINS - 1 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct All(Vec<(usize, usize)>);
    impl Visitor for All {
        fn enter(&mut self, _: &V3, _: &V3) -> Option<f32> {
            Some(0.0)
        }
        fn still(&self, _: f32) -> bool {
            true
        }
        fn items(&mut self, first: usize, count: usize) {
            self.0.push((first, count));
        }
    }

    #[test]
    fn every_item_is_in_exactly_one_leaf() {
        let boxes: Vec<Bounds> = (0..500_u16)
            .map(|i| {
                let p = V3::new(f32::from(i % 17), f32::from(i % 5), f32::from(i / 50));
                Bounds { low: p, high: p.add_scalar(0.5) }
            })
            .collect();
        let (tree, mut order) = Bvh::build(&boxes);
        let mut all = All(Vec::new());
        tree.walk(&mut all);
        let mut seen = vec![0; 500];
        for (first, count) in all.0 {
            assert!(count <= 8);
            (first..first + count).for_each(|i| seen[i] += 1);
        }
        assert!(seen.iter().all(|n| *n == 1));
        order.sort_unstable();
        assert_eq!(order, (0..500).collect::<Vec<u32>>());
        Bvh::build(&[]).0.walk(&mut All(Vec::new()));
        let same = vec![boxes[0]; 100];
        assert_eq!(Bvh::build(&same).1.len(), 100);
    }
}
