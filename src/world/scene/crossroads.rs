//! What happens at junctions: turning connections, who holds whom, lights' programmes, crossings, conflicts.
//!
//! *In / Out*: the network with roads and arms; the same, complete. *Invariant*: every arriving lane goes on somewhere and every leaving
//! lane is fed; two arms that cross are never green in one phase.

use super::curve::{Curve, wrap};
use super::network::{Conflict, Crossing, Cycle, Junction, Lane, Light, Network, Rule, Turn};
use super::rng::Rng;
use std::f64::consts::PI;

/// Depth of a crossing along its road, its distance from the mouth, and the stop line's distance before it.
const CROSSING: [f64; 3] = [3.2, 0.8, 1.0];
/// Paths nearer than this touch: a car's width and a hand's breadth.
const TOUCH: f64 = 2.5;

/// Completes the junctions.
pub(crate) fn complete(net: &mut Network, rng: &Rng) {
    let mut chance = rng.fork(2);
    for id in 0..net.junctions.len() {
        rules(net, id, &mut chance);
        crossings(net, id, &mut chance);
        connect(net, id);
    }
    for id in 0..net.junctions.len() {
        conflicts(net, id);
    }
    for lane in &net.lanes {
        net.near.insert(lane.id, lane.centre.bounds(lane.width / 2.0));
    }
}

/// The arm most nearly opposite of each arm, if it is nearly opposite.
fn opposite(junction: &Junction, arm: usize) -> Option<usize> {
    let heading = junction.arms.get(arm)?.mouth.heading;
    let off = |a: &super::network::Arm| wrap(a.mouth.heading - heading - PI).abs();
    let (best, other) = junction.arms.iter().enumerate().filter(|(i, _)| *i != arm).min_by(|a, b| off(a.1).total_cmp(&off(b.1)))?;
    (off(other) < 0.7).then_some(best)
}

fn rules(net: &mut Network, id: usize, rng: &mut Rng) {
    let Some(junction) = net.junctions.get(id) else { return };
    let major: Vec<bool> = junction.arms.iter().map(|a| net.roads.get(a.road).is_some_and(|r| r.major)).collect();
    let majors = major.iter().filter(|m| **m).count();
    let through = (0..junction.arms.len()).find_map(|i| opposite(junction, i).map(|o| [i, o]));
    let lights = majors >= 3 || (majors > 0 && rng.chance(0.55)) || rng.chance(0.12);
    if lights {
        add_lights(net, id, rng);
        return;
    }
    // Who goes straight on the main street has priority; where all are alike, half the places let the right go first.
    let priority: Vec<usize> = match (majors, through) {
        (2, _) => major.iter().enumerate().filter(|(_, m)| **m).map(|(i, _)| i).collect(),
        (_, Some(pair)) if majors > 0 || rng.chance(0.7) => pair.to_vec(),
        _ => Vec::new(),
    };
    let minor = if rng.chance(0.6) { Rule::Stop } else { Rule::Yield };
    if priority.is_empty() {
        return;
    }
    let held: Vec<usize> = (0..major.len()).filter(|i| !priority.contains(i)).collect();
    for arm in held {
        hold(net, id, arm, minor);
    }
}

fn hold(net: &mut Network, junction: usize, arm: usize, rule: Rule) {
    let Some(arm) = net.junctions.get_mut(junction).and_then(|j| j.arms.get_mut(arm)) else { return };
    arm.rule = rule;
    for lane in arm.incoming.clone() {
        if let Some(lane) = net.lanes.get_mut(lane) {
            lane.rule = rule;
        }
    }
}

fn add_lights(net: &mut Network, id: usize, rng: &mut Rng) {
    let Some(junction) = net.junctions.get(id) else { return };
    let arms = junction.arms.len();
    let mut phase_of = vec![None; arms];
    let mut phases = 0;
    for arm in 0..arms {
        if phase_of.get(arm).copied().flatten().is_some() {
            continue;
        }
        let partner = opposite(junction, arm).filter(|o| phase_of.get(*o).copied().flatten().is_none());
        for a in [Some(arm), partner].into_iter().flatten() {
            if let Some(slot) = phase_of.get_mut(a) {
                *slot = Some(phases);
            }
        }
        phases += 1;
    }
    let green: Vec<f64> = (0..phases).map(|_| rng.range(11.0, 17.0).round()).collect();
    let whole: f64 = green.iter().map(|g| g + 5.0).sum();
    let cycle = Cycle { green, yellow: 3.0, clear: 2.0, offset: (rng.unit() * whole).floor() };
    let lanes: Vec<Vec<usize>> = junction.arms.iter().map(|a| a.incoming.clone()).collect();
    if let Some(j) = net.junctions.get_mut(id) {
        j.cycle = Some(cycle);
    }
    for (arm, (phase, lanes)) in phase_of.into_iter().zip(lanes).enumerate() {
        let light = net.lights.len();
        net.lights.push(Light { id: light, junction: id, arm, phase: phase.unwrap_or(0), lanes, instances: Vec::new() });
        hold(net, id, arm, Rule::Light(light));
    }
}

fn crossings(net: &mut Network, id: usize, rng: &mut Rng) {
    let Some(junction) = net.junctions.get(id) else { return };
    let lit = junction.cycle.is_some();
    let arms = junction.arms.clone();
    for (index, arm) in arms.iter().enumerate() {
        let wanted = lit || rng.chance(0.65);
        let Some(road) = net.roads.get(arm.road).filter(|_| wanted) else { continue };
        let [depth, away, before] = CROSSING;
        let length = road.centre.length();
        let span = if arm.at_start { [away, away + depth] } else { [length - away - depth, length - away] };
        let middle = road.centre.at((span[0] + span[1]) / 2.0);
        let centre = Curve::line(middle.beside(-road.half), middle.beside(road.half));
        let crossing = net.crossings.len();
        let light = match arm.rule {
            Rule::Light(l) => Some(l),
            _ => None,
        };
        let road_id = road.id;
        net.crossings.push(Crossing { id: crossing, junction: id, arm: index, road: road_id, span, centre, light });
        for lane in arm.incoming.iter().chain(&arm.outgoing) {
            let Some(lane) = net.lanes.get_mut(*lane) else { continue };
            let ends = span.map(|s| lane.centre.project(middle_of(&net.roads, road_id, s)).0);
            let ends = [ends[0].min(ends[1]), ends[0].max(ends[1])];
            lane.crossings.push((crossing, ends));
            if arm.incoming.contains(&lane.id) {
                lane.stop = ends[0] - before;
            }
        }
        if let Some(arm) = net.junctions.get_mut(id).and_then(|j| j.arms.get_mut(index)) {
            arm.crossing = Some(crossing);
        }
    }
}

fn middle_of(roads: &[super::network::Road], road: usize, s: f64) -> [f64; 2] {
    roads.get(road).map(|r| r.centre.at(s).point()).unwrap_or_default()
}

/// Arriving lane, leaving lane, what it does.
type Plan = (usize, usize, Turn);

fn turns(junction: &Junction) -> Vec<Plan> {
    let mut plans: Vec<Plan> = Vec::new();
    for (i, arm) in junction.arms.iter().enumerate() {
        let heading = wrap(arm.mouth.heading + PI);
        let bend = |to: &super::network::Arm| wrap(to.mouth.heading - heading);
        let others = || junction.arms.iter().enumerate().filter(move |(j, _)| *j != i).map(|(_, a)| a);
        let straight = others().map(|a| bend(a).abs()).fold(f64::INFINITY, f64::min);
        for to in others() {
            let b = bend(to);
            let turn = if b.abs() < 0.8 && b.abs() <= straight {
                Turn::Straight
            } else if b > 0.0 {
                Turn::Left
            } else {
                Turn::Right
            };
            match turn {
                Turn::Left => plans.extend(arm.incoming.first().zip(to.outgoing.first()).map(|(a, b)| (*a, *b, turn))),
                Turn::Right => plans.extend(arm.incoming.last().zip(to.outgoing.last()).map(|(a, b)| (*a, *b, turn))),
                Turn::Straight => {
                    for (k, from) in arm.incoming.iter().enumerate() {
                        plans.extend(to.outgoing.get(k.min(to.outgoing.len().saturating_sub(1))).map(|b| (*from, *b, turn)));
                    }
                }
            }
        }
    }
    // A main street's inner lane that may neither turn left nor go on follows the outer lane's way, on its own side.
    for arm in &junction.arms {
        for lane in arm.incoming.iter().filter(|l| !plans.iter().any(|p| p.0 == **l)).copied().collect::<Vec<_>>() {
            let model = plans.iter().find(|p| arm.incoming.contains(&p.0)).copied();
            plans.extend(model.map(|(_, to, turn)| {
                let beside = junction.arms.iter().find(|a| a.outgoing.contains(&to)).and_then(|a| a.outgoing.first());
                (lane, beside.copied().unwrap_or(to), turn)
            }));
        }
    }
    // A lane that leaves unfed is reached from wherever its neighbour is.
    for arm in &junction.arms {
        for lane in arm.outgoing.iter().filter(|l| !plans.iter().any(|p| p.1 == **l)).copied().collect::<Vec<_>>() {
            let model = plans.iter().find(|p| arm.outgoing.contains(&p.1)).copied();
            plans.extend(model.map(|(from, _, turn)| (from, lane, turn)));
        }
    }
    plans
}

fn connect(net: &mut Network, id: usize) {
    let Some(junction) = net.junctions.get(id) else { return };
    for (from, to, turn) in turns(junction) {
        let lane_id = net.lanes.len();
        let (Some(a), Some(b)) = (net.lanes.get(from), net.lanes.get(to)) else { continue };
        let (start, end) = (a.centre.at(a.centre.length()), b.centre.at(0.0));
        let centre = Curve::biarc(start.point(), start.heading, end.point(), end.heading);
        let road = net.roads.len() + net.junctions.iter().map(|j| j.connections.len()).sum::<usize>();
        let lane = Lane {
            id: lane_id,
            road,
            number: -1,
            stop: centre.length(),
            centre,
            width: a.width.min(b.width),
            limit: if turn == Turn::Straight { a.limit.min(b.limit) } else { a.limit.min(b.limit).min(25.0 / 3.6) },
            junction: Some(id),
            turn,
            next: vec![to],
            previous: vec![from],
            left: None,
            right: None,
            to: id,
            rule: Rule::Free,
            crossings: Vec::new(),
            conflicts: Vec::new(),
        };
        net.lanes.push(lane);
        if let Some(a) = net.lanes.get_mut(from) {
            a.next.push(lane_id);
        }
        if let Some(b) = net.lanes.get_mut(to) {
            b.previous.push(lane_id);
        }
        if let Some(j) = net.junctions.get_mut(id) {
            j.connections.push(lane_id);
        }
    }
}

struct Track {
    lane: usize,
    from: usize,
    arm: usize,
    turn: Turn,
    points: Vec<(f64, [f64; 2])>,
}

fn conflicts(net: &mut Network, id: usize) {
    let Some(junction) = net.junctions.get(id) else { return };
    let tracks: Vec<Track> = junction
        .connections
        .iter()
        .filter_map(|c| {
            let lane = net.lanes.get(*c)?;
            let from = *lane.previous.first()?;
            let arm = junction.arms.iter().position(|a| a.incoming.contains(&from))?;
            let count = (lane.centre.length() / 0.7).ceil().max(1.0);
            let mut points = Vec::new();
            let mut i = 0.0;
            while i <= count {
                let s = lane.centre.length() * i / count;
                points.push((s, lane.centre.at(s).point()));
                i += 1.0;
            }
            Some(Track { lane: *c, from, arm, turn: lane.turn, points })
        })
        .collect();
    let arms = junction.arms.len();
    for a in &tracks {
        let mut found = Vec::new();
        for b in tracks.iter().filter(|b| b.from != a.from) {
            let (mut mine, mut theirs) = ([f64::INFINITY, f64::NEG_INFINITY], [f64::INFINITY, f64::NEG_INFINITY]);
            for (s, p) in &a.points {
                for (t, q) in &b.points {
                    if (p[0] - q[0]).powi(2) + (p[1] - q[1]).powi(2) < TOUCH * TOUCH {
                        mine = [mine[0].min(*s), mine[1].max(*s)];
                        theirs = [theirs[0].min(*t), theirs[1].max(*t)];
                    }
                }
            }
            if mine[0] <= mine[1] {
                // Arms are counter-clockwise: the next arm counter-clockwise is on the right of who arrives.
                let on_right = b.arm == (a.arm + 1) % arms.max(1);
                let facing = arms == 4 && b.arm == (a.arm + 2) % 4 || arms == 3 && !on_right && b.turn != Turn::Left;
                let other_first = a.turn == Turn::Left && b.turn != Turn::Left && facing || on_right && !facing;
                found.push(Conflict { other: b.lane, mine, theirs, other_first });
            }
        }
        if let Some(lane) = net.lanes.get_mut(a.lane) {
            lane.conflicts = found;
        }
    }
}
