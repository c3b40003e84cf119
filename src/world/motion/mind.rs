//! What a driver decides from what is ahead: leaders, limits, lights, signs, crossings, and permission to enter junctions.
//!
//! *In / Out*: the world as it is, one vehicle; a wished acceleration, m/s^2. *Invariant*: nothing is changed here.

use super::traffic::{self, Thing};
use super::vehicle::{Driver, Vehicle};
use super::world::World;
use crate::world::model::Signal;
use crate::world::scene::{Lane, Rule};
use serde::{Deserialize, Serialize};

/// Why a driver goes no faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nothing but limits and bends.
    Free,
    /// Somebody ahead.
    Leader,
    /// A light, a sign, or who goes first at a junction.
    Junction,
    /// Somebody on a crossing or waiting to cross.
    Crossing,
    /// The destination.
    Goal,
    /// A lane change that has no room yet.
    LaneChange,
}

/// How far drivers look.
pub(crate) const SIGHT: f64 = 60.0;

impl World {
    /// The acceleration that a careful driver of this vehicle wants now.
    pub(crate) fn wish(&self, v: &Vehicle) -> (f64, Reason) {
        let net = &self.town.network;
        let speed = v.state.speed.max(0.0);
        let reach = (14.0 + speed * 3.5).min(SIGHT);
        let ahead = v.track.ahead(net, reach, 1.5);
        let things = self.things_near([v.state.x, v.state.y], reach);
        let desired = traffic::allowed(v, net);
        let mut wish = (traffic::follow(v, desired, None), Reason::Free);
        let mut least = |a: f64, why: Reason| {
            if a < wish.0 {
                wish = (a, why);
            }
        };
        least(traffic::follow(v, desired, traffic::leader(v, &ahead, &things)), Reason::Leader);
        let mut stop = |gap: f64, why: Reason| least(traffic::stop_at(v, gap), why);
        let front = v.half()[0];
        for (start, lane) in v.track.lanes_ahead(net) {
            if start > reach {
                break;
            }
            if let Some(gap) = self.held_at(v, start, lane) {
                stop(gap, Reason::Junction);
            }
            for (crossing, [from, _]) in &lane.crossings {
                let mut gap = start + from - front - 0.7;
                if gap < -0.8 || gap > reach {
                    continue;
                }
                // Where there is a stop line, it is the place to wait.
                if lane.stop < *from && start + lane.stop - front > -0.5 {
                    gap = start + lane.stop - front;
                }
                if self.crossing_taken(v, lane, *crossing, gap) {
                    stop(gap.max(0.0), Reason::Crossing);
                }
            }
        }
        if let Some(goal) = v.goal
            && v.track.lanes.len() == 1
            && !v.cruises
        {
            stop((goal - v.track.s).max(0.0), Reason::Goal);
        }
        // A lane change that is due and has no room yet: wait for it before the lane ends.
        if v.driver == Driver::Expert
            && v.track.change(net).is_some()
            && let Some(lane) = v.track.lane(net)
        {
            stop((lane.stop - 12.0 - v.track.s - front).max(0.0), Reason::LaneChange);
        }
        (wish.0.clamp(-9.0, 4.0), wish.1)
    }
    /// Gap to the stop line at a lane's end, where something holds the vehicle there.
    fn held_at(&self, v: &Vehicle, start: f64, lane: &Lane) -> Option<f64> {
        if lane.junction.is_some() {
            return None;
        }
        let gap = start + lane.stop - v.half()[0];
        if gap < -1.2 {
            return None;
        }
        let position = v.track.lanes.iter().position(|l| *l == lane.id)?;
        let connection = v.track.lanes.get(position + 1).copied().filter(|c| lane.next.contains(c));
        let granted = connection.is_some() && v.grant == connection;
        (!granted || !self.light_allows(v, lane, gap)).then_some(gap.max(0.0))
    }
    /// Whether a light lets a vehicle pass that is `gap` before the line.
    pub(crate) fn light_allows(&self, v: &Vehicle, lane: &Lane, gap: f64) -> bool {
        let Rule::Light(light) = lane.rule else { return true };
        let (colour, left) = self.signals.of(light);
        let speed = v.state.speed.max(0.1);
        let needed = speed * speed / (2.0 * gap.max(0.1));
        match colour {
            Signal::Green => true,
            // Who cannot stop with reason goes through, if the yellow lasts.
            Signal::Yellow => {
                // So does who has waited long enough for a gap to turn, at the line.
                let waited = v.waited > 6.0 && gap < 1.2 && left > 1.8;
                needed > 3.2 && gap / speed < left + 0.2 || waited
            }
            Signal::Red => false,
        }
    }
    /// Whether somebody walks over a crossing, or waits to, in the way of this lane.
    fn crossing_taken(&self, v: &Vehicle, lane: &Lane, crossing: usize, gap: f64) -> bool {
        let net = &self.town.network;
        let Some(c) = net.crossings.get(crossing) else { return false };
        let middle = c.centre.at(c.centre.length() / 2.0);
        let (across, _) = c.centre.project(lane.centre.at(lane.centre.project(middle.point()).0).point());
        let needed = v.state.speed.max(0.0).powi(2) / (2.0 * gap.max(0.1));
        self.walkers_near(middle.point(), c.centre.length() / 2.0 + 4.0).any(|w| {
            let walk = net.walks.get(w.walk);
            if walk.and_then(|k| k.crossing) == Some(crossing) {
                let (at, _) = c.centre.project([w.x, w.y]);
                let towards = w.way_along(c.centre.at(at).heading);
                // Until it has passed this lane and a step more.
                let past = (at - across) * towards;
                return past < lane.width / 2.0 + 0.8;
            }
            w.waits == Some(crossing) && c.light.is_none() && needed < 2.2
        })
    }
    pub(crate) fn walkers_near(&self, p: [f64; 2], radius: f64) -> impl Iterator<Item = &super::walkers::Walker> {
        let first = self.vehicles.len();
        let near = self.near.around(p, radius);
        near.into_iter()
            .filter_map(move |i| self.walkers.get(i.checked_sub(first)?))
            .filter(move |w| (w.x - p[0]).hypot(w.y - p[1]) < radius)
    }
    /// Vehicles with their index, near a place.
    pub(crate) fn vehicles_near(&self, p: [f64; 2], radius: f64) -> impl Iterator<Item = &Vehicle> {
        let count = self.vehicles.len();
        self.near.around(p, radius).into_iter().filter(move |i| *i < count).filter_map(|i| self.vehicles.get(i))
    }
    /// Things near a place, as others see them.
    pub(crate) fn things_near(&self, p: [f64; 2], radius: f64) -> Vec<Thing> {
        self.near.around(p, radius).into_iter().filter_map(|i| self.things.get(i)).copied().collect()
    }
}
