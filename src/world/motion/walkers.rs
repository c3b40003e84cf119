//! Pedestrians, and cyclists on side walks: along the walks, over crossings when they may.
//!
//! *In / Out*: walks and lights; positions and strides. *Invariant*: nobody steps onto a crossing against the light, nor in front of
//! a vehicle that can no longer stop.

use super::signals::Signals;
use super::traffic::Thing;
use crate::world::model::{Body, Instance, Lights, Signal};
use crate::world::scene::bodies::{Gallery, Person, car_paint, coat};
use crate::world::scene::{Footprint, Network, Rng, Walk, pose, wrap};
use std::sync::Arc;

/// Height of side walks over the road.
const KERB: f64 = 0.14;

/// Somebody on foot (or on a bicycle on the side walk).
#[derive(Debug, Clone)]
pub(crate) struct Walker {
    pub(crate) id: u32,
    person: Option<Person>,
    bicycle: Option<Arc<Body>>,
    paint: [u8; 3],
    pub(crate) walk: usize,
    /// Whether it goes from the walk's start to its end.
    forward: bool,
    /// Metres gone along the walk.
    pub(crate) gone: f64,
    /// Metres to the right of the middle.
    side: f64,
    pub(crate) x: f64,
    pub(crate) y: f64,
    z: f64,
    heading: f64,
    pub(crate) speed: f64,
    pace: f64,
    /// Distance walked: where in the stride.
    walked: f64,
    /// The crossing it waits at.
    pub(crate) waits: Option<usize>,
    /// The walk it goes on to, and whether from that one's start: kept while it waits.
    next: Option<(usize, bool)>,
    /// Seconds that it stays where it is after an accident.
    down: f64,
    rng: Rng,
}

impl Walker {
    /// Somebody somewhere on the walks.
    pub(crate) fn by_chance(id: u32, gallery: &Gallery, net: &Network, mut rng: Rng) -> Option<Self> {
        let lengths: Vec<f64> = net.walks.iter().map(|w| if w.crossing.is_some() { 0.0 } else { w.centre.length() }).collect();
        let walk = rng.weighted(&lengths)?;
        let length = lengths.get(walk).copied()?;
        let rides = rng.chance(0.1);
        let width = net.walks.get(walk)?.width;
        let mut walker = Self {
            id,
            person: rng.pick(&gallery.people).cloned(),
            bicycle: rides.then(|| gallery.bicycle.clone()),
            paint: if rides { car_paint(&mut rng) } else { coat(&mut rng) },
            walk,
            forward: rng.chance(0.5),
            gone: rng.range(0.05, 0.95) * length,
            side: rng.range(0.05, 0.34) * width,
            x: 0.0,
            y: 0.0,
            z: KERB,
            heading: 0.0,
            speed: 0.0,
            pace: if rides { rng.range(2.6, 3.6) } else { rng.range(1.0, 1.65) },
            walked: rng.range(0.0, 2.0),
            waits: None,
            next: None,
            down: 0.0,
            rng,
        };
        walker.settle(net, 1.0);
        Some(walker)
    }
    /// Somebody on the side walk nearest to a place, at most 15 m away.
    pub(crate) fn near(id: u32, gallery: &Gallery, net: &Network, p: [f64; 2], rng: Rng) -> Option<Self> {
        let mut walker = Self::by_chance(id, gallery, net, rng)?;
        let far = |w: &Walk| {
            let (s, _) = w.centre.project(p);
            let at = w.centre.at(s);
            ((at.x - p[0]).hypot(at.y - p[1]), s)
        };
        let walks = net.walks.iter().enumerate().filter(|(_, w)| w.crossing.is_none()).map(|(i, w)| (i, far(w), w.centre.length()));
        let (walk, (distance, s), length) = walks.min_by(|a, b| a.1.0.total_cmp(&b.1.0))?;
        walker.walk = walk;
        walker.gone = if walker.forward { s } else { length - s };
        walker.settle(net, 1.0);
        (distance <= 15.0).then_some(walker)
    }
    /// Brings position and heading to where the walk says; `share` of the way to the new heading.
    fn settle(&mut self, net: &Network, share: f64) {
        let Some(walk) = net.walks.get(self.walk) else { return };
        let s = if self.forward { self.gone } else { walk.centre.length() - self.gone };
        let at = walk.centre.at(s);
        let side = if self.forward { -self.side } else { self.side };
        let target = at.beside(side);
        let heading = if self.forward { at.heading } else { at.heading + std::f64::consts::PI };
        if share >= 1.0 {
            (self.x, self.y, self.heading) = (target[0], target[1], wrap(heading));
        } else {
            // Walks join at angles: positions catch up softly.
            self.x += (target[0] - self.x) * share;
            self.y += (target[1] - self.y) * share;
            self.heading = wrap(self.heading + wrap(heading - self.heading) * share);
        }
        let road = walk.crossing.is_some() && s > 1.0 && s < walk.centre.length() - 1.0;
        self.z += (if road { 0.0 } else { KERB } - self.z) * share.max(0.3);
    }
    /// How much of the ground it covers, as others see it.
    pub(crate) fn thing(&self) -> Thing {
        let half = if self.bicycle.is_some() { [0.9, 0.3] } else { [0.3, 0.3] };
        let (sin, cos) = self.heading.sin_cos();
        Thing {
            id: self.id,
            footprint: Footprint { centre: [self.x, self.y], heading: self.heading, half },
            velocity: [self.speed * cos, self.speed * sin],
            walker: true,
            visitor: false,
        }
    }
    fn may_cross(&self, crossing: usize, walk: &Walk, net: &Network, signals: &Signals, things: &[Thing]) -> bool {
        let Some(crossing) = net.crossings.get(crossing) else { return false };
        let (length, middle) = (walk.centre.length(), walk.centre.at(walk.centre.length() / 2.0));
        // Nobody comes who could not stop. At lights that is who turns across: those who pass the junction another way do not count.
        let clear = |turning: bool| {
            things.iter().filter(|t| !t.walker).all(|t| {
                let [dx, dy] = [middle.x - t.footprint.centre[0], middle.y - t.footprint.centre[1]];
                let speed = t.velocity[0].hypot(t.velocity[1]);
                let distance = dx.hypot(dy);
                let towards = dx * t.velocity[0] + dy * t.velocity[1] > 0.0;
                let aside = (dx * t.velocity[1] - dy * t.velocity[0]).abs() / speed.max(0.1);
                let reach = length / 2.0 + 3.5;
                speed < 0.4 && distance > t.footprint.half[0] + 1.5
                    || (!towards && distance > reach)
                    || distance > reach + speed * 1.0 + speed * speed / 4.0
                    || turning && aside > reach
            })
        };
        match crossing.light.map(|light| signals.of(light)) {
            Some((colour, left)) => colour == Signal::Red && left > length / self.pace + 1.0 && clear(true),
            None => clear(false),
        }
    }
    /// Stays where it is for a while.
    pub(crate) fn fall(&mut self, seconds: f64) {
        (self.down, self.speed) = (seconds, 0.0);
    }
    /// 1 where it goes with a heading, -1 against it.
    pub(crate) fn way_along(&self, heading: f64) -> f64 {
        if (self.heading - heading).cos() < 0.0 { -1.0 } else { 1.0 }
    }
    /// Moves on by a time.
    pub(crate) fn step(&mut self, net: &Network, signals: &Signals, near: &[Thing], dt: f64) {
        let Some(walk) = net.walks.get(self.walk) else { return };
        self.down -= dt;
        if self.down > 0.0 {
            return;
        }
        self.waits = None;
        let left = walk.centre.length() - self.gone;
        let ahead = near.iter().any(|t| {
            let [dx, dy] = [t.footprint.centre[0] - self.x, t.footprint.centre[1] - self.y];
            let (sin, cos) = self.heading.sin_cos();
            let (along, aside) = (dx * cos + dy * sin, dy * cos - dx * sin);
            let [reach, wide] = if t.walker { [0.9, 0.4] } else { [t.footprint.half[0].min(1.2) + 1.2, t.footprint.half[1] + 0.5] };
            t.id != self.id
                && along > 0.05
                && along < reach
                && aside.abs() < wide
                && !(t.walker && t.id > self.id && t.velocity[0] * cos + t.velocity[1] * sin < 0.0)
        });
        let mut wanted = if ahead { if walk.crossing.is_some() { 0.5 } else { 0.15 } } else { self.pace };
        if left < 0.2 + self.speed * dt {
            self.next = self.next.or_else(|| self.choose(net));
            match self.next {
                Some((next, forward)) => {
                    let crossing = net.walks.get(next).and_then(|w| w.crossing.map(|c| (c, w)));
                    match crossing {
                        Some((c, w)) if !self.may_cross(c, w, net, signals, near) => {
                            self.waits = Some(c);
                            wanted = 0.0;
                            // Now and then somebody thinks better of it.
                            if self.rng.chance(0.001) {
                                (self.forward, self.gone, self.next) = (!self.forward, left.max(0.0), None);
                            }
                        }
                        _ => {
                            (self.walk, self.forward, self.gone, self.next) = (next, forward, 0.0, None);
                        }
                    }
                }
                None => {
                    self.forward = !self.forward;
                    self.gone = 0.0;
                }
            }
        }
        self.speed += (wanted - self.speed) * (1.0 - (-dt / 0.3).exp());
        self.gone += self.speed * dt;
        self.walked += self.speed * dt;
        self.settle(net, 1.0 - (-dt / 0.25).exp());
    }
    /// The next walk by chance: any but the one it comes from.
    fn choose(&mut self, net: &Network) -> Option<(usize, bool)> {
        let walk = net.walks.get(self.walk)?;
        let place = if self.forward { walk.to } else { walk.from };
        let options: Vec<(usize, bool)> = net.places.get(place)?.iter().filter(|(w, _)| *w != self.walk).copied().collect();
        let weights: Vec<f64> =
            options.iter().map(|(w, _)| if net.walks.get(*w).is_some_and(|w| w.crossing.is_some()) { 1.2 } else { 1.0 }).collect();
        self.rng.weighted(&weights).and_then(|i| options.get(i)).copied()
    }
    /// What sensors see.
    pub(crate) fn instance(&self) -> Option<Instance> {
        let (sin, cos) = self.heading.sin_cos();
        let person = self.person.as_ref()?;
        let moving = self.speed > 0.15;
        let phase = (self.walked / (0.42 * self.pace.max(0.8))).rem_euclid(4.0);
        let body = match &self.bicycle {
            Some(b) => b,
            None if moving => person.stride.get(crate::types::num::cell(phase, 4).unwrap_or(0)).unwrap_or(&person.stand),
            None => &person.stand,
        };
        Some(Instance {
            id: self.id,
            body: body.clone(),
            pose: pose([self.x, self.y], self.z, self.heading),
            velocity: [self.speed * cos, self.speed * sin, 0.0],
            yaw_rate: 0.0,
            paint: self.paint,
            lights: Lights::default(),
            signal: None,
            warmth: 1.0,
            attribute: Some(match (&self.bicycle, moving) {
                (Some(_), _) => "cycle.with_rider",
                (None, true) => "pedestrian.moving",
                (None, false) => "pedestrian.standing",
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::scene::{Town, TownSpec};

    /// At lights whose drivers have red, a pedestrian goes, but not in front of somebody who turns across.
    #[test]
    fn nobody_steps_out_before_a_car_that_cannot_stop() {
        let town = Town::new(&TownSpec::named("town-01").unwrap()).unwrap();
        let net = &town.network;
        let lit = |w: &&Walk| w.crossing.is_some_and(|c| net.crossings[c].light.is_some());
        let walk = net.walks.iter().find(lit).unwrap();
        let crossing = walk.crossing.unwrap();
        let mut signals = Signals::default();
        signals.update(net, 0.0);
        signals.force(net.crossings[crossing].light.unwrap(), Some(Signal::Red));
        signals.update(net, 0.0);
        let walker = Walker::by_chance(1, &town.gallery, net, Rng::new(1)).unwrap();
        let (length, middle) = (walk.centre.length(), walk.centre.at(walk.centre.length() / 2.0));
        // Along the road that is crossed, and along the crossing.
        let (along, across) = ([-middle.heading.sin(), middle.heading.cos()], middle.direction());
        let may = |away: f64, way: [f64; 2], speed: f64| {
            let car = Thing {
                id: 2,
                footprint: Footprint {
                    centre: [middle.x - away * along[0], middle.y - away * along[1]],
                    heading: way[1].atan2(way[0]),
                    half: [2.3, 0.9],
                },
                velocity: way.map(|w| w * speed),
                walker: false,
                visitor: true,
            };
            walker.may_cross(crossing, walk, net, &signals, &[car])
        };
        assert!(!may(8.0, along, 7.5), "a car comes");
        assert!(may(8.0, along, 0.0), "it stands");
        assert!(may(60.0, along, 7.5), "it is far");
        assert!(may(length / 2.0 + 6.0, across, 10.0), "it passes the junction another way");
        signals.force(net.crossings[crossing].light.unwrap(), Some(Signal::Green));
        signals.update(net, 0.0);
        assert!(!walker.may_cross(crossing, walk, net, &signals, &[]), "drivers have green");
    }
}
