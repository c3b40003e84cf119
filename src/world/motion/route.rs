//! Ways through the town: the quickest lanes between two places, as dense way points with the commands of CARLA's leaderboard.
//!
//! *In / Out*: network, start and destination as lane and distance; lanes and a way point each metre. Dijkstra 1959 over lanes with
//! seconds as cost; a lane change costs some. *Invariant*: way points join within a metre and a bit, also where the lane changes.

use crate::types::{Error, Result};
use crate::world::scene::{Lane, LaneId, Network, Turn};
use std::collections::BTreeSet;

/// What to do at a way point, with the leaderboard's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Command {
    /// Turn left at the junction.
    Left = 1,
    /// Turn right at the junction.
    Right = 2,
    /// Go straight on at the junction.
    Straight = 3,
    /// Follow the lane.
    Follow = 4,
    /// Change to the lane on the left.
    ChangeLeft = 5,
    /// Change to the lane on the right.
    ChangeRight = 6,
}

/// A place of a route.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WayPoint {
    /// World position, metres.
    pub point: [f64; 2],
    /// Direction of the lane, radians.
    pub heading: f64,
    /// Its lane.
    pub lane: LaneId,
    /// Distance along the lane.
    pub s: f64,
    /// What to do there.
    pub command: Command,
}

/// A way through the town.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Route {
    /// Lanes in order; a lane's neighbour after it is a lane change.
    pub lanes: Vec<LaneId>,
    /// Distance along the first lane where it starts, and along the last where it ends.
    pub ends: [f64; 2],
    /// A way point each metre.
    pub points: Vec<WayPoint>,
    /// Metres.
    pub length: f64,
}

/// Metres that a lane change needs, and where it begins after a lane's start.
const CHANGE: [f64; 2] = [24.0, 6.0];

fn neighbour(lane: &Lane, other: LaneId) -> bool {
    lane.left == Some(other) || lane.right == Some(other)
}

/// Seconds to change lanes, as cost.
const CHANGE_COST: f64 = 6.0;

fn micros(seconds: f64) -> u64 {
    crate::types::num::round_i64(seconds * 1e6).max(0).unsigned_abs()
}

/// The quickest way.
///
/// # Errors
/// Where a place is not on the network, or no way leads there.
pub fn plan(net: &Network, from: (LaneId, f64), to: (LaneId, f64)) -> Result<Route> {
    let place = |(lane, s): (LaneId, f64)| {
        let found = net.lane(lane).filter(|l| (0.0..=l.centre.length() + 1e-6).contains(&s));
        found.ok_or_else(|| {
            Error::mismatch(format!("one of {} lanes and a distance on it", net.lanes.len()), format!("lane {lane} at {s} m"), "route")
        })
    };
    let (first, _) = (place(from)?, place(to)?);
    if from.0 == to.0 && to.1 >= from.1 {
        return Ok(build(net, vec![from.0], [from.1, to.1]));
    }
    let mut cost = vec![u64::MAX; net.lanes.len()];
    let mut parent: Vec<Option<LaneId>> = vec![None; net.lanes.len()];
    let mut open = BTreeSet::new();
    let leave = |lane: &Lane, s: f64, base: u64| {
        let onward = base + micros((lane.centre.length() - s) / lane.limit);
        let room = CHANGE[0] + CHANGE[1];
        let change = (lane.stop - s > room).then_some(base + micros(CHANGE_COST));
        let next = lane.next.iter().map(move |n| (onward, *n));
        let aside = [lane.left, lane.right]
            .into_iter()
            .flatten()
            .filter(move |n| *n != to.0 || to.1 > s + room)
            .filter_map(move |n| change.map(|c| (c, n)));
        next.chain(aside).collect::<Vec<_>>()
    };
    let mut relax = |found: Vec<(u64, LaneId)>, by: LaneId, open: &mut BTreeSet<(u64, LaneId)>, parent: &mut Vec<Option<LaneId>>| {
        for (c, lane) in found {
            if let (Some(known), Some(p)) = (cost.get_mut(lane), parent.get_mut(lane))
                && c < *known
            {
                open.remove(&(*known, lane));
                (*known, *p) = (c, Some(by));
                open.insert((c, lane));
            }
        }
    };
    relax(leave(first, from.1, 0), from.0, &mut open, &mut parent);
    while let Some((c, id)) = open.pop_first() {
        if id == to.0 {
            break;
        }
        if let Some(lane) = net.lane(id) {
            relax(leave(lane, 0.0, c), id, &mut open, &mut parent);
        }
    }
    let mut lanes = vec![to.0];
    let mut at = to.0;
    while let Some(by) = parent.get(at).copied().flatten() {
        lanes.push(by);
        at = by;
        if by == from.0 || lanes.len() > net.lanes.len() {
            break;
        }
    }
    if lanes.len() < 2 || lanes.last() != Some(&from.0) {
        return Err(Error::mismatch("a way there", format!("none from lane {} to lane {}", from.0, to.0), "route"));
    }
    lanes.reverse();
    Ok(build(net, lanes, [from.1, to.1]))
}

/// Way points of lanes.
pub(crate) fn build(net: &Network, lanes: Vec<LaneId>, ends: [f64; 2]) -> Route {
    let mut points: Vec<WayPoint> = Vec::new();
    let mut s = ends[0];
    let last = lanes.len().saturating_sub(1);
    for (i, id) in lanes.iter().enumerate() {
        let Some(lane) = net.lane(*id) else { continue };
        let next = lanes.get(i + 1).copied();
        let change = next.filter(|n| neighbour(lane, *n)).and_then(|n| net.lane(n));
        let end = if i == last { ends[1] } else { lane.centre.length() };
        if let Some(other) = change {
            while s < CHANGE[1] {
                let at = lane.centre.at(s);
                points.push(WayPoint { point: at.point(), heading: at.heading, lane: *id, s, command: Command::Follow });
                s += 1.0;
            }
            s = shift(&mut points, lane, other, s);
            continue;
        }
        let command = match (lane.junction, lane.turn) {
            (None, _) => Command::Follow,
            (_, Turn::Left) => Command::Left,
            (_, Turn::Right) => Command::Right,
            (_, Turn::Straight) => Command::Straight,
        };
        while s <= end {
            let at = lane.centre.at(s);
            points.push(WayPoint { point: at.point(), heading: at.heading, lane: *id, s, command });
            s += 1.0;
        }
        s -= end;
        // The rest of a step is carried over; the last lane ends at its own end.
        if i == last && s > 0.05 {
            let at = lane.centre.at(end);
            points.push(WayPoint { point: at.point(), heading: at.heading, lane: *id, s: end, command });
        }
        s = s.clamp(0.0, 1.0);
    }
    let length =
        points.windows(2).map(|w| if let [a, b] = w { (b.point[0] - a.point[0]).hypot(b.point[1] - a.point[1]) } else { 0.0 }).sum();
    Route { lanes, ends, points, length }
}

/// Points of a lane change that starts at `s` of `from`; returns where it goes on along `to`.
fn shift(points: &mut Vec<WayPoint>, from: &Lane, to: &Lane, start: f64) -> f64 {
    let command = if from.left == Some(to.id) { Command::ChangeLeft } else { Command::ChangeRight };
    let mut s = start;
    let length = CHANGE[0].min((from.stop - start).max(8.0));
    while s < start + length {
        let t = (s - start) / length;
        let ease = t * t * (3.0 - 2.0 * t);
        let a = from.centre.at(s);
        let (other, _) = to.centre.project(a.point());
        let b = to.centre.at(other);
        let point = [a.x + (b.x - a.x) * ease, a.y + (b.y - a.y) * ease];
        points.push(WayPoint {
            point,
            heading: a.heading,
            lane: if t < 0.5 { from.id } else { to.id },
            s: if t < 0.5 { s } else { other },
            command,
        });
        s += 1.0;
    }
    to.centre.project(from.centre.at(s).point()).0
}
