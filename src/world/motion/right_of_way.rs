//! Who may enter a junction: one after the other, each with a grant for its connection that keeps conflicting ones closed.
//!
//! A grant needs: the light or the sign allows it; no one is on a conflicting connection; nobody who goes first arrives before the way
//! is clear again (gap acceptance); and there is room behind the junction. *Invariant*: two vehicles that keep to their grants never
//! meet on connections that touch.

use super::vehicle::{Driver, Vehicle};
use super::visitors::Stranger;
use super::world::World;
use crate::world::model::Signal;
use crate::world::scene::{Conflict, Lane, LaneId, Rule, Turn};

/// The next connection ahead: distance from the middle to its start, the lane before it, itself.
struct Approach<'a> {
    gap: f64,
    lane: &'a Lane,
    connection: &'a Lane,
    start: f64,
}

impl World {
    fn approach<'a>(&'a self, v: &Vehicle) -> Option<Approach<'a>> {
        let net = &self.town.network;
        let mut before: Option<(f64, &Lane)> = None;
        for (start, lane) in v.track.lanes_ahead(net) {
            if start > 70.0 {
                return None;
            }
            if let (Some(_), Some((s0, arriving))) = (lane.junction, before) {
                return Some(Approach { gap: s0 + arriving.stop - v.half()[0], lane: arriving, connection: lane, start });
            }
            before = lane.junction.is_none().then_some((start, lane));
        }
        None
    }
    /// Gives and takes grants, in the order of the vehicles.
    pub(crate) fn grants(&mut self, dt: f64) {
        for i in 0..self.vehicles.len() {
            let Some(v) = self.vehicles.get(i) else { continue };
            let grant = if v.driver == Driver::External { None } else { self.grant_for(v) };
            let stopped = self.stop_made(v);
            if let Some(v) = self.vehicles.get_mut(i) {
                v.granted = if v.grant == grant { v.granted + dt } else { 0.0 };
                (v.grant, v.stopped) = (grant, stopped);
            }
        }
    }
    /// The lane at whose stop sign the vehicle has stood.
    fn stop_made(&self, v: &Vehicle) -> Option<LaneId> {
        let a = self.approach(v)?;
        let here = a.lane.rule == Rule::Stop && a.gap < 2.5 && v.state.speed.abs() < 0.08;
        if here { Some(a.lane.id) } else { v.stopped.filter(|l| *l == a.lane.id) }
    }
    fn grant_for(&self, v: &Vehicle) -> Option<LaneId> {
        let net = &self.town.network;
        if let Some(held) = v.grant {
            let inside = v.track.lanes.front() == Some(&held);
            let leaving = v.track.behind == Some(held) && v.track.s < v.half()[0] + 0.5;
            if inside || leaving {
                return Some(held);
            }
        }
        let a = self.approach(v)?;
        let speed = v.state.speed.max(0.0);
        if a.gap > speed * speed / 4.0 + 10.0 {
            return None;
        }
        let must = a.gap < -0.8 || speed * speed / (2.0 * a.gap.max(0.1)) > 7.0;
        if v.grant == Some(a.connection.id) {
            // Who stands with a grant and cannot use it gives it back.
            let idle = v.waited.min(v.granted) > 3.0 && a.gap > -0.5;
            let kept = self.light_allows(v, a.lane, a.gap) && !idle;
            return (kept || must).then_some(a.connection.id);
        }
        let sign = match a.lane.rule {
            Rule::Stop => v.stopped == Some(a.lane.id) && v.waited > 0.6,
            _ => true,
        };
        if must {
            return Some(a.connection.id);
        }
        let first_in_line =
            !v.track.lanes_ahead(net).take_while(|(s, _)| *s < a.start).any(|(_, l)| l.id != a.lane.id && l.junction.is_some());
        let free =
            sign && first_in_line && self.light_allows(v, a.lane, a.gap) && self.room_behind(v, a.connection) && self.way_is_clear(v, &a);
        free.then_some(a.connection.id)
    }
    /// Whether the lane behind the junction has room for the whole vehicle.
    fn room_behind(&self, v: &Vehicle, connection: &Lane) -> bool {
        let Some(exit) = connection.next.first() else { return true };
        let end = connection.centre.at(connection.centre.length());
        let needed = v.body.size[0] + 2.5;
        let there = self.vehicles_near(end.point(), 30.0).filter(|b| b.id != v.id && b.track.lanes.front() == Some(exit));
        let theirs = there.map(|b| (b.track.s - b.half()[0], b.state.speed));
        let strangers = self.strangers.iter().filter(|b| b.lane == *exit).map(|b| (b.s - b.half, b.speed));
        theirs.chain(strangers).all(|(rear, speed)| rear > needed || speed > 2.0)
    }
    fn way_is_clear(&self, v: &Vehicle, a: &Approach) -> bool {
        let middle = a.connection.centre.at(a.connection.centre.length() / 2.0);
        let (middle, reach) = (middle.point(), 75.0);
        let near = |b: &&Stranger| (b.place[0] - middle[0]).hypot(b.place[1] - middle[1]) < reach;
        a.connection.conflicts.is_empty()
            || self.vehicles_near(middle, reach).filter(|b| b.id != v.id).all(|b| {
                if b.driver == Driver::External {
                    return Stranger::of(b).is_none_or(|b| !self.stranger_blocks(v, &b, a));
                }
                a.connection.conflicts.iter().all(|c| !self.blocks(v, b, a, c))
            }) && self.strangers.iter().filter(near).all(|b| !self.stranger_blocks(v, b, a))
    }
    /// Whether `b` keeps `v` from entering because of one conflict.
    fn blocks(&self, v: &Vehicle, b: &Vehicle, a: &Approach, c: &Conflict) -> bool {
        let net = &self.town.network;
        let Some(other) = net.lane(c.other) else { return false };
        let [half, _] = b.half();
        let on = if b.track.lanes.front() == Some(&c.other) {
            Some(b.track.s)
        } else if b.track.behind == Some(c.other) && b.track.s < half {
            Some(other.centre.length() + b.track.s)
        } else {
            None
        };
        if let Some(s) = on {
            // Who is about to leave the place before anybody else can be there is no hindrance.
            let left = (c.theirs[1] + 0.5 + half - s).max(0.0);
            let before = a.gap + (a.lane.centre.length() - a.lane.stop) + c.mine[0];
            let gone = b.state.speed > 2.5 && left / b.state.speed < time_for(v, before) - 0.6;
            return left > 0.0 && !gone;
        }
        if b.grant == Some(c.other) {
            return true;
        }
        let Some((start, _)) = b.track.lanes_ahead(net).take_while(|(s, _)| *s < 70.0).find(|(_, l)| l.id == c.other) else { return false };
        let Some(from) = other.previous.first().and_then(|l| net.lane(*l)) else { return false };
        if let Rule::Light(light) = from.rule
            && self.must_stop(light, start - half - (from.centre.length() - from.stop), b.state.speed)
        {
            return false;
        }
        if !goes_first(a, from, other, c) {
            return false;
        }
        // Who stands and lets others go is not waited for.
        if b.state.speed < 0.4 && b.waited > 2.0 && (v.waited > b.waited || b.waited > 6.0 || v.waited > 4.0) {
            return false;
        }
        self.arrives(v, a, c, start - half, b.state.speed, half)
    }
    /// Whether a light stops somebody who is `gap` before the line.
    fn must_stop(&self, light: usize, gap: f64, speed: f64) -> bool {
        match self.signals.of(light).0 {
            Signal::Green => false,
            Signal::Yellow => speed * speed / (2.0 * gap.max(0.1)) < 2.8,
            Signal::Red => true,
        }
    }
    /// Whether somebody `front` metres before its connection is in the conflict while `v` is.
    fn arrives(&self, v: &Vehicle, a: &Approach, c: &Conflict, front: f64, speed: f64, half: f64) -> bool {
        let before = a.gap + (a.lane.centre.length() - a.lane.stop);
        let enter = time_for(v, before + c.mine[0]);
        let clear = time_for(v, before + c.mine[1] + v.body.size[0]);
        let arrive = (front + c.theirs[0]) / speed.max(4.0);
        let leave = (front + c.theirs[1] + 2.0 * half) / speed.max(1.5);
        arrive < clear + 1.4 && leave > enter - 1.0
    }
    /// Somebody from outside may do anything: in the junction it has its way, before it the rules count.
    fn stranger_blocks(&self, v: &Vehicle, b: &Stranger, a: &Approach) -> bool {
        let net = &self.town.network;
        let Some(lane) = net.lane(b.lane) else { return false };
        if lane.junction.is_some() && lane.junction == a.connection.junction {
            let (s, left) = a.connection.centre.project(b.place);
            let near = left.abs() < 4.0 && s > 0.0 && s < a.connection.centre.length();
            return b.speed > 0.5 || near;
        }
        let start = lane.centre.length() - b.s;
        a.connection.conflicts.iter().filter(|c| lane.next.contains(&c.other)).any(|c| {
            let Some(other) = net.lane(c.other) else { return false };
            let red = matches!(lane.rule, Rule::Light(l) if self.signals.of(l).0 == Signal::Red) && b.speed < 3.0;
            !red && b.speed > 1.0
                && (goes_first(a, lane, other, c) || start < 12.0)
                && self.arrives(v, a, c, start - b.half, b.speed, b.half)
        })
    }
}

fn rank(rule: Rule) -> u8 {
    match rule {
        Rule::Free | Rule::Light(_) => 2,
        Rule::Yield => 1,
        Rule::Stop => 0,
    }
}

/// Whether who comes over `other` from `from` goes before who approaches by `a`.
fn goes_first(a: &Approach, from: &Lane, other: &Lane, c: &Conflict) -> bool {
    let (mine, theirs) = (rank(a.lane.rule), rank(from.rule));
    if mine.max(1) != theirs.max(1) {
        return theirs > mine;
    }
    if let (Rule::Light(_), Rule::Light(_)) = (a.lane.rule, from.rule) {
        // Both green: they face each other; who turns left waits, then who merges from the left turn.
        return a.connection.turn == Turn::Left && other.turn != Turn::Left;
    }
    c.other_first
}

/// Seconds until the front has come so far, accelerating briskly from its speed.
fn time_for(v: &Vehicle, metres: f64) -> f64 {
    let (speed, a) = (v.state.speed.max(0.0), 0.85 * v.manner.acceleration);
    let most = speed.max(7.0);
    let d = metres.max(0.0);
    let ramp = (most * most - speed * speed) / (2.0 * a);
    if d <= ramp { ((speed * speed + 2.0 * a * d).sqrt() - speed) / a } else { (most - speed) / a + (d - ramp) / most }
}
