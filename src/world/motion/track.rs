//! Where a vehicle is on the network and where it will go: a queue of lanes, a distance along the first, and a lateral shift that fades.
//!
//! *In / Out*: lanes and metres. *Invariant*: each lane of the queue follows from the one before by going on, never by jumping.

use crate::world::scene::{Lane, LaneId, Network, Rng, Station, Turn};
use std::collections::VecDeque;

/// Metres over which a lateral shift fades.
const FADE: f64 = 25.0;

fn beside(lane: &Lane, other: LaneId) -> bool {
    lane.left == Some(other) || lane.right == Some(other)
}

/// A place on the way ahead.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ahead {
    /// Metres from the vehicle's middle, along the way.
    pub(crate) distance: f64,
    /// Where.
    pub(crate) at: Station,
}

/// A queue of lanes.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Track {
    /// The lane where it is, then those that follow.
    pub(crate) lanes: VecDeque<LaneId>,
    /// Distance along the first, of the vehicle's middle.
    pub(crate) s: f64,
    /// Metres to the left of the lane's middle, now; fades after a lane change.
    pub(crate) shift: f64,
    /// The lane that was left last.
    pub(crate) behind: Option<LaneId>,
}

impl Track {
    /// On a lane.
    pub(crate) fn new(lane: LaneId, s: f64) -> Self {
        Self { lanes: VecDeque::from([lane]), s, shift: 0.0, behind: None }
    }
    /// The lane where it is.
    pub(crate) fn lane<'a>(&self, net: &'a Network) -> Option<&'a Lane> {
        net.lane(*self.lanes.front()?)
    }
    /// Along a route.
    pub(crate) fn along(lanes: &[LaneId], s: f64) -> Self {
        Self { lanes: lanes.iter().copied().collect(), s, shift: 0.0, behind: None }
    }
    /// The neighbour that it must change to before the lane ends.
    pub(crate) fn change(&self, net: &Network) -> Option<LaneId> {
        let (here, next) = (self.lane(net)?, *self.lanes.get(1)?);
        beside(here, next).then_some(next)
    }
    /// Goes over to a neighbour lane from where it is now.
    pub(crate) fn go_over(&mut self, net: &Network, p: [f64; 2], to: LaneId) {
        let Some(lane) = net.lane(to) else { return };
        if self.lanes.get(1) == Some(&to) {
            self.lanes.pop_front();
        } else {
            self.lanes.clear();
            self.lanes.push_back(to);
        }
        (self.s, self.shift) = lane.centre.project(p);
    }
    /// Finds its place again after its vehicle has moved freely; returns how far left of the lane's middle that is.
    pub(crate) fn locate(&mut self, net: &Network, p: [f64; 2]) -> f64 {
        loop {
            let Some(lane) = self.lane(net) else { return 0.0 };
            let (s, left) = lane.centre.project(p);
            self.s = s;
            if s < lane.centre.length() - 1e-6 || self.lanes.len() < 2 || self.change(net).is_some() {
                return left;
            }
            self.behind = self.lanes.pop_front();
        }
    }
    /// The place at a distance ahead of the middle.
    pub(crate) fn at(&self, net: &Network, distance: f64) -> Option<Station> {
        let mut last = None;
        for (start, lane) in self.lanes_ahead(net) {
            let mut at = lane.centre.at(distance - start);
            let left = self.shift * (1.0 - distance / FADE).clamp(0.0, 1.0);
            [at.x, at.y] = at.beside(left);
            last = Some(at);
            if distance - start <= lane.centre.length() {
                break;
            }
        }
        last
    }
    /// Metres of known way ahead of the middle.
    pub(crate) fn known(&self, net: &Network) -> f64 {
        self.lanes_ahead(net).last().map_or(0.0, |(start, l)| start + l.centre.length())
    }
    /// Adds lanes by chance until so much is known. Long vehicles avoid narrow turns where they can.
    pub(crate) fn wander(&mut self, net: &Network, metres: f64, long: bool, rng: &mut Rng) {
        while self.known(net) < metres {
            let Some(last) = self.lanes.back().and_then(|l| net.lane(*l)) else { return };
            let weights: Vec<f64> = last.next.iter().map(|n| net.lane(*n).map_or(0.0, |l| weight(l, long))).collect();
            let Some(next) = rng.weighted(&weights).and_then(|i| last.next.get(i)) else { return };
            self.lanes.push_back(*next);
        }
    }
    /// Moves on; lanes that lie behind are dropped.
    pub(crate) fn advance(&mut self, net: &Network, metres: f64) {
        self.s += metres;
        while let Some(length) = self.lane(net).map(|l| l.centre.length()) {
            if self.s <= length || self.lanes.len() < 2 {
                break;
            }
            self.s -= length;
            self.behind = self.lanes.pop_front();
        }
    }
    /// The lanes ahead with the distance from the vehicle's middle to their start (negative for the first).
    pub(crate) fn lanes_ahead<'n>(&self, net: &'n Network) -> impl Iterator<Item = (f64, &'n Lane)> {
        let (mut start, mut last) = (-self.s, None::<&'n Lane>);
        self.lanes.iter().filter_map(|l| net.lane(*l)).map(move |lane| {
            // A neighbour runs beside the lane before it.
            if let Some(last) = last
                && !beside(last, lane.id)
            {
                start += last.centre.length();
            }
            last = Some(lane);
            (start, lane)
        })
    }
    /// Places ahead, every `step` metres up to `reach`; the shift fades over the first 25 m.
    pub(crate) fn ahead(&self, net: &Network, reach: f64, step: f64) -> Vec<Ahead> {
        let mut found = Vec::new();
        let mut distance = 0.0;
        for (start, lane) in self.lanes_ahead(net) {
            while distance <= reach && distance - start <= lane.centre.length() {
                let mut at = lane.centre.at(distance - start);
                let left = self.shift * (1.0 - distance / FADE).clamp(0.0, 1.0);
                if left != 0.0 {
                    [at.x, at.y] = at.beside(left);
                }
                found.push(Ahead { distance, at });
                distance += step;
            }
        }
        found
    }
    /// Where the vehicle's middle is, with both axles (`reach` before and behind it) on the way.
    pub(crate) fn place(&self, net: &Network, reach: f64) -> Option<Station> {
        let front = self.at(net, reach)?;
        let lane = self.lane(net)?;
        let before = self.behind.and_then(|l| net.lane(l)).filter(|l| self.s < reach && l.next.contains(&lane.id));
        let rear = match before {
            Some(last) => last.centre.at(last.centre.length() + self.s - reach),
            None => lane.centre.at(self.s - reach),
        };
        let rear = rear.beside(self.shift);
        let (dx, dy) = (front.x - rear[0], front.y - rear[1]);
        Some(Station { x: (front.x + rear[0]) / 2.0, y: (front.y + rear[1]) / 2.0, heading: dy.atan2(dx), curvature: front.curvature })
    }
}

/// How much a vehicle likes a connection: long ones go round narrow corners only where there is no other way.
fn weight(lane: &Lane, long: bool) -> f64 {
    let tight = lane.centre.pieces().iter().any(|p| p.start.curvature.abs() > 1.0 / 14.0);
    match lane.turn {
        _ if long && tight => 1e-6,
        Turn::Straight => 1.2,
        Turn::Left | Turn::Right => 1.0,
    }
}
