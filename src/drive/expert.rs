//! An expert that drives by the truth.
//!
//! *In*: an instant. *Out*: a control. *Units and frames*: the world's (x east, y north, metres, radians). *Invariant*: it knows what the protocol
//! tells of other actors and lights, never what the world's own drivers intend.

use super::driver::{Body, Course, Driver, Instant};
use super::way::Point;
use crate::carla::{LightColour, VehicleControl};
use crate::types::{Result, num};
use crate::world::scene::{Footprint, Rule, wrap};
use std::collections::HashMap;

/// Follows the way by pure pursuit (Coulter 1992), keeps distance by the intelligent driver model (Treiber, Hennecke and Helbing
/// 2000), stops at red and yellow, stops and looks at signs, and does not enter where somebody will be.
#[derive(Debug, Clone, Default)]
pub struct Expert {
    /// Seconds stood at a stop line, by its distance along the way.
    stood: HashMap<i64, f64>,
    /// Seconds that a light has been seen green, by its stop line.
    green: HashMap<i64, f64>,
    last: f64,
    waited: f64,
    /// Seconds that it still backs up.
    backing: f64,
}

const COMFORT: f64 = 2.5;
const HEADWAY: f64 = 1.3;
const STANDING: f64 = 3.5;
const CRUISE: f64 = 0.9;
/// How others set off (m/s^2), and the pace up to which they do (m/s).
const STARTS: f64 = 1.4;
const BRISK: f64 = 8.0;
/// Who has set off at the same moment as somebody else still stops so far behind the line, metres: less is taken back, more is in the way.
const FIRM: f64 = -2.0;
/// Seconds of standing nose to nose after which it makes room, and for how long; at this pace (m/s).
const STUCK: f64 = 20.0;
const BACKING: f64 = 5.0;
const BACKWARDS: f64 = 1.5;

impl Driver for Expert {
    fn name(&self) -> &str {
        "expert"
    }
    fn begin(&mut self, _course: &Course) -> Result<()> {
        *self = Self::default();
        Ok(())
    }
    fn step(&mut self, now: &Instant) -> Result<VehicleControl> {
        let seconds = (now.time - self.last).clamp(0.0, 0.5);
        self.last = now.time;
        if self.backs_up(now, seconds) {
            let throttle = if now.ego.speed > -BACKWARDS { 0.3 } else { 0.0 };
            return Ok(VehicleControl { throttle, reverse: true, ..VehicleControl::default() });
        }
        let steer = pursue(now);
        let mut wish = follow(now.ego.speed, desired(now), None);
        if let Some((gap, speed, _)) = leader(now) {
            wish = wish.min(follow(now.ego.speed, desired(now), Some((gap, speed))));
        }
        for gap in self.stops(now, seconds) {
            wish = wish.min(stop_at(now.ego.speed, gap));
        }
        if end_gap(now) < 0.0 {
            wish = wish.min(-COMFORT);
        }
        self.waited = if now.ego.speed < 0.3 { self.waited + seconds } else { 0.0 };
        Ok(pedals(wish, now.ego.speed, steer))
    }
}

/// Metres from the ego's front to the end of the way, and a little beyond: a route ends where its last point is passed.
fn end_gap(now: &Instant) -> f64 {
    now.way.length() + 6.0 - along(now)
}

fn along(now: &Instant) -> f64 {
    now.way.points.get(now.at).map_or(0.0, |p| p.s)
}

/// Wheel, -1 to 1, positive to the right.
fn pursue(now: &Instant) -> f64 {
    let e = &now.ego.footprint;
    let reach = (2.8 + 0.55 * now.ego.speed).clamp(3.5, 14.0);
    let goal = along(now) + reach;
    let target = now.way.points.iter().skip(now.at).find(|p| p.s >= goal).map(|p| p.at);
    let target = target.unwrap_or_else(|| {
        // Beyond the end: straight on.
        let mut last = now.way.points.last().map(|p| p.at).unwrap_or_default();
        let more = goal - now.way.length();
        let [dx, dy] = last.direction();
        last.x += dx * more;
        last.y += dy * more;
        last
    });
    // From the rear axle.
    let (sin, cos) = e.heading.sin_cos();
    let rear = [e.centre[0] - cos * now.ego.wheelbase / 2.0, e.centre[1] - sin * now.ego.wheelbase / 2.0];
    let (dx, dy) = (target.x - rear[0], target.y - rear[1]);
    let left = cos * dy - sin * dx;
    let far = dx.hypot(dy).max(1.0);
    let angle = (2.0 * now.ego.wheelbase * left / (far * far)).atan();
    (-angle / now.ego.most_steer).clamp(-1.0, 1.0)
}

/// Speed that limit and bends allow, m/s.
fn desired(now: &Instant) -> f64 {
    let here = along(now);
    let mut allowed = now.way.points.get(now.at).map_or(8.0, |p| p.limit).min(now.ego.limit.max(3.0)) * CRUISE;
    for p in now.way.points.iter().skip(now.at).take_while(|p| p.s < here + 40.0) {
        let bend = (2.2 / p.at.curvature.abs().max(1e-3)).sqrt().max(2.5);
        // What can still be braked to until there.
        allowed = allowed.min((bend * bend + 2.0 * 1.8 * (p.s - here).max(0.0)).sqrt());
    }
    allowed
}

fn follow(speed: f64, desired: f64, ahead: Option<(f64, f64)>) -> f64 {
    let speed = speed.max(0.0);
    let most = 2.0;
    let free = if speed <= desired { most * (1.0 - (speed / desired.max(0.1)).powi(4)) } else { -COMFORT * (speed - desired).min(1.5) };
    let Some((gap, other)) = ahead else { return free };
    let closing = speed - other;
    let wanted = STANDING + (speed * HEADWAY + speed * closing / (2.0 * (most * COMFORT).sqrt())).max(0.0);
    free - most * (wanted / gap.max(0.1)).powi(2)
}

/// Acceleration that stops the front at a line so far ahead.
fn stop_at(speed: f64, gap: f64) -> f64 {
    if gap <= 0.4 { -4.0 } else { follow(speed, 20.0, Some((gap + STANDING - 1.2, 0.0))).min(1.0) }
}

fn pedals(wish: f64, speed: f64, steer: f64) -> VehicleControl {
    let mut control = VehicleControl { steer: num::f32(steer), ..VehicleControl::default() };
    let drag = 0.12 + 0.0004 * speed * speed;
    if wish > -drag {
        control.throttle = num::f32(((wish + drag) / 4.5).clamp(0.0, 0.85));
    } else {
        control.brake = num::f32(((-wish - drag) / 8.5).clamp(0.0, 1.0));
    }
    if wish <= 0.0 && speed < 0.2 {
        (control.throttle, control.brake) = (0.0, 0.6);
    }
    control
}

/// The next one on the way, now or soon: gap from bumper to bumper, its speed along the way, whether it walks.
pub(super) fn leader(now: &Instant) -> Option<(f64, f64, bool)> {
    let here = along(now);
    let front = now.ego.footprint.half[0];
    let reach = 14.0 + now.ego.speed * 3.5;
    let mut found: Option<(f64, f64, bool)> = None;
    for other in now.others.iter().filter(|o| near(&now.ego.footprint, &o.footprint, reach + 10.0)) {
        let stands = other.velocity[0].hypot(other.velocity[1]) < 0.3;
        // Who waits at the kerb is passed; who walks gets room.
        let margin = if other.walker && !stands { 1.0 } else { 0.35 };
        for p in now.way.points.iter().skip(now.at).take_while(|p| p.s < here + reach) {
            let ahead = p.s - here;
            // When the ego would be there, at its present pace.
            let when = (ahead / now.ego.speed.max(2.0)).min(3.5);
            let mine = Footprint { centre: p.at.point(), heading: p.at.heading, half: [0.6, now.ego.footprint.half[1] + margin] };
            let there = |t: f64| {
                let turn = other.footprint.heading + other.yaw_rate * t;
                let [vx, vy] = other.velocity;
                let (sin, cos) = (other.yaw_rate * t / 2.0).sin_cos();
                let (vx, vy) = (vx * cos - vy * sin, vx * sin + vy * cos);
                Footprint {
                    centre: [other.footprint.centre[0] + vx * t, other.footprint.centre[1] + vy * t],
                    heading: turn,
                    ..other.footprint
                }
            };
            let same = wrap(p.at.heading - other.footprint.heading).abs() < 0.8 && !other.walker;
            let times: &[f64] = if same || stands { &[0.0] } else { &[0.0, when * 0.5, when, when + 0.8] };
            if times.iter().any(|t| mine.overlap(&there(*t)).is_some()) {
                let (sin, cos) = p.at.heading.sin_cos();
                let speed = (other.velocity[0] * cos + other.velocity[1] * sin).max(0.0);
                let speed = if same { speed } else { 0.0 };
                let gap = (ahead - front - 0.8).max(0.05);
                if found.is_none_or(|(least, ..)| gap < least) {
                    found = Some((gap, speed, other.walker));
                }
                break;
            }
        }
    }
    found
}

/// Where the next junction of the way, that the ego's middle is not in yet, begins and ends.
fn junction(now: &Instant) -> Option<[f64; 2]> {
    let inside = |p: &&Point| (1..=3).contains(&p.command);
    let ahead = now.way.points.iter().skip(now.at).skip_while(inside).skip_while(|p| !inside(p));
    let mut span = ahead.take_while(inside).map(|p| p.s);
    let enter = span.next()?;
    Some([enter, span.last().unwrap_or(enter)])
}

/// Whether the ego fits behind a junction that it enters: who stops in it holds up everybody, and is held up by them.
fn room(now: &Instant, enter: f64, leave: f64) -> bool {
    let needed = leave + 2.0 * now.ego.footprint.half[0] + 2.5;
    let through = now.way.points.iter().filter(|p| (enter..needed).contains(&p.s));
    let stands = |o: &&Body| !o.walker && o.velocity[0].hypot(o.velocity[1]) < 1.5 && near(&now.ego.footprint, &o.footprint, 80.0);
    let standing: Vec<&Body> = now.others.iter().filter(stands).collect();
    through
        .map(|p| Footprint { centre: p.at.point(), heading: p.at.heading, half: [0.6, now.ego.footprint.half[1]] })
        .all(|mine| standing.iter().all(|o| mine.overlap(&o.footprint).is_none()))
}

/// Whether the way turns left behind a line.
fn turns_left(now: &Instant, line: f64) -> bool {
    now.way.points.iter().find(|p| p.s > line && (1..=3).contains(&p.command)).is_some_and(|p| p.command == 1)
}

/// Whether somebody drives on the ego's own way, before it or behind it.
fn on_the_way(now: &Instant, o: &Body) -> bool {
    let (e, f) = (&now.ego.footprint, &o.footprint);
    let (sin, cos) = e.heading.sin_cos();
    let (dx, dy) = (f.centre[0] - e.centre[0], f.centre[1] - e.centre[1]);
    let behind = cos * dx + sin * dy < 0.0 && (cos * dy - sin * dx).abs() < 2.0 && wrap(f.heading - e.heading).abs() < 0.6;
    let on = |p: &Point| (p.at.x - f.centre[0]).hypot(p.at.y - f.centre[1]) < 1.8 && wrap(p.at.heading - f.heading).abs() < 0.6;
    behind || now.way.points.iter().skip(now.at).take(80).any(on)
}

fn near(a: &Footprint, b: &Footprint, reach: f64) -> bool {
    (a.centre[0] - b.centre[0]).hypot(a.centre[1] - b.centre[1]) < reach
}

/// Whether somebody's footprint is in the ground of the ego's width from its front (or, below 0, its rear) so many metres on.
fn occupied<'a>(now: &Instant, metres: f64, mut others: impl Iterator<Item = &'a Body>) -> bool {
    let e = &now.ego.footprint;
    let (sin, cos) = e.heading.sin_cos();
    let middle = metres.signum() * e.half[0] + metres / 2.0;
    let centre = [e.centre[0] + cos * middle, e.centre[1] + sin * middle];
    let ground = Footprint { centre, heading: e.heading, half: [metres.abs() / 2.0, e.half[1]] };
    others.any(|o| ground.overlap(&o.footprint).is_some())
}

impl Expert {
    /// Whether to make room: two who stand nose to nose wait for each other for ever, unless one of them backs up.
    fn backs_up(&mut self, now: &Instant, seconds: f64) -> bool {
        let faces = |o: &&Body| {
            let stands = o.velocity[0].hypot(o.velocity[1]) < 0.3;
            !o.walker && stands && wrap(o.footprint.heading - now.ego.footprint.heading).abs() > 1.9
        };
        if self.backing > 0.0 {
            self.backing -= seconds;
        } else if self.waited > STUCK && occupied(now, 4.0, now.others.iter().filter(faces)) {
            (self.waited, self.backing) = (0.0, BACKING);
        }
        self.backing > 0.0 && !occupied(now, -3.0, now.others.iter())
    }
    /// Gaps to the lines where to stop.
    fn stops(&mut self, now: &Instant, seconds: f64) -> Vec<f64> {
        let here = along(now);
        let front = now.ego.footprint.half[0];
        let mut gaps = Vec::new();
        for (line, rule) in &now.way.stops {
            let gap = line - here - front;
            if !(FIRM..60.0).contains(&gap) {
                continue;
            }
            let must = match rule {
                Rule::Light(light) => match now.lights.get(light).copied().or(now.ego.light.filter(|_| gap < 18.0)) {
                    Some(LightColour::Red) => {
                        self.green.remove(&num::round_i64(*line));
                        gap > -0.8
                    }
                    Some(LightColour::Yellow) => gap > 0.0 && now.ego.speed.powi(2) / (2.0 * gap.max(0.1)) < 4.0,
                    // Green is for those who come towards a left turn, too.
                    _ => {
                        let green = self.green.entry(num::round_i64(*line)).or_default();
                        *green += seconds;
                        let starts = *green < 3.0;
                        turns_left(now, *line) && !self.clear(now, *line, starts)
                    }
                },
                Rule::Stop => {
                    let stood = self.stood.entry(num::round_i64(*line)).or_default();
                    if gap < 3.0 && now.ego.speed < 0.1 {
                        *stood += seconds;
                    }
                    *stood < 1.0 && gap > -1.5 || !self.clear(now, *line, false)
                }
                Rule::Yield | Rule::Free => !self.clear(now, *line, false),
            };
            if must {
                gaps.push(gap - 0.6);
            }
        }
        if let Some([enter, leave]) = junction(now) {
            let line = now.way.stops.iter().map(|(line, _)| *line).filter(|l| (0.0..25.0).contains(&(enter - l))).fold(enter, f64::min);
            let gap = line - here - front;
            if (-0.5..40.0).contains(&gap) && !room(now, enter, leave) {
                gaps.push(gap - 0.6);
            }
        }
        if now.way.stops.is_empty() && matches!(now.ego.light, Some(LightColour::Red | LightColour::Yellow)) {
            gaps.push(6.0);
        }
        gaps
    }
    /// Whether nobody will be on the ego's way through the junction behind a line while it drives there.
    fn clear(&self, now: &Instant, line: f64, starts: bool) -> bool {
        // Who has waited long takes a smaller gap.
        let patience = if self.waited > 12.0 { 0.5 } else { 1.0 };
        let through = now.way.points.iter().filter(|p| p.s > line && p.s < line + 26.0);
        let begin = ((line - along(now)) / now.ego.speed.max(3.0)).max(0.0);
        // When a light has just turned green, who stands opposite sets off, too.
        let opposite = |o: &Body| starts && wrap(o.footprint.heading - now.ego.footprint.heading).abs() > 2.4;
        let moves = |o: &&Body| (o.velocity[0].hypot(o.velocity[1]) > 0.5 || !o.walker && opposite(o)) && !on_the_way(now, o);
        let others: Vec<&Body> = now.others.iter().filter(moves).collect();
        for p in through {
            let when = begin + (p.s - line) / 5.0;
            for o in &others {
                let ahead = wrap((p.at.y - o.footprint.centre[1]).atan2(p.at.x - o.footprint.centre[0]) - o.footprint.heading).abs();
                if ahead > 1.8 {
                    continue;
                }
                let mine = Footprint { centre: p.at.point(), heading: p.at.heading, half: [1.5, 1.6] };
                let hit = [-1.0, -0.5, 0.0, 0.5, 1.0, 1.5].iter().any(|d| {
                    let t = (when + d * patience).max(0.0);
                    // Who is slow may be setting off: at its pace, or faster and faster.
                    let speed = o.velocity[0].hypot(o.velocity[1]);
                    let gained = if speed < BRISK && !o.walker { (0.5 * STARTS * t * t).min((BRISK - speed) * t) } else { 0.0 };
                    let (sin, cos) = o.footprint.heading.sin_cos();
                    [0.0, gained].iter().any(|more| {
                        let [x, y] = o.footprint.centre;
                        let centre = [x + o.velocity[0] * t + cos * more, y + o.velocity[1] * t + sin * more];
                        mine.overlap(&Footprint { centre, ..o.footprint }).is_some()
                    })
                });
                if hit {
                    return false;
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carla::Version;
    use crate::drive::driver::Ego;
    use crate::drive::way::Dense;
    use crate::world::scene::Station;
    use std::sync::Arc;

    #[test]
    fn who_stands_nose_to_nose_makes_room_where_there_is_some() {
        let body = |x: f64, heading: f64| Body {
            id: 1,
            footprint: Footprint { centre: [x, 0.0], heading, half: [2.2, 1.0] },
            velocity: [0.0; 2],
            yaw_rate: 0.0,
            height: 1.5,
            walker: false,
        };
        let point = |n: u32| Point { at: Station { x: f64::from(n), ..Station::default() }, s: f64::from(n), limit: 8.0, command: 4 };
        let way = Arc::new(Dense { points: (0..100).map(point).collect(), stops: Vec::new() });
        // Whether it reverses at any time in 30 s of standing still at x = 20.
        let reverses = |others: Vec<Body>| {
            let mut expert = Expert::default();
            (0..600).any(|n| {
                let ego =
                    Ego { footprint: body(20.0, 0.0).footprint, speed: 0.0, most_steer: 1.0, wheelbase: 2.7, limit: 8.0, light: None };
                let now = Instant {
                    time: f64::from(n) * 0.05,
                    frame: 0,
                    ego,
                    way: Arc::clone(&way),
                    at: 20,
                    others: others.clone(),
                    lights: HashMap::new(),
                    sensors: HashMap::new(),
                    version: Version::V0_9_16,
                };
                expert.step(&now).unwrap().reverse
            })
        };
        let (facing, leading, behind) = (body(26.0, std::f64::consts::PI), body(26.0, 0.0), body(14.0, 0.0));
        assert!(reverses(vec![facing]));
        assert!(!reverses(vec![leading]), "a queue is no knot");
        assert!(!reverses(vec![facing, behind]), "nobody is pushed");
        assert!(!reverses(vec![body(32.0, std::f64::consts::PI)]), "there is room enough between them");
    }
}
