//! One step of the world: ways, grants, wishes, motion, contacts, events, walkers.
//!
//! *In / Out*: the world and some seconds; the world later. *Invariant*: wishes and grants are formed from the state before the step.

use super::mind::Reason;
use super::physics;
use super::route;
use super::steer;
use super::traffic::Thing;
use super::vehicle::{Driver, Vehicle};
use super::walkers::Walker;
use super::world::World;
use crate::types::{Control, Error, Result};
use crate::world::model::Snapshot;
use crate::world::scene::{LaneId, Network, Turn, wrap};

/// How much way traffic plans ahead.
const KNOWN: f64 = 80.0;

impl World {
    /// Moves everything on by some seconds, in steps of at most 50 ms.
    ///
    /// # Errors
    /// Where the time is not a number of 0 to 10 seconds.
    pub fn step(&mut self, seconds: f64) -> Result<Snapshot> {
        self.advance(seconds)?;
        Ok(self.snapshot())
    }
    /// As [`World::step`], without looking.
    ///
    /// # Errors
    /// Where the time is not a number of 0 to 10 seconds.
    pub fn advance(&mut self, seconds: f64) -> Result<()> {
        if !(0.0..=10.0).contains(&seconds) {
            return Err(Error::mismatch("0 to 10 seconds", seconds.to_string(), "step"));
        }
        let steps = (seconds / 0.05 - 1e-6).ceil().max(1.0);
        let mut i = 0.0;
        while i < steps && seconds > 0.0 {
            self.tick(seconds / steps);
            i += 1.0;
        }
        self.count += 1;
        Ok(())
    }
    /// Writes down where everybody is.
    pub(crate) fn index(&mut self) {
        self.things.clear();
        self.near.clear();
        let own = |v: &Vehicle| Thing { id: v.id, footprint: v.footprint(), velocity: v.state.velocity(), walker: false, visitor: false };
        let vehicles = self.vehicles.iter().map(own);
        self.things.extend(vehicles.chain(self.walkers.iter().map(Walker::thing)).chain(self.visitors.iter().copied()));
        for (i, t) in self.things.iter().enumerate() {
            self.near.insert(i, [t.footprint.centre, t.footprint.centre]);
        }
    }
    /// Everybody knows where to go next.
    pub(crate) fn ways(&mut self) {
        let town = self.town.clone();
        let net = &town.network;
        for v in &mut self.vehicles {
            match v.driver {
                Driver::Traffic => v.track.wander(net, KNOWN, v.body.size[0] > 7.0, &mut v.rng),
                Driver::Expert | Driver::External => keep_way(v, net),
            }
        }
    }
    fn tick(&mut self, dt: f64) {
        let town = self.town.clone();
        let net = &town.network;
        self.time += dt;
        self.signals.update(net, self.time);
        self.ways();
        self.lane_changes(net, dt);
        self.grants(dt);
        let wishes: Vec<(f64, Reason)> =
            self.vehicles.iter().map(|v| if v.driver == Driver::External { (0.0, Reason::Free) } else { self.wish(v) }).collect();
        let wet = self.sky.rain;
        for (v, (wish, reason)) in self.vehicles.iter_mut().zip(wishes) {
            v.reason = reason;
            match v.driver {
                Driver::Traffic => glide(v, net, wish, dt),
                Driver::Expert => {
                    v.shaken = (v.shaken - dt).max(0.0);
                    v.control = if v.shaken > 0.0 { Control { brake: 1.0, ..Control::default() } } else { steer::control(v, net, wish) };
                    physics::drive(&v.model, &mut v.state, v.control, wet, dt);
                }
                Driver::External => physics::drive(&v.model, &mut v.state, v.control, wet, dt),
            }
            v.waited = if v.state.speed.abs() < 0.3 { v.waited + dt } else { 0.0 };
            v.since_change += dt;
            v.blink = intention(v, net);
        }
        let contacts = self.collide();
        self.note(&contacts);
        let mut walkers = std::mem::take(&mut self.walkers);
        for w in &mut walkers {
            let near = self.things_near([w.x, w.y], 36.0);
            w.step(net, &self.signals, &near, dt);
        }
        self.walkers = walkers;
        self.index();
    }
    /// Traffic changes lanes where the neighbour lane is faster, the expert where its route demands it; both only into gaps.
    fn lane_changes(&mut self, net: &Network, dt: f64) {
        for i in 0..self.vehicles.len() {
            let Some(v) = self.vehicles.get(i) else { continue };
            let Some(target) = self.new_lane(v, net, dt) else { continue };
            let long = v.long();
            if let Some(v) = self.vehicles.get_mut(i) {
                v.track.go_over(net, [v.state.x, v.state.y], target);
                v.since_change = 0.0;
                if v.driver == Driver::Traffic {
                    v.track.wander(net, KNOWN, long, &mut v.rng);
                }
            }
        }
    }
    fn new_lane(&self, v: &Vehicle, net: &Network, dt: f64) -> Option<LaneId> {
        let lane = v.track.lane(net)?;
        let (left, speed) = (lane.stop - v.track.s, v.state.speed);
        if v.driver == Driver::External {
            return None;
        }
        if let Some(next) = v.track.change(net) {
            let room = v.track.s > 4.0 && speed > 1.0 || v.waited > 1.0;
            return (room && self.gap_in(v, next, net)).then_some(next);
        }
        // Once in a while traffic looks whether the other lane is better.
        let looks = v.driver == Driver::Traffic && v.since_change > 7.0 && left > 45.0 && speed > 3.0 && v.track.s > 8.0 && !v.long();
        if !looks || (self.time / dt).rem_euclid(16.0).floor() != f64::from(v.id % 16) {
            return None;
        }
        let slow = |lane: LaneId| {
            let front = self
                .vehicles_near([v.state.x, v.state.y], 45.0)
                .filter(|b| b.id != v.id && b.track.lanes.front() == Some(&lane) && b.track.s > v.track.s);
            front.map(|b| b.state.speed + 0.15 * (b.track.s - v.track.s)).fold(f64::INFINITY, f64::min)
        };
        let here = slow(lane.id);
        let better = [lane.left, lane.right].into_iter().flatten().find(|n| slow(*n) > here + 2.5 && here < speed + 6.0);
        better.filter(|n| self.gap_in(v, *n, net))
    }
    /// Whether a lane has room beside a vehicle, and who comes from behind can stay behind.
    fn gap_in(&self, v: &Vehicle, target: LaneId, net: &Network) -> bool {
        let Some(lane) = net.lane(target) else { return false };
        let p = [v.state.x, v.state.y];
        let (s, _) = lane.centre.project(p);
        let near = self.vehicles_near(p, 45.0).filter(|b| b.id != v.id).map(|b| ([b.state.x, b.state.y], b.half()[0], b.state.speed));
        let strangers = self.strangers.iter().filter(|b| (b.place[0] - p[0]).hypot(b.place[1] - p[1]) < 45.0);
        near.chain(strangers.map(|b| (b.place, b.half, b.speed))).all(|(q, half, other)| {
            let (t, left) = lane.centre.project(q);
            if left.abs() > lane.width * 0.75 {
                return true;
            }
            let (gap, rear) = ((t - s).abs() - v.half()[0] - half, t < s);
            let closing = if rear { other - v.state.speed } else { v.state.speed - other };
            gap > 2.5 + 0.35 * v.state.speed.max(other) + (closing.max(0.0)).powi(2) / 3.0
        })
    }
}

/// Traffic follows its lane exactly.
fn glide(v: &mut Vehicle, net: &Network, wish: f64, dt: f64) {
    let before = v.state.speed;
    v.state.speed = (before + wish * dt).max(0.0);
    v.state.acceleration = (v.state.speed - before) / dt;
    let metres = (before + v.state.speed) / 2.0 * dt;
    v.track.advance(net, metres);
    // A lane change takes its length, not its time: who stands does not slide aside.
    v.track.shift *= (1.0 - metres / 9.0).clamp(0.0, 1.0);
    if v.track.shift.abs() < 0.02 {
        v.track.shift = 0.0;
    }
    if let Some(at) = v.track.place(net, 0.5 * v.model.wheelbase) {
        v.state.yaw_rate = wrap(at.heading - v.state.heading) / dt;
        (v.state.x, v.state.y, v.state.heading) = (at.x, at.y, wrap(at.heading));
    }
}

/// Who drives freely finds its place on its way again, or a new way.
fn keep_way(v: &mut Vehicle, net: &Network) {
    let p = [v.state.x, v.state.y];
    let left = v.track.locate(net, p);
    v.track.shift = if left.abs() > 0.35 { left } else { 0.0 };
    let lost = {
        let at = v.track.lane(net).map(|l| l.centre.at(v.track.s));
        at.is_none_or(|at| (at.x - p[0]).hypot(at.y - p[1]) > 4.5 || wrap(at.heading - v.state.heading).abs() > 1.9)
    };
    if lost
        && v.driver != Driver::Traffic
        && let Some((lane, s, _)) = net.locate(p, Some(v.state.heading))
    {
        v.track = super::track::Track::new(lane, s);
        v.goal = None;
        if let Some(to) = v.destination
            && let Ok(route) = route::plan(net, (lane, s), to)
        {
            v.track = super::track::Track::along(&route.lanes, s);
            v.goal = Some(to.1);
        }
    }
    let last = v.track.lanes.len() == 1 && v.goal.is_some_and(|g| v.track.s > g - 12.0);
    if v.cruises && (v.goal.is_none() || last) {
        // The next destination: somewhere on a road, not too near.
        let roads: usize = net.roads.iter().map(|r| r.forward.len() + r.backward.len()).sum();
        let here = v.track.lanes.back().copied().unwrap_or(0);
        let from = v.goal.filter(|_| last).unwrap_or(v.track.s);
        for _ in 0..8 {
            let to = v.rng.below(roads);
            let Some(lane) = net.lane(to).filter(|l| l.road != net.lane(here).map_or(usize::MAX, |l| l.road)) else { continue };
            let end = lane.centre.length() * 0.6;
            let start = if last { from } else { v.track.s };
            if let (true, Ok(route)) = (v.track.lanes.len() == 1 || last, route::plan(net, (here, start), (to, end))) {
                v.track.lanes = route.lanes.iter().copied().collect();
                (v.goal, v.destination) = (Some(end), Some((to, end)));
                break;
            }
        }
    }
    if v.goal.is_none() {
        v.track.wander(net, KNOWN, v.body.size[0] > 7.0, &mut v.rng);
    }
}

/// Which indicator blinks.
fn intention(v: &Vehicle, net: &Network) -> Option<Turn> {
    if v.track.shift.abs() > 0.5 {
        return Some(if v.track.shift < 0.0 { Turn::Left } else { Turn::Right });
    }
    let turn = v.track.lanes_ahead(net).take_while(|(d, _)| *d < 32.0).find(|(_, l)| l.junction.is_some()).map(|(_, l)| l.turn);
    turn.filter(|t| *t != Turn::Straight)
}
