//! The ways of pedestrians: along side walks, around corners, over crossings.
//!
//! *In / Out*: the network with crossings; walks between places. *Invariant*: at every mouth each side has one place, where the side
//! walk of the road, the corner and the crossing (if there is one) meet.

use super::blocks::outwards;
use super::curve::Curve;
use super::network::{Network, Walk};

/// Middle of the side walk beside an arm at its crossing: left or right seen outwards.
fn spot(net: &Network, junction: usize, arm: usize, left: bool) -> Option<([f64; 2], f64)> {
    let arm = net.junctions.get(junction)?.arms.get(arm)?;
    let curve = outwards(net, arm)?;
    let s = match arm.crossing.and_then(|c| net.crossings.get(c)) {
        Some(c) if arm.at_start => (c.span[0] + c.span[1]) / 2.0,
        Some(c) => curve.length() - (c.span[0] + c.span[1]) / 2.0,
        None => 2.4,
    };
    let away = arm.half + arm.walk * 0.55;
    Some((curve.at(s).beside(if left { away } else { -away }), s))
}

/// Builds walks and places: place `2 * k` is the left and `2 * k + 1` the right side of the k-th arm of the town.
pub(crate) fn build(net: &mut Network) {
    let mut first = Vec::new();
    let mut count = 0;
    for j in &net.junctions {
        first.push(count);
        count += j.arms.len();
    }
    let place = |junction: usize, arm: usize, left: bool| first.get(junction).map_or(0, |f| 2 * (f + arm) + usize::from(!left));
    let mut walks: Vec<Walk> = Vec::new();
    for (j, junction) in net.junctions.iter().enumerate() {
        let n = junction.arms.len().max(1);
        for (i, corner) in junction.corners.iter().enumerate() {
            let k = (i + 1) % n;
            let (Some(a), Some(b)) = (junction.arms.get(i), junction.arms.get(k)) else { continue };
            let (Some((p, _)), Some((q, _))) = (spot(net, j, i, true), spot(net, j, k, false)) else { continue };
            let wide = a.walk.min(b.walk);
            // Straight to the mouth, around the corner, straight on.
            let turn = corner.offset(-wide * 0.55);
            let (start, end) = (turn.at(0.0).point(), turn.at(turn.length()).point());
            let centre = Curve::line(p, start).then(&turn).then(&Curve::line(end, q));
            walks.push(Walk { from: place(j, i, true), to: place(j, k, false), centre, width: wide - 0.9, crossing: None });
        }
        for (i, arm) in junction.arms.iter().enumerate() {
            let (Some((p, _)), Some((q, _))) = (spot(net, j, i, false), spot(net, j, i, true)) else { continue };
            if let Some(c) = arm.crossing {
                walks.push(Walk {
                    from: place(j, i, false),
                    to: place(j, i, true),
                    centre: Curve::line(p, q),
                    width: 2.6,
                    crossing: Some(c),
                });
            }
        }
    }
    for road in &net.roads {
        let [j0, a0] = road.from;
        let [j1, a1] = road.to;
        // Seen out of the start, the road's right side is right; seen out of the end it is left.
        for right in [true, false] {
            let (Some((_, s0)), Some((_, s1))) = (spot(net, j0, a0, !right), spot(net, j1, a1, right)) else { continue };
            let away = road.half + road.walk * 0.55;
            let centre = road.centre.part(s0, road.centre.length() - s1).offset(if right { -away } else { away });
            walks.push(Walk { from: place(j0, a0, !right), to: place(j1, a1, right), centre, width: road.walk - 0.9, crossing: None });
        }
    }
    let mut places = vec![Vec::new(); 2 * count];
    for (i, w) in walks.iter().enumerate() {
        for (end, starts) in [(w.from, true), (w.to, false)] {
            if let Some(p) = places.get_mut(end) {
                p.push((i, starts));
            }
        }
    }
    net.walks = walks;
    net.places = places;
}
