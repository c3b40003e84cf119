//! Blocks: what the streets enclose, each bounded by the outer edge of its side walks.
//!
//! *In / Out*: the network; rings in metres, counter-clockwise for blocks, and the town's outer ring. *Invariant*: walking along a
//! kerb and around corners with the road on the left comes back to the start, so every piece of ground is in one block.

use super::curve::{Curve, Station};
use super::network::{Arm, Network};
use super::polygon::{P2, area, edges, tidy};
use super::rng::Rng;

/// What a block is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Detached houses with gardens.
    Houses,
    /// Closed rows of taller houses, shops at the bottom.
    Row,
    /// Offices and flats with open ground.
    Offices,
    /// Grass and trees.
    Park,
    /// A car park with a few buildings.
    CarPark,
    /// Everything around the town.
    Outside,
}

/// A stretch of a block's edge along one road.
#[derive(Debug, Clone, PartialEq)]
pub struct Front {
    /// Outer edge of the side walk, block on the right.
    pub edge: Curve,
    /// The road.
    pub road: usize,
}

/// A block.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Outline, counter-clockwise.
    pub ring: Vec<P2>,
    /// Its edges along roads.
    pub fronts: Vec<Front>,
    /// What it is for.
    pub usage: Use,
}

/// Chord error of outlines, metres.
pub(crate) const ERROR: f64 = 0.03;
/// Longest step along outlines.
pub(crate) const STEP: f64 = 7.0;

/// The outer edge of the side walk at a corner between two arms whose walks may differ in width.
pub(crate) fn corner_edge(corner: &Curve, a: &Arm, b: &Arm, share: f64) -> Vec<P2> {
    let wide = |s: f64| a.walk + (b.walk - a.walk) * s / corner.length().max(1e-6);
    corner.sample(2.0, ERROR).into_iter().map(|s| corner.at(s).beside(-share * wide(s))).collect()
}

/// The road's curve in the direction out of an arm.
pub(crate) fn outwards(net: &Network, arm: &Arm) -> Option<Curve> {
    let road = net.roads.get(arm.road)?;
    Some(if arm.at_start { road.centre.clone() } else { road.centre.reversed() })
}

fn next_corner(net: &Network, junction: usize, corner: usize) -> Option<(usize, usize)> {
    let arms = &net.junctions.get(junction)?.arms;
    let arm = arms.get((corner + 1) % arms.len().max(1))?;
    let road = net.roads.get(arm.road)?;
    let [j, a] = if arm.at_start { road.to } else { road.from };
    Some((j, a))
}

/// Blocks, the outside last.
pub(crate) fn find(net: &Network, rng: &Rng) -> Vec<Block> {
    let mut rng = rng.fork(3);
    let mut seen: Vec<Vec<bool>> = net.junctions.iter().map(|j| vec![false; j.arms.len()]).collect();
    let mut blocks = Vec::new();
    let mut outside = Vec::new();
    for j in 0..net.junctions.len() {
        for c in 0..net.junctions.get(j).map_or(0, |j| j.arms.len()) {
            let mut here = (j, c);
            let (mut ring, mut fronts) = (Vec::new(), Vec::new());
            while let Some(seen) = seen.get_mut(here.0).and_then(|s| s.get_mut(here.1))
                && !std::mem::replace(seen, true)
            {
                let Some(junction) = net.junctions.get(here.0) else { break };
                let n = junction.arms.len().max(1);
                let (Some(corner), Some(a), Some(b)) =
                    (junction.corners.get(here.1), junction.arms.get(here.1), junction.arms.get((here.1 + 1) % n))
                else {
                    break;
                };
                ring.extend(corner_edge(corner, a, b, 1.0));
                let Some(curve) = outwards(net, b) else { break };
                let edge = curve.offset(-(b.half + b.walk));
                // At the stations of the side walk's triangles, so that no crack is left between them.
                ring.extend(curve.sample(STEP, ERROR).into_iter().map(|s| curve.at(s).beside(-(b.half + b.walk))));
                fronts.push(Front { edge, road: b.road });
                let Some(next) = next_corner(net, here.0, here.1) else { break };
                here = next;
            }
            if ring.len() > 2 {
                let mut ring = tidy(&ring);
                if area(&ring) < 0.0 {
                    ring.reverse();
                    let usage = usage(area(&ring), &fronts, net, &mut rng);
                    blocks.push(Block { ring, fronts, usage });
                } else {
                    outside.push(Block { ring, fronts, usage: Use::Outside });
                }
            }
        }
    }
    blocks.extend(outside);
    blocks
}

fn usage(area: f64, fronts: &[Front], net: &Network, rng: &mut Rng) -> Use {
    let main = fronts.iter().any(|f| net.roads.get(f.road).is_some_and(|r| r.major));
    let weights = if area < 1500.0 {
        [0.0, 0.0, 0.0, 1.0, 0.4]
    } else if main {
        [0.6, 2.4, 1.3, 0.5, 0.9]
    } else {
        [2.6, 1.3, 0.5, 0.5, 0.4]
    };
    let kinds = [Use::Houses, Use::Row, Use::Offices, Use::Park, Use::CarPark];
    rng.weighted(&weights).and_then(|i| kinds.get(i)).copied().unwrap_or(Use::Houses)
}

/// Joins the outer ring (clockwise hole) with a rectangle around it into one simple polygon with a bridge.
pub(crate) fn around(hole: &[P2], margin: f64) -> Vec<P2> {
    let [low, high] = super::polygon::bounds(hole);
    let (low, high) = (low.map(|v| v - margin), high.map(|v| v + margin));
    // The bridge leaves from the hole's rightmost corner straight to the right side.
    let Some((at, from)) = hole.iter().enumerate().max_by(|a, b| a.1[0].total_cmp(&b.1[0])) else { return Vec::new() };
    let mut ring = vec![[high[0], from[1]], [high[0], high[1]], [low[0], high[1]], [low[0], low[1]], [high[0], low[1]], [high[0], from[1]]];
    let mut inner: Vec<P2> = hole.iter().copied().cycle().skip(at).take(hole.len()).collect();
    if area(&inner) > 0.0 {
        inner.reverse();
        inner.rotate_right(1);
    }
    ring.extend(&inner);
    ring.extend(inner.first());
    ring
}

/// The longest side's direction of a ring: what rows of parked cars and buildings follow.
pub(crate) fn grain(ring: &[P2]) -> f64 {
    let longest = edges(ring).max_by(|a, b| length(*a).total_cmp(&length(*b)));
    longest.map_or(0.0, |(a, b)| (b[1] - a[1]).atan2(b[0] - a[0]))
}

fn length((a, b): (P2, P2)) -> f64 {
    (b[0] - a[0]).hypot(b[1] - a[1])
}

/// A place beside a front: distance along it, and how far into the block.
pub(crate) fn inward(front: &Front, s: f64, depth: f64) -> (P2, Station) {
    let at = front.edge.at(s);
    (at.beside(-depth), at)
}
