//! What goes wrong on a route: collisions, red lights, stop signs, lanes left, deviation, standing still, time over.
//!
//! *In*: the ego's state of each step, messages of its collision sensor, the way and, where the town is known, its lanes. *Out*:
//! infractions in the leaderboard's kinds. *Invariant*: one contact with one actor is one infraction, however many steps it lasts.

use super::driver::Ego;
use super::lanes::{Lanes, OVER, TURNED};
use super::way::Dense;
use crate::carla::{Collision, LightColour};
use crate::eval::driving::{Infraction, Kind};
use crate::world::scene::{Network, Rule, wrap};
use std::collections::{HashMap, HashSet};

/// Seconds in which contacts with one actor are one.
const SAME: f64 = 3.0;
/// Metres from the way that end a route.
const FAR: f64 = 30.0;
/// Below this speed (m/s) for so long (s) a route ends.
const STANDS: (f64, f64) = (0.1, 180.0);

/// Keeps the book of one route.
#[derive(Debug, Default)]
pub struct Judge {
    /// What was found.
    pub found: Vec<Infraction>,
    hit: HashMap<String, f64>,
    lines: HashSet<usize>,
    slowest: HashMap<usize, f64>,
    still: f64,
    driven: f64,
    outside: f64,
    before: Option<[f64; 2]>,
    /// What the simulator said of the light that the ego stood under.
    under: Option<LightColour>,
}

/// One step as the judge sees it.
pub struct Step<'a> {
    /// Seconds since the start.
    pub time: f64,
    /// Length of the step.
    pub seconds: f64,
    /// The ego.
    pub ego: &'a Ego,
    /// Metres along the way, and from it.
    pub along: f64,
    /// Metres from the way.
    pub aside: f64,
    /// Colours of lights.
    pub lights: &'a HashMap<usize, LightColour>,
}

/// What is known of the ground that the ego drives on.
#[derive(Debug, Clone, Copy)]
pub enum Ground<'a> {
    /// A town of ours, with all its lanes and lights.
    Known(&'a Network),
    /// A map read from the server's OpenDRIVE.
    Read(&'a Lanes),
    /// Nothing: no lane can be left.
    Unknown,
}

impl Ground<'_> {
    fn inside(self, ego: &Ego) -> bool {
        let f = &ego.footprint;
        match self {
            Self::Known(net) => net.locate(f.centre, Some(f.heading)).is_some_and(|(id, s, left)| {
                net.lane(id).is_some_and(|lane| {
                    let turned = wrap(lane.centre.at(s).heading - f.heading).abs();
                    lane.junction.is_some() || (left.abs() < lane.width / 2.0 + OVER && turned < TURNED)
                })
            }),
            Self::Read(lanes) => lanes.inside(f.centre, f.heading),
            Self::Unknown => true,
        }
    }
}

impl Judge {
    fn note(&mut self, kind: Kind, step: &Step<'_>, message: String) {
        self.found.push(Infraction { kind, time: step.time, place: step.ego.footprint.centre, message });
    }
    /// A message of the collision sensor.
    pub fn collision(&mut self, event: &Collision, step: &Step<'_>) {
        let other = &event.other.description.id;
        let [x, y] = step.ego.footprint.centre;
        // Fixed things have no number: nearby contacts with the same kind are one.
        let who = if event.other.id == 0 { format!("{other} {:.0} {:.0}", x / 8.0, y / 8.0) } else { event.other.id.to_string() };
        let last = self.hit.insert(who, step.time);
        if last.is_some_and(|t| step.time - t < SAME) {
            return;
        }
        let kind = if other.starts_with("walker.") {
            Kind::CollisionPedestrian
        } else if other.starts_with("vehicle.") {
            Kind::CollisionVehicle
        } else {
            Kind::CollisionLayout
        };
        let message = format!("Agent collided against object with type={other} and id={} at (x={x:.2}, y={:.2})", event.other.id, -y);
        self.note(kind, step, message);
    }
    /// A step on `ground`; why the route ends early, if it does.
    pub fn step(&mut self, step: &Step<'_>, way: &Dense, ground: Ground<'_>) -> Option<&'static str> {
        let [x, y] = step.ego.footprint.centre;
        let gone = self.before.map_or(0.0, |[a, b]| (x - a).hypot(y - b));
        self.before = Some([x, y]);
        self.driven += gone;
        if !ground.inside(step.ego) {
            self.outside += gone;
        }
        self.stops(step, way);
        if !matches!(ground, Ground::Known(_)) {
            self.told_light(step);
        }
        self.still = if step.ego.speed.abs() < STANDS.0 { self.still + step.seconds } else { 0.0 };
        let at = format!("at (x={x:.2}, y={:.2})", -y);
        if step.aside > FAR {
            self.note(Kind::Deviation, step, format!("Agent deviated from the route {at}"));
            return Some("Agent deviated from the route");
        }
        if self.still > STANDS.1 {
            self.note(Kind::Blocked, step, format!("Agent got blocked {at}"));
            return Some("Agent got blocked");
        }
        if step.time > 0.8 * way.length() + 5.0 + PATIENCE {
            self.note(Kind::Timeout, step, "Route timeout.".to_owned());
            return Some("Agent timed out");
        }
        None
    }
    /// On a map that is not known here the simulator itself says under which light the ego is: leaving one that is red, driving, is running it.
    fn told_light(&mut self, step: &Step<'_>) {
        let before = std::mem::replace(&mut self.under, step.ego.light);
        if before == Some(LightColour::Red) && step.ego.light.is_none() && step.ego.speed > 0.5 {
            let [x, y] = step.ego.footprint.centre;
            self.note(Kind::RedLight, step, format!("Agent ran a red light at (x={x:.2}, y={:.2})", -y));
        }
    }
    fn stops(&mut self, step: &Step<'_>, way: &Dense) {
        let front = step.along + step.ego.footprint.half[0];
        for (n, (line, rule)) in way.stops.iter().enumerate() {
            if (line - 8.0..line + 1.0).contains(&front) {
                let slowest = self.slowest.entry(n).or_insert(f64::INFINITY);
                *slowest = slowest.min(step.ego.speed.abs());
            }
            // A line is crossed once, by the front; who had crossed it at the start is free.
            if front < *line || self.lines.contains(&n) {
                continue;
            }
            self.lines.insert(n);
            if front > line + 4.0 {
                continue;
            }
            let [x, y] = step.ego.footprint.centre;
            let at = format!("at (x={x:.2}, y={:.2})", -y);
            match rule {
                Rule::Light(light) if step.lights.get(light) == Some(&LightColour::Red) => {
                    self.note(Kind::RedLight, step, format!("Agent ran a red light {light} {at}"));
                }
                Rule::Stop if self.slowest.get(&n).is_some_and(|v| *v > 0.3) => {
                    self.note(Kind::StopSign, step, format!("Agent ran a stop sign {at}"));
                }
                _ => {}
            }
        }
    }
    /// Closes the book: the share of the way driven outside its lanes is one infraction.
    pub fn close(mut self, time: f64) -> Vec<Infraction> {
        let percent = 100.0 * self.outside / self.driven.max(1.0);
        if percent > 0.5 {
            let message =
                format!("Agent went outside its route lanes for about {:.2} meters ({percent:.2}% of the completed route)", self.outside);
            self.found.push(Infraction { kind: Kind::OutsideLanes(percent), time, place: self.before.unwrap_or_default(), message });
        }
        self.found
    }
}

/// Seconds that every route gets beyond the leaderboard's 0.8 s a metre and 5 s: two red lights of a town.
const PATIENCE: f64 = 60.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::scene::Footprint;

    #[test]
    fn on_an_unknown_map_the_simulator_says_which_light_was_red() {
        let lights = HashMap::new();
        let way = Dense::default();
        let drive = |seen: &[(Option<LightColour>, f64)]| {
            let mut judge = Judge::default();
            for (n, (light, speed)) in seen.iter().enumerate() {
                let footprint = Footprint { centre: [n as f64, 0.0], heading: 0.0, half: [2.0, 1.0] };
                let ego = Ego { footprint, speed: *speed, most_steer: 1.0, wheelbase: 2.7, limit: 13.9, light: *light };
                let step = Step { time: n as f64, seconds: 0.05, ego: &ego, along: 0.0, aside: 0.0, lights: &lights };
                judge.step(&step, &way, Ground::Unknown);
            }
            judge.close(9.0).iter().filter(|i| i.kind == Kind::RedLight).count()
        };
        let (red, green) = (Some(LightColour::Red), Some(LightColour::Green));
        assert_eq!(drive(&[(None, 8.0), (red, 8.0), (red, 8.0), (None, 8.0), (None, 8.0)]), 1);
        assert_eq!(drive(&[(None, 8.0), (red, 0.0), (red, 0.0), (green, 1.0), (None, 5.0)]), 0);
        assert_eq!(drive(&[(red, 0.0), (None, 0.0)]), 0, "a light that goes away while one stands");
    }
}
