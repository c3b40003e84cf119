//! What goes wrong on a route: collisions, red lights, stop signs, lanes left, a pace below the traffic's, deviation, standing still, time over.
//!
//! *In*: the ego's state of each step, messages of its collision sensor, the way and, where the town is known, its lanes. *Out*:
//! infractions in the leaderboard's kinds. *Invariant*: one contact with one actor is one infraction, however many steps it lasts.

use super::driver::Ego;
use super::lanes::{Lanes, OVER, TURNED};
use super::pace::Pace;
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
/// Seconds that a route has: for each metre, and to begin with.
const TIME: (f64, f64) = (0.8, 5.0);

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
    pace: Pace,
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
    /// Mean speed of all other vehicles, m/s; none where there are none.
    pub traffic: Option<f64>,
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
    fn slower(&mut self, percent: f64, time: f64) {
        let message = format!("Average speed is {percent}% of the surrounding traffic's one");
        self.found.push(Infraction { kind: Kind::MinSpeed(percent), time, place: self.before.unwrap_or_default(), message });
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
        if let Some(percent) = self.pace.step(step, way.length()) {
            self.slower(percent, step.time);
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
        if step.time > TIME.0 * way.length() + TIME.1 {
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
    /// Closes the book: the last quarter's pace, and the share of the way driven outside its lanes, which is one infraction.
    pub fn close(mut self, time: f64) -> Vec<Infraction> {
        if let Some(percent) = self.pace.last() {
            self.slower(percent, time);
        }
        let percent = 100.0 * self.outside / self.driven.max(1.0);
        if percent > 0.5 {
            let message =
                format!("Agent went outside its route lanes for about {:.2} meters ({percent:.2}% of the completed route)", self.outside);
            self.found.push(Infraction { kind: Kind::OutsideLanes(percent), time, place: self.before.unwrap_or_default(), message });
        }
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::scene::Footprint;

    fn ego(place: [f64; 2], speed: f64) -> Ego {
        let footprint = Footprint { centre: place, heading: 0.0, half: [2.0, 1.0] };
        Ego { footprint, speed, most_steer: 1.0, wheelbase: 2.7, limit: 13.9, light: None }
    }

    fn straight(stops: Vec<(f64, Rule)>) -> Dense {
        let at = |n: u32| super::super::way::Point {
            at: crate::world::scene::Station { x: f64::from(n), ..Default::default() },
            s: f64::from(n),
            limit: 13.9,
            command: 4,
        };
        Dense { points: (0..=200).map(at).collect(), stops }
    }

    /// Drives along a straight way at these speeds, a second each; what was found, and why it ended.
    fn driven(way: &Dense, lights: &HashMap<usize, LightColour>, speeds: &[f64], aside: f64) -> (Vec<Infraction>, Option<&'static str>) {
        let mut judge = Judge::default();
        let (mut along, mut ended) = (0.0, None);
        for (n, speed) in speeds.iter().enumerate() {
            along += speed;
            let ego = ego([along, aside], *speed);
            let step = Step { time: n as f64, seconds: 1.0, ego: &ego, along, aside: aside.abs(), lights, traffic: None };
            ended = judge.step(&step, way, Ground::Unknown);
            if ended.is_some() {
                break;
            }
        }
        (judge.close(speeds.len() as f64), ended)
    }

    fn kinds(found: &[Infraction]) -> Vec<Kind> {
        found.iter().map(|i| i.kind).collect()
    }

    #[test]
    fn a_line_is_run_by_the_front_at_red_once() {
        let way = straight(vec![(50.0, Rule::Light(3)), (90.0, Rule::Light(4))]);
        let lights = |a, b| HashMap::from([(3, a), (4, b)]);
        let through = vec![5.0; 30];
        let (red, yellow, green) = (LightColour::Red, LightColour::Yellow, LightColour::Green);
        let run = |a, b| kinds(&driven(&way, &lights(a, b), &through, 0.0).0);
        assert_eq!(run(red, green), [Kind::RedLight]);
        assert_eq!(run(red, red), [Kind::RedLight; 2]);
        assert!(run(yellow, green).is_empty());
        // The front stands at 48 + 2 = 50: on the line is over it; a metre before it is not.
        let until = |metres: f64| kinds(&driven(&way, &lights(red, red), &[metres, 0.0, 0.0], 0.0).0);
        assert_eq!(until(48.0), [Kind::RedLight]);
        assert!(until(47.0).is_empty());
    }

    #[test]
    fn a_stop_sign_wants_a_standstill_before_its_line() {
        let way = straight(vec![(50.0, Rule::Stop)]);
        let none = HashMap::new();
        let rolls = vec![5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 5.0];
        assert_eq!(kinds(&driven(&way, &none, &rolls, 0.0).0), [Kind::StopSign]);
        let mut stands = rolls.clone();
        stands.insert(9, 0.0);
        assert!(driven(&way, &none, &stands, 0.0).0.is_empty());
        // Standing 15 m before it is no stop at it.
        let mut early = rolls;
        early.insert(6, 0.0);
        assert_eq!(kinds(&driven(&way, &none, &early, 0.0).0), [Kind::StopSign]);
    }

    #[test]
    fn a_route_ends_far_from_the_way_or_standing_or_when_its_time_is_over() {
        let (way, none) = (straight(Vec::new()), HashMap::new());
        let (found, ended) = driven(&way, &none, &[5.0; 10], 31.0);
        assert_eq!((kinds(&found), ended), (vec![Kind::Deviation], Some("Agent deviated from the route")));
        assert!(driven(&way, &none, &[5.0; 10], 29.0).1.is_none());
        // A longer way, so that standing is seen before the time is over.
        let mut long = straight(Vec::new());
        long.points.last_mut().unwrap().s = 400.0;
        let (found, ended) = driven(&long, &none, &[0.05; 400], 0.0);
        assert_eq!((kinds(&found), ended), (vec![Kind::Blocked], Some("Agent got blocked")));
        // 200 m: 0.8 s each, and 5.
        let (found, ended) = driven(&way, &none, &[0.2; 300], 0.0);
        assert_eq!((kinds(&found), ended), (vec![Kind::Timeout], Some("Agent timed out")));
        assert!((found[0].time - 166.0).abs() < 1e-9, "{}", found[0].time);
    }

    #[test]
    fn one_contact_is_one_infraction_of_its_kind() {
        let none = HashMap::new();
        let mut judge = Judge::default();
        let mut hit = |time: f64, id: u32, what: &str| {
            let ego = ego([0.0; 2], 1.0);
            let step = Step { time, seconds: 0.05, ego: &ego, along: 0.0, aside: 0.0, lights: &none, traffic: None };
            let mut event = Collision::default();
            event.other.id = id;
            event.other.description.id = what.to_owned();
            judge.collision(&event, &step);
        };
        (0..20).for_each(|n| hit(f64::from(n) * 0.05, 7, "vehicle.audi.a2"));
        hit(1.0, 8, "vehicle.audi.a2");
        hit(1.0, 9, "walker.pedestrian.0001");
        hit(1.0, 0, "static.building");
        hit(1.5, 0, "static.building");
        hit(9.0, 7, "vehicle.audi.a2");
        let wanted =
            [Kind::CollisionVehicle, Kind::CollisionVehicle, Kind::CollisionPedestrian, Kind::CollisionLayout, Kind::CollisionVehicle];
        assert_eq!(kinds(&judge.found), wanted);
    }

    #[test]
    fn the_share_outside_the_lanes_is_of_what_was_driven() {
        let town = crate::world::scene::Town::new(&crate::world::scene::TownSpec::named("town-01").unwrap()).unwrap();
        let net = &town.network;
        let lane =
            net.lanes.iter().filter(|l| l.junction.is_none()).max_by(|a, b| a.centre.length().total_cmp(&b.centre.length())).unwrap();
        let none = HashMap::new();
        let drive = |turned: f64| {
            let mut judge = Judge::default();
            for n in 0..40 {
                // A quarter of the way is driven 30 m aside, on no lane.
                let at = lane.centre.at(5.0 + f64::from(n));
                let place = if n >= 30 { at.beside(-30.0) } else { at.point() };
                let footprint = Footprint { centre: place, heading: at.heading + turned, half: [2.0, 1.0] };
                let ego = Ego { footprint, ..ego(place, 5.0) };
                // The jump aside and back is no driving.
                judge.before = Some([place[0] - at.direction()[0], place[1] - at.direction()[1]]);
                let step = Step { time: f64::from(n), seconds: 1.0, ego: &ego, along: 0.0, aside: 0.0, lights: &none, traffic: None };
                judge.step(&step, &straight(Vec::new()), Ground::Known(net));
            }
            kinds(&judge.close(40.0))
        };
        let [Kind::OutsideLanes(percent)] = drive(0.0)[..] else { panic!("one infraction") };
        assert!((percent - 25.0).abs() < 0.5, "{percent}");
        let [Kind::OutsideLanes(percent)] = drive(std::f64::consts::PI)[..] else { panic!("one infraction") };
        assert!(percent > 99.0, "against its traffic no lane is one's own: {percent}");
    }

    #[test]
    fn on_an_unknown_map_the_simulator_says_which_light_was_red() {
        let lights = HashMap::new();
        let way = Dense::default();
        let drive = |seen: &[(Option<LightColour>, f64)]| {
            let mut judge = Judge::default();
            for (n, (light, speed)) in seen.iter().enumerate() {
                let ego = Ego { light: *light, ..ego([n as f64, 0.0], *speed) };
                let step = Step { time: n as f64, seconds: 0.05, ego: &ego, along: 0.0, aside: 0.0, lights: &lights, traffic: None };
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
