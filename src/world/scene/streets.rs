//! Streets from the layout: mouths of junctions far enough apart for round kerbs, reference lines of arcs, lanes.
//!
//! *In / Out*: the layout and chance; roads with their lanes, junctions with arms and kerb corners. *Invariant*: roads end at the
//! mouths, at a right angle to them, so that every kerb joins its corner without a kink.

use super::curve::{Curve, Station, wrap};
use super::network::{Arm, Junction, Lane, Network, Road, Rule, Turn};
use super::plan::{Link, Plan};
use super::rng::Rng;
use std::f64::consts::PI;

/// Radius of kerbs at corners.
const KERB_RADIUS: f64 = 7.5;
/// Town speed limit and that of side streets, m/s.
pub(crate) const LIMITS: [f64; 2] = [50.0 / 3.6, 30.0 / 3.6];

struct Profile {
    lanes: usize,
    lane_width: f64,
    parking: f64,
    walk: f64,
}

impl Profile {
    fn half(&self) -> f64 {
        self.lanes as f64 * self.lane_width + self.parking
    }
}

fn profile(link: &Link, rng: &mut Rng) -> Profile {
    if link.major {
        return Profile { lanes: 2, lane_width: 3.3, parking: 0.0, walk: rng.range(3.2, 4.2) };
    }
    let parking = if rng.chance(0.6) { 2.2 } else { 0.0 };
    Profile { lanes: 1, lane_width: 3.4, parking, walk: rng.range(2.4, 3.2) }
}

/// How far from the middle two neighbouring mouths must be for a kerb of `radius` between them.
fn setback(mine: f64, other: f64, angle: f64, radius: f64) -> f64 {
    if angle > 0.9 * PI {
        return 0.0;
    }
    let (sin, cos) = angle.sin_cos();
    (other + mine * cos) / sin.max(0.2) + radius / (angle / 2.0).tan().max(0.3)
}

struct Mouth {
    link: usize,
    at_start: bool,
    angle: f64,
    half: f64,
    cut: f64,
}

fn mouths(plan: &Plan, profiles: &[Profile], spot: usize, centre: [f64; 2], rng: &mut Rng) -> Vec<Mouth> {
    let mut found = Vec::new();
    for (index, (link, profile)) in plan.links.iter().zip(profiles).enumerate() {
        for at_start in [true, false] {
            let [a, b] = if at_start { link.ends } else { [link.ends[1], link.ends[0]] };
            if a != spot {
                continue;
            }
            let first = if at_start { link.via.first() } else { link.via.last() };
            let Some(to) = first.or_else(|| plan.spots.get(b)) else { continue };
            let angle = (to[1] - centre[1]).atan2(to[0] - centre[0]) + rng.range(-0.09, 0.09);
            found.push(Mouth { link: index, at_start, angle: wrap(angle), half: profile.half(), cut: 8.0 });
        }
    }
    found.sort_by(|a, b| a.angle.total_cmp(&b.angle));
    let n = found.len();
    let shape: Vec<(f64, f64)> = found.iter().map(|m| (m.angle, m.half)).collect();
    for (i, m) in found.iter_mut().enumerate() {
        for j in [(i + 1) % n.max(1), (i + n.saturating_sub(1)) % n.max(1)] {
            let Some((angle, half)) = shape.get(j) else { continue };
            let between = (angle - m.angle).rem_euclid(2.0 * PI);
            let between = if j == (i + 1) % n { between } else { 2.0 * PI - between };
            m.cut = m.cut.max(setback(m.half, *half, between, KERB_RADIUS)).min(26.0);
        }
    }
    found
}

/// The reference line from one mouth to another by way of the bends.
fn reference(a: &Station, via: &[[f64; 2]], b: &Station) -> Curve {
    let mut points = vec![a.point()];
    points.extend(via);
    points.push(b.point());
    let mut curve = Curve::default();
    let mut heading = a.heading;
    for (i, pair) in points.windows(2).enumerate() {
        let [p, q] = pair else { continue };
        let to = match points.get(i + 2) {
            Some(r) => (r[1] - p[1]).atan2(r[0] - p[0]),
            None => wrap(b.heading + PI),
        };
        curve = curve.then(&Curve::biarc(*p, heading, *q, to));
        heading = to;
    }
    curve
}

fn station(centre: [f64; 2], mouth: &Mouth) -> Station {
    let (sin, cos) = mouth.angle.sin_cos();
    Station { x: centre[0] + cos * mouth.cut, y: centre[1] + sin * mouth.cut, heading: mouth.angle, curvature: 0.0 }
}

/// Roads, lanes and junctions without connections.
pub(crate) fn build(plan: &Plan, rng: &Rng) -> Network {
    let mut chance = rng.fork(1);
    let profiles: Vec<Profile> = plan.links.iter().map(|l| profile(l, &mut chance)).collect();
    let mut net = Network::default();
    let all: Vec<Vec<Mouth>> = plan.spots.iter().enumerate().map(|(i, c)| mouths(plan, &profiles, i, *c, &mut chance)).collect();
    let find = |link: usize, at_start: bool, spot: usize| {
        let arms = all.get(spot)?;
        let arm = arms.iter().position(|m| m.link == link && m.at_start == at_start)?;
        Some((arm, station(*plan.spots.get(spot)?, arms.get(arm)?)))
    };
    for (id, (link, profile)) in plan.links.iter().zip(&profiles).enumerate() {
        let (Some((arm0, a)), Some((arm1, b))) = (find(id, true, link.ends[0]), find(id, false, link.ends[1])) else { continue };
        let road = Road {
            id,
            centre: reference(&a, &link.via, &b),
            forward: Vec::new(),
            backward: Vec::new(),
            lane_width: profile.lane_width,
            parking: profile.parking,
            half: profile.half(),
            walk: profile.walk,
            from: [link.ends[0], arm0],
            to: [link.ends[1], arm1],
            major: link.major,
        };
        add_road(&mut net, road, profile.lanes);
    }
    for (id, (centre, arms)) in plan.spots.iter().zip(&all).enumerate() {
        let arms: Vec<Arm> = arms.iter().filter_map(|m| arm(&net, *centre, m)).collect();
        let radius = arms.iter().map(|a| (a.mouth.x - centre[0]).hypot(a.mouth.y - centre[1]) + a.half).fold(0.0, f64::max);
        let corners = arms.iter().zip(arms.iter().cycle().skip(1)).map(|(a, b)| corner(a, b)).collect();
        net.junctions.push(Junction { id, centre: *centre, arms, corners, connections: Vec::new(), cycle: None, radius });
    }
    net
}

fn corner(a: &Arm, b: &Arm) -> Curve {
    Curve::biarc(a.mouth.beside(a.half), wrap(a.mouth.heading + PI), b.mouth.beside(-b.half), b.mouth.heading)
}

fn arm(net: &Network, centre: [f64; 2], mouth: &Mouth) -> Option<Arm> {
    let road = net.roads.get(mouth.link)?;
    let (incoming, outgoing) = if mouth.at_start { (&road.backward, &road.forward) } else { (&road.forward, &road.backward) };
    Some(Arm {
        road: road.id,
        at_start: mouth.at_start,
        mouth: station(centre, mouth),
        half: mouth.half,
        walk: road.walk,
        incoming: incoming.clone(),
        outgoing: outgoing.clone(),
        rule: Rule::Free,
        crossing: None,
    })
}

fn add_road(net: &mut Network, mut road: Road, lanes: usize) {
    let back = road.centre.reversed();
    for forward in [true, false] {
        let first = net.lanes.len();
        for i in 0..lanes {
            let away = -(i as f64 + 0.5) * road.lane_width;
            let centre = if forward { &road.centre } else { &back }.offset(away);
            let number = i32::try_from(i + 1).unwrap_or(1);
            let stop = centre.length() - 1.0;
            net.lanes.push(Lane {
                id: first + i,
                road: road.id,
                number: if forward { -number } else { number },
                centre,
                width: road.lane_width,
                limit: if road.major { LIMITS[0] } else { LIMITS[1] },
                junction: None,
                turn: Turn::Straight,
                next: Vec::new(),
                previous: Vec::new(),
                left: (i > 0).then(|| first + i - 1),
                right: (i + 1 < lanes).then_some(first + i + 1),
                to: if forward { road.to[0] } else { road.from[0] },
                rule: Rule::Free,
                stop,
                crossings: Vec::new(),
                conflicts: Vec::new(),
            });
        }
        let ids = (first..first + lanes).collect();
        if forward { road.forward = ids } else { road.backward = ids }
    }
    net.roads.push(road);
}
