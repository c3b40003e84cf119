//! The dense way between a route's way points, with what holds a driver on it, and the sparse plan that an agent is given of it.
//!
//! *Units and frames*: the world's (x east, y north, metres, radians). *Invariant*: distances along a dense way grow by at most [`STEP`]; a
//! stop's distance is where its line begins.

use super::routes::Route;
use crate::carla::axes;
use crate::types::{Error, Result};
use crate::world::scene::{Lane, LaneId, Network, Rule, Station, Turn};
use std::collections::BTreeMap;

/// Metres between dense points.
pub const STEP: f64 = 1.0;

/// A point of the dense way.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Point {
    /// Where.
    pub at: Station,
    /// Metres from the start.
    pub s: f64,
    /// Speed limit, m/s.
    pub limit: f64,
    /// Route command: left 1, right 2, straight 3, lane follow 4.
    pub command: i32,
}

/// Most metres between points of a sparse plan.
const SPARSE: f64 = 50.0;

/// The way with everything that holds a driver on it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Dense {
    /// Points every metre.
    pub points: Vec<Point>,
    /// Stop lines: metres along, and what holds there; without a sign, only where somebody else may go first.
    pub stops: Vec<(f64, Rule)>,
}

impl Dense {
    /// Metres.
    pub fn length(&self) -> f64 {
        self.points.last().map_or(0.0, |p| p.s)
    }
    /// Index of the nearest point at or after `from`, looking at most 60 m ahead, and the distance to it.
    pub fn nearest(&self, place: [f64; 2], from: usize) -> (usize, f64) {
        let gap = |p: &Point| (p.at.x - place[0]).hypot(p.at.y - place[1]);
        let near = self.points.iter().enumerate().skip(from).take(60).map(|(i, p)| (i, gap(p))).min_by(|a, b| a.1.total_cmp(&b.1));
        near.unwrap_or((from, f64::INFINITY))
    }
    /// The plan that an agent is given, as in leaderboard 1.0: the first and the last point, those where the command changes, and one at
    /// least every 50 metres.
    pub fn sparse(&self) -> impl Iterator<Item = &Point> {
        let end = self.points.len().saturating_sub(1);
        let (mut before, mut last) = (None, 0.0);
        self.points.iter().enumerate().filter_map(move |(n, p)| {
            let kept = before.replace(p.command) != Some(p.command) || p.s - last >= SPARSE || n == end;
            kept.then(|| last = p.s).map(|()| p)
        })
    }
}

/// The dense way on a town's lanes.
///
/// # Errors
/// Where a way point is on no lane, or no lane leads to the next one.
pub fn on_lanes(route: &Route, net: &Network) -> Result<Dense> {
    let place = |n: usize| format!("route {}, way point {n}", route.id);
    let mut lanes: Vec<LaneId> = Vec::new();
    let mut ends: Option<(f64, f64)> = None;
    for (n, pair) in route.way.windows(2).enumerate() {
        let [a, b] = pair else { continue };
        let heading = (b[1] - a[1]).atan2(b[0] - a[0]);
        let lost = |n: usize, p: &[f64; 2]| Error::mismatch("a way point on a lane", format!("{:.1}, {:.1}", p[0], -p[1]), place(n));
        let first = match lanes.last() {
            Some(last) => *last,
            None => net.locate(*a, Some(heading)).ok_or_else(|| lost(n, a))?.0,
        };
        let target = candidates(net, *b);
        if target.is_empty() {
            return Err(lost(n + 1, b));
        }
        let (path, end) = path(net, first, *a, &target)
            .ok_or_else(|| Error::mismatch("lanes that lead on", format!("none to {:.1}, {:.1}", b[0], -b[1]), place(n + 1)))?;
        let start = if lanes.is_empty() { net.lane(first).map_or(0.0, |l| l.centre.project(*a).0) } else { ends.map_or(0.0, |e| e.0) };
        lanes.extend(path.into_iter().skip(usize::from(!lanes.is_empty())));
        ends = Some((start, end));
    }
    let (start, end) = ends.unwrap_or_default();
    Ok(sampled(net, &lanes, start, end))
}

/// Lanes near a place, with the distance along each.
fn candidates(net: &Network, p: [f64; 2]) -> BTreeMap<LaneId, f64> {
    let near = |l: &Lane| {
        let (s, _) = l.centre.project(p);
        let at = l.centre.at(s);
        ((at.x - p[0]).hypot(at.y - p[1]) < 2.0).then_some((l.id, s))
    };
    net.lanes.iter().filter_map(near).collect()
}

/// The shortest way from a place on a lane to one of the targets.
fn path(net: &Network, from: LaneId, place: [f64; 2], targets: &BTreeMap<LaneId, f64>) -> Option<(Vec<LaneId>, f64)> {
    let here = net.lane(from)?.centre.project(place).0;
    if let Some(s) = targets.get(&from).filter(|s| **s >= here - 0.5) {
        return Some((vec![from], *s));
    }
    let mut best: BTreeMap<LaneId, (f64, LaneId)> = BTreeMap::new();
    let mut open: Vec<(f64, LaneId, LaneId)> = net.lane(from)?.next.iter().map(|n| (0.0, *n, from)).collect();
    let mut found: Option<(f64, LaneId)> = None;
    while let Some(at) = open.iter().enumerate().min_by(|a, b| a.1.0.total_cmp(&b.1.0)).map(|(i, _)| i) {
        let (cost, id, parent) = open.swap_remove(at);
        if found.is_some_and(|(least, _)| cost >= least) || best.get(&id).is_some_and(|(least, _)| *least <= cost) {
            continue;
        }
        best.insert(id, (cost, parent));
        if let Some(s) = targets.get(&id)
            && found.is_none_or(|(least, _)| cost + s < least)
        {
            found = Some((cost + s, id));
        }
        let lane = net.lane(id)?;
        open.extend(lane.next.iter().map(|n| (cost + lane.centre.length(), *n, id)));
    }
    let (_, last) = found?;
    let mut lanes = vec![last];
    let mut at = last;
    while let Some((_, parent)) = best.get(&at) {
        lanes.push(*parent);
        if *parent == from {
            break;
        }
        at = *parent;
    }
    lanes.reverse();
    Some((lanes, targets.get(&last).copied()?))
}

/// Whether who drives through a junction without signs has to let somebody else go first: who comes from the right, or towards a left turn.
fn gives_way(net: &Network, connection: &Lane) -> bool {
    connection.conflicts.iter().filter(|c| c.other_first).any(|c| {
        let from = net.lane(c.other).and_then(|other| net.lane(*other.previous.first()?));
        from.is_some_and(|from| from.rule == Rule::Free)
    })
}

fn sampled(net: &Network, lanes: &[LaneId], start: f64, end: f64) -> Dense {
    let mut dense = Dense::default();
    let mut gone = 0.0;
    let last = lanes.len().saturating_sub(1);
    for (n, lane) in lanes.iter().filter_map(|l| net.lane(*l)).enumerate() {
        let from = if n == 0 { start } else { 0.0 };
        let to = if n == last { end.min(lane.centre.length()) } else { lane.centre.length() };
        let command = match (lane.junction, lane.turn) {
            (None, _) => 4,
            (Some(_), Turn::Left) => 1,
            (Some(_), Turn::Right) => 2,
            (Some(_), Turn::Straight) => 3,
        };
        let mut s = from;
        while s < to {
            dense.points.push(Point { at: lane.centre.at(s), s: gone + s - from, limit: lane.limit, command });
            s += STEP;
        }
        let holds = lane.rule != Rule::Free || lanes.get(n + 1).and_then(|l| net.lane(*l)).is_some_and(|next| gives_way(net, next));
        if lane.junction.is_none() && holds && (from..to).contains(&lane.stop) {
            dense.stops.push((gone + lane.stop - from, lane.rule));
        }
        if n == last {
            dense.points.push(Point { at: lane.centre.at(to), s: gone + to - from, limit: lane.limit, command });
        }
        gone += (to - from).max(0.0);
    }
    dense
}

/// The dense way straight from way point to way point: for servers whose lanes are not known here.
pub fn straight(route: &Route, limit: f64) -> Dense {
    let mut dense = Dense::default();
    let mut gone = 0.0;
    for pair in route.way.windows(2) {
        let [a, b] = pair else { continue };
        let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
        let length = dx.hypot(dy);
        let heading = dy.atan2(dx);
        let mut s = 0.0;
        while s < length {
            let at = Station { x: a[0] + dx * s / length, y: a[1] + dy * s / length, heading, curvature: 0.0 };
            dense.points.push(Point { at, s: gone + s, limit, command: 4 });
            s += STEP;
        }
        gone += length;
    }
    dense
}

/// Where a vehicle starts on it, on the wire's axes.
pub fn start(dense: &Dense) -> crate::carla::Transform {
    let at = dense.points.first().map(|p| p.at).unwrap_or_default();
    axes::to_transform(&crate::world::scene::pose(at.point(), 0.3, at.heading))
}
