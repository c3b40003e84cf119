//! What a driver did wrong: collisions, red lights, stop signs, lanes left.
//!
//! *In / Out*: vehicles before and after a step; events. *Invariant*: one event for each occasion: a contact that lasts is one collision,
//! a line is run once.

use super::contact::Contact;
use super::vehicle::{Driver, Vehicle};
use super::world::World;
use crate::world::model::Signal;
use crate::world::scene::{Lane, LaneId, Network, Rule, wrap};
use serde::{Deserialize, Serialize};

/// Kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// Hit another vehicle.
    CollisionVehicle,
    /// Hit a pedestrian or somebody on a side walk.
    CollisionPedestrian,
    /// Hit something that stands there.
    CollisionStatic,
    /// Drove over a stop line at red.
    RedLight,
    /// Drove over the line of a stop sign without having stood.
    StopSign,
    /// Went over to another lane.
    LaneInvasion,
    /// Left the carriageway.
    OffRoad,
    /// Drove against the direction of a lane.
    WrongLane,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Seconds since the start.
    pub time: f64,
    /// What.
    pub kind: EventKind,
    /// The vehicle.
    pub actor: u32,
    /// Who or what was hit (instance id), or the index of the light.
    pub other: Option<u32>,
    /// Where, metres.
    pub place: [f64; 2],
    /// Strength of a collision, N s.
    pub impulse: f64,
}

/// What is remembered of one vehicle to see events.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Watch {
    /// Lane and the front's distance along it, at the step before.
    front: Option<(LaneId, f64)>,
    /// The lane at whose stop sign it has stood.
    stood: Option<LaneId>,
    lane: Option<LaneId>,
    off: bool,
    wrong: bool,
}

impl World {
    /// Notes the events of the step that just ended.
    pub(crate) fn note(&mut self, contacts: &[Contact]) {
        let time = self.time;
        for c in contacts {
            for (actor, other) in [(c.actor, c.other), (c.other, c.actor)] {
                let Some(v) = self.vehicles.iter().find(|v| v.id == actor) else { continue };
                let place = [v.state.x, v.state.y];
                let fresh = !self.touching.iter().any(|(a, o, t)| (*a, *o) == (actor, other) && time - t < 1.0);
                self.touching.retain(|(a, o, t)| (*a, *o) != (actor, other) && time - t < 1.0);
                self.touching.push((actor, other, time));
                if fresh {
                    self.events.push(Event { time, kind: c.kind, actor, other: Some(other), place, impulse: c.impulse });
                }
            }
        }
        let town = self.town.clone();
        for i in 0..self.vehicles.len() {
            let Some(v) = self.vehicles.get(i).filter(|v| v.driver != Driver::Traffic) else { continue };
            let (watch, kinds) = self.watch(v, &town.network);
            let (id, place) = (v.id, [v.state.x, v.state.y]);
            self.events.extend(kinds.into_iter().map(|(kind, other)| Event { time, kind, actor: id, other, place, impulse: 0.0 }));
            if let Some(v) = self.vehicles.get_mut(i) {
                v.watch = watch;
            }
        }
    }
    fn watch(&self, v: &Vehicle, net: &Network) -> (Watch, Vec<(EventKind, Option<u32>)>) {
        let (mut w, mut found) = (v.watch, Vec::new());
        let s = &v.state;
        let half = v.half()[0];
        let (sin, cos) = s.heading.sin_cos();
        let front = [s.x + half * cos, s.y + half * sin];
        // The line belongs to the lane where the front was; it may have gone on into the junction.
        if let Some((lane, before)) = w.front
            && let Some(l) = net.lane(lane)
        {
            let (now, left) = l.centre.project(front);
            if before < l.stop && now >= l.stop && left.abs() < l.width / 2.0 + 0.3 && s.speed > 0.05 {
                match l.rule {
                    Rule::Light(light) if self.signals.of(light).0 == Signal::Red => {
                        found.push((EventKind::RedLight, Some(crate::types::num::u32(light))))
                    }
                    Rule::Stop if w.stood != Some(lane) => found.push((EventKind::StopSign, None)),
                    _ => {}
                }
            }
        }
        let ahead = net.locate(front, Some(s.heading));
        w.front = ahead.filter(|(l, _, _)| net.lane(*l).is_some_and(|l| l.junction.is_none())).map(|(l, along, _)| (l, along));
        if let Some((lane, along)) = w.front
            && let Some(l) = net.lane(lane)
        {
            let waits = l.rule == Rule::Stop && s.speed.abs() < 0.1 && (0.0..4.0).contains(&(l.stop - along));
            w.stood = if waits { Some(lane) } else { w.stood.filter(|k| *k == lane) };
        }
        let lane_of = |heading| net.locate([s.x, s.y], heading).and_then(|(l, at, left)| Some((net.lane(l)?, at, left)));
        let (middle, under) = (lane_of(Some(s.heading)), lane_of(None));
        // Beyond a lane's right edge may be a parking strip; beyond its left edge is somebody else's lane.
        let within = |(l, _, left): (&Lane, f64, f64)| {
            let strip = net.roads.get(l.road).map_or(1.5, |r| r.parking.max(0.4));
            l.junction.is_some() || (-l.width / 2.0 - strip..=l.width / 2.0 + 0.4).contains(&left)
        };
        let against = |(l, at, _): (&Lane, f64, f64)| l.junction.is_none() && wrap(l.centre.at(at).heading - s.heading).abs() > 2.0;
        let own = middle.is_some_and(within);
        let off = !own && !under.is_some_and(within) && !self.inside_junction([s.x, s.y]);
        let wrong = !off && s.speed > 1.0 && if own { middle.is_some_and(against) } else { under.is_some_and(against) };
        if off && !w.off {
            found.push((EventKind::OffRoad, None));
        }
        if wrong && !w.wrong {
            found.push((EventKind::WrongLane, None));
        }
        (w.off, w.wrong) = (off, wrong);
        let lane = middle.filter(|(l, _, _)| l.junction.is_none()).map(|(l, _, _)| l.id);
        if let (Some(old), Some(new)) = (w.lane, lane)
            && old != new
            && net.lane(old).map(|l| l.road) == net.lane(new).map(|l| l.road)
        {
            found.push((EventKind::LaneInvasion, None));
        }
        w.lane = lane;
        (w, found)
    }
    fn inside_junction(&self, p: [f64; 2]) -> bool {
        let net = &self.town.network;
        net.near.around(p, 4.0).into_iter().filter_map(|l| net.lane(l)?.junction).any(|j| {
            net.junctions
                .get(j)
                .is_some_and(|j| (j.centre[0] - p[0]).hypot(j.centre[1] - p[1]) < j.radius && self.town.on_junction(j.id, p))
        })
    }
}
