//! What stands along streets: lights, signs, lamps, trees, parked cars, shelters.
//!
//! *In / Out*: the network and the gallery; instances. *Invariant*: nothing stands on a lane; each light knows the instances that show it.

use super::bodies::{Gallery, Sign, car_paint};
use super::curve::{Curve, wrap};
use super::ground::KERB;
use super::network::{Arm, Junction, Network, Road, Rule};
use super::polygon::Footprint;
use super::rng::Rng;
use super::stock::Stock;
use std::f64::consts::{FRAC_PI_2, PI};

const BARE: [u8; 3] = [128; 3];

/// Lights and signs at junctions.
pub(crate) fn control(stock: &mut Stock, net: &mut Network, gallery: &Gallery) {
    let mut shown: Vec<(usize, Vec<u32>)> = Vec::new();
    for junction in &net.junctions {
        for arm in &junction.arms {
            let Some(curve) = super::blocks::outwards(net, arm) else { continue };
            let back = arm.incoming.first().and_then(|l| net.lanes.get(*l)).map_or(3.0, |l| l.centre.length() - l.stop);
            let at = curve.at(back);
            let (beside, facing) = (at.beside(arm.half + 0.65), at.heading);
            let sign = match arm.rule {
                Rule::Light(light) => {
                    let near = if arm.incoming.len() > 1 { &gallery.light_arm } else { &gallery.light_pole };
                    let first = stock.place(near, beside, KERB, facing, BARE);
                    let second = far_side(stock, junction, arm, gallery);
                    shown.push((light, [Some(first), second].into_iter().flatten().collect()));
                    continue;
                }
                Rule::Stop => Sign::Stop,
                Rule::Yield => Sign::Yield,
                Rule::Free if junction.arms.iter().any(|a| a.rule != Rule::Free) => Sign::Priority,
                Rule::Free => continue,
            };
            stock.try_place(&Gallery::sign(sign), beside, KERB, facing, BARE, 0.1);
        }
    }
    for (light, instances) in shown {
        if let Some(light) = net.lights.get_mut(light) {
            light.instances = instances;
        }
    }
}

/// A second light across the junction, where who waits can see it.
fn far_side(stock: &mut Stock, junction: &Junction, arm: &Arm, gallery: &Gallery) -> Option<u32> {
    let (sin, cos) = arm.mouth.heading.sin_cos();
    let place = |c: &Curve| c.at(c.length() / 2.0).beside(-0.9);
    let score = |c: &Curve| {
        let p = place(c);
        let (dx, dy) = (p[0] - arm.mouth.x, p[1] - arm.mouth.y);
        // Ahead of who arrives, and rather on the right.
        let (ahead, right) = (-(dx * cos + dy * sin), dy * cos - dx * sin);
        ahead - 0.6 * (right - arm.half).abs()
    };
    let best = junction.corners.iter().max_by(|a, b| score(a).total_cmp(&score(b)))?;
    let p = place(best);
    let eye = arm.mouth.beside(arm.half / 2.0);
    let facing = (eye[1] - p[1]).atan2(eye[0] - p[0]);
    let mut at = p;
    // Two arms may choose one corner: the second stands a step aside.
    for step in [0.0, 0.9, -0.9, 1.8] {
        let s = (best.length() / 2.0 + step).clamp(0.0, best.length());
        at = best.at(s).beside(-0.9);
        if stock.free(&Footprint { centre: at, heading: facing, half: [0.3; 2] }) {
            break;
        }
    }
    stock.take(Footprint { centre: at, heading: facing, half: [0.3; 2] });
    Some(stock.place(&gallery.light_pole, at, KERB, facing, BARE))
}

/// Lamps, trees and other things along the walks, and parked cars.
pub(crate) fn along(stock: &mut Stock, net: &Network, gallery: &Gallery, rng: &Rng) {
    let mut rng = rng.fork(6);
    for road in &net.roads {
        limits(stock, net, road);
        for (side, curve) in [(0.0, road.centre.clone()), (14.0, road.centre.reversed())] {
            lamps(stock, road, &curve, side, gallery);
            trees(stock, road, &curve, gallery, &mut rng);
            if road.parking > 0.0 {
                let lanes = if side == 0.0 { [&road.forward, &road.backward] } else { [&road.backward, &road.forward] };
                let ends = lanes.map(|l| l.first().and_then(|l| net.lanes.get(*l)).map_or(5.0, |l| l.centre.length() - l.stop));
                parked(stock, road, &curve, [ends[1] + 4.0, curve.length() - ends[0] - 5.0], gallery, &mut rng);
            }
            if road.major && rng.chance(0.3) && curve.length() > 60.0 {
                let at = curve.at(curve.length() * 0.7);
                stock.try_place(&gallery.shelter, at.beside(-(road.half + road.walk - 0.9)), KERB, at.heading + FRAC_PI_2, BARE, 0.3);
            }
        }
    }
}

fn limits(stock: &mut Stock, net: &Network, road: &Road) {
    for (curve, junction) in [(road.centre.clone(), road.from[0]), (road.centre.reversed(), road.to[0])] {
        let changes = net
            .junctions
            .get(junction)
            .is_some_and(|j| j.arms.iter().any(|a| net.roads.get(a.road).is_some_and(|r| r.major != road.major)));
        if changes && !road.major && curve.length() > 40.0 {
            let at = curve.at(13.0);
            stock.try_place(&Gallery::sign(Sign::Limit), at.beside(-(road.half + 0.5)), KERB, wrap(at.heading + PI), BARE, 0.1);
        }
    }
    for crossing in net.crossings.iter().filter(|c| c.road == road.id && c.light.is_none()) {
        for (curve, s) in [(road.centre.clone(), crossing.span[0]), (road.centre.reversed(), road.centre.length() - crossing.span[1])] {
            let at = curve.at(s - 0.5);
            stock.try_place(&Gallery::sign(Sign::Crossing), at.beside(-(road.half + 0.45)), KERB, wrap(at.heading + PI), BARE, 0.05);
        }
    }
}

fn lamps(stock: &mut Stock, road: &Road, curve: &Curve, shift: f64, gallery: &Gallery) {
    let body = if road.major { &gallery.lamp } else { &gallery.low_lamp };
    let mut s = 9.0 + shift;
    while s < curve.length() - 7.0 {
        let at = curve.at(s);
        stock.try_place(body, at.beside(-(road.half + 0.5)), KERB, at.heading + FRAC_PI_2, BARE, 0.2);
        s += 28.0;
    }
}

fn trees(stock: &mut Stock, road: &Road, curve: &Curve, gallery: &Gallery, rng: &mut Rng) {
    let lined = road.walk > 2.9 && rng.chance(0.75);
    let kind = rng.below(4);
    let mut s = 16.0;
    while s < curve.length() - 16.0 {
        let at = curve.at(s);
        if lined && rng.chance(0.8) {
            if let Some(tree) = gallery.trees.get(kind) {
                stock.try_place(tree, at.beside(-(road.half + 0.75)), KERB, rng.range(-PI, PI), BARE, 0.4);
            }
        } else if rng.chance(0.05) {
            stock.try_place(&gallery.bin, at.beside(-(road.half + road.walk - 0.4)), KERB, 0.0, BARE, 0.2);
        } else if rng.chance(0.05) && road.walk > 3.0 {
            stock.try_place(&gallery.bench, at.beside(-(road.half + road.walk - 0.4)), KERB, at.heading + FRAC_PI_2, BARE, 0.2);
        } else if rng.chance(0.06) {
            stock.try_place(&gallery.parked_bicycle, at.beside(-(road.half + 0.45)), KERB, at.heading, car_paint(rng), 0.1);
        }
        s += rng.range(8.5, 10.0);
    }
}

fn parked(stock: &mut Stock, road: &Road, curve: &Curve, span: [f64; 2], gallery: &Gallery, rng: &mut Rng) {
    let share = rng.range(0.35, 0.85);
    let left = -(road.half - road.parking / 2.0 - 0.08);
    let mut s = span[0] + 3.0;
    // Some strips hold a small building site behind barriers.
    let site = rng.chance(0.15) && span[1] - span[0] > 40.0;
    if site {
        works(stock, curve, s, left, gallery, rng);
        s += 17.0;
    }
    while s < span[1] - 3.0 {
        let body = rng.pick(&gallery.cars);
        let bike = rng.chance(0.04);
        let Some(body) = body.map(|b| if bike { &gallery.parked_motorcycle } else { b }) else { break };
        let room = body.size[0].max(if bike { 2.2 } else { 4.6 }) + 1.1;
        let at = curve.at(s + room / 2.0);
        if s + room < span[1] && rng.chance(share) {
            let yaw = at.heading + rng.range(-0.025, 0.025) + if bike { 0.5 } else { 0.0 };
            stock.try_place(body, at.beside(left + rng.range(-0.05, 0.05)), 0.0, yaw, car_paint(rng), 0.05);
        }
        s += room;
    }
}

/// Barriers, cones and a sign on a parking strip.
fn works(stock: &mut Stock, curve: &Curve, from: f64, left: f64, gallery: &Gallery, rng: &mut Rng) {
    for (i, s) in [0.0, 13.0].into_iter().enumerate() {
        let at = curve.at(from + s);
        stock.try_place(&gallery.barrier, at.beside(left), 0.0, at.heading + if i == 0 { PI } else { 0.0 }, BARE, 0.0);
    }
    let mut s = 1.5;
    while s < 12.5 {
        let at = curve.at(from + s);
        stock.try_place(&gallery.cone, at.beside(left + 0.85), 0.0, rng.range(-PI, PI), BARE, 0.0);
        s += 1.9;
    }
    let at = curve.at(from - 2.0);
    stock.try_place(&Gallery::sign(Sign::Works), at.beside(left - 0.5), 0.0, wrap(at.heading + PI), BARE, 0.1);
    if let Some(digger) = rng.pick(&gallery.diggers) {
        let at = curve.at(from + 6.5);
        // It works beside the strip, arm away from traffic.
        stock.try_place(digger, at.beside(left - 0.1), 0.0, at.heading, BARE, -0.3);
    }
}
