//! Street furniture: lamps, traffic lights, signs, cones, barriers, fences, benches, bins, hydrants, shelters.
//!
//! *In / Out*: bodies in their frame, metres; signs and lights face +x. *Invariant*: the three lenses of a light are lamps of their own.

use super::lens;
use crate::world::model::{Body, Lamp, Material, Surface, Tag};
use crate::world::scene::shape::{P3, Shape, surface};
use std::sync::Arc;

const STEEL: Surface = surface(Material::Metal, [128, 132, 134], Tag::Pole);

/// A street lamp whose arm reaches along +x.
pub(crate) fn lamp(height: f64) -> Arc<Body> {
    let mut s = Shape::default();
    s.bar([0.0, 0.0, 0.0], [0.0, 0.0, 0.5], [0.11, 0.1], 8, true, STEEL);
    s.bar([0.0, 0.0, 0.5], [0.0, 0.0, height - 0.4], [0.08, 0.055], 8, true, STEEL);
    s.bar([0.0, 0.0, height - 0.45], [0.5, 0.0, height - 0.06], [0.05; 2], 6, true, STEEL);
    s.bar([0.45, 0.0, height - 0.08], [1.5, 0.0, height], [0.045; 2], 6, true, STEEL);
    s.cuboid([1.2, -0.14, height - 0.02], [1.95, 0.14, height + 0.09], STEEL);
    s.cuboid([1.28, -0.11, height - 0.06], [1.88, 0.11, height - 0.02], lens(Lamp::Night, [255, 226, 170], Tag::Pole));
    s.body("pole.lamp", None)
}

/// The head of a traffic light at a height, facing +x.
fn light_head(s: &mut Shape, at: P3) {
    let tag = Tag::TrafficLight;
    let [x, y, z] = at;
    let black = surface(Material::Metal, [26, 28, 28], tag);
    s.cuboid([x - 0.12, y - 0.17, z], [x + 0.1, y + 0.17, z + 1.0], black);
    s.cuboid([x - 0.02, y - 0.3, z - 0.13], [x, y + 0.3, z + 1.13], black);
    for (k, lamp, colour) in [(0, Lamp::Green, [30, 190, 110]), (1, Lamp::Yellow, [236, 176, 30]), (2, Lamp::Red, [206, 26, 22])] {
        let zc = z + 0.17 + 0.33 * f64::from(k);
        s.bar([x + 0.09, y, zc], [x + 0.125, y, zc], [0.125; 2], 10, true, lens(lamp, colour, tag));
        // The hood above each lens.
        s.cuboid([x + 0.1, y - 0.14, zc + 0.125], [x + 0.32, y + 0.14, zc + 0.145], black);
    }
}

/// A traffic light on a pole, facing +x (towards who arrives), with an arm of this length towards -y (over the arriving lanes) unless 0.
pub(crate) fn light(arm: f64) -> Arc<Body> {
    let mut s = Shape::default();
    let grey = surface(Material::Metal, [70, 74, 72], Tag::TrafficLight);
    let pole = surface(Material::Metal, [70, 74, 72], Tag::Pole);
    let top = if arm > 0.0 { 6.2 } else { 3.5 };
    s.bar([0.0, 0.0, 0.0], [0.0, 0.0, top], [0.1, 0.07], 8, true, pole);
    light_head(&mut s, [0.16, 0.0, 2.35]);
    if arm > 0.0 {
        s.bar([0.0, 0.0, top - 0.25], [0.0, -arm, top - 0.05], [0.07, 0.05], 7, true, pole);
        s.bar([0.0, 0.25 - arm, top - 0.2], [0.0, 0.25 - arm, top - 0.9], [0.03; 2], 5, true, grey);
        light_head(&mut s, [0.16, 0.25 - arm, top - 1.2]);
    }
    s.cuboid([-0.12, -0.1, 1.0], [0.0, 0.1, 1.25], surface(Material::Metal, [210, 170, 30], Tag::TrafficLight));
    s.body(if arm > 0.0 { "light.arm" } else { "light.pole" }, None)
}

fn plate(s: &mut Shape, corners: usize, radius: f64, turn: f64, z: f64, x: f64, face: Surface) {
    let ring: Vec<P3> = (0..corners)
        .map(|i| {
            let (sin, cos) = (turn + i as f64 / corners as f64 * std::f64::consts::TAU).sin_cos();
            [x, radius * cos, z + radius * sin]
        })
        .collect();
    s.fan(&ring, face);
    let metal = surface(Material::Metal, [150, 152, 152], face.tag);
    let behind = |p: &P3| [p[0] - 0.012, p[1], p[2]];
    let back: Vec<P3> = ring.iter().rev().map(behind).collect();
    s.fan(&back, metal);
    // The rim, without which a steep look finds the inside of the front.
    for (a, b) in ring.iter().zip(ring.iter().cycle().skip(1)) {
        s.quad([*a, behind(a), behind(b), *b], metal);
    }
}

/// The shapes of signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// Red octagon.
    Stop,
    /// Triangle on its tip.
    Yield,
    /// Yellow square on its corner.
    Priority,
    /// Red ring: a speed limit.
    Limit,
    /// Blue square: a crossing.
    Crossing,
    /// Red triangle: road works.
    Works,
}

/// A sign on its post, facing +x.
pub(crate) fn sign(kind: Sign) -> Arc<Body> {
    let mut s = Shape::default();
    let tag = Tag::TrafficSign;
    let sheet = |colour| surface(Material::Reflector, colour, tag);
    let (red, white) = (sheet([190, 22, 28]), sheet([236, 236, 232]));
    let z = 2.35;
    s.bar([0.0, 0.0, 0.0], [0.0, 0.0, z + 0.3], [0.03; 2], 6, true, STEEL);
    let x = 0.045;
    let half_pi = std::f64::consts::FRAC_PI_2;
    match kind {
        Sign::Stop => {
            let turn = std::f64::consts::PI / 8.0;
            plate(&mut s, 8, 0.42, turn, z, x, white);
            plate(&mut s, 8, 0.39, turn, z, x + 0.004, red);
            // Four white bars stand for the four letters.
            for i in 0..4 {
                let y = 0.225 - 0.15 * f64::from(i);
                s.quad(
                    [
                        [x + 0.008, y - 0.05, z - 0.09],
                        [x + 0.008, y + 0.05, z - 0.09],
                        [x + 0.008, y + 0.05, z + 0.09],
                        [x + 0.008, y - 0.05, z + 0.09],
                    ],
                    white,
                );
            }
        }
        Sign::Yield => {
            plate(&mut s, 3, 0.5, -half_pi, z, x, red);
            plate(&mut s, 3, 0.3, -half_pi, z, x + 0.004, white);
        }
        Sign::Priority => {
            plate(&mut s, 4, 0.42, 0.0, z, x, white);
            plate(&mut s, 4, 0.32, 0.0, z, x + 0.004, sheet([240, 190, 30]));
        }
        Sign::Limit => {
            plate(&mut s, 14, 0.32, 0.0, z, x, red);
            plate(&mut s, 14, 0.24, 0.0, z, x + 0.004, white);
            for y in [-0.09, 0.05] {
                s.quad(
                    [[x + 0.008, y, z - 0.1], [x + 0.008, y + 0.06, z - 0.1], [x + 0.008, y + 0.06, z + 0.1], [x + 0.008, y, z + 0.1]],
                    sheet([20, 20, 22]),
                );
            }
        }
        Sign::Crossing => {
            plate(&mut s, 4, 0.42, std::f64::consts::FRAC_PI_4, z, x, sheet([24, 78, 170]));
            plate(&mut s, 3, 0.26, half_pi, z - 0.03, x + 0.004, white);
        }
        Sign::Works => {
            plate(&mut s, 3, 0.5, half_pi, z, x, red);
            plate(&mut s, 3, 0.32, half_pi, z, x + 0.004, sheet([240, 200, 40]));
        }
    }
    s.body(
        match kind {
            Sign::Stop => "sign.stop",
            Sign::Yield => "sign.yield",
            Sign::Priority => "sign.priority",
            Sign::Limit => "sign.limit",
            Sign::Crossing => "sign.crossing",
            Sign::Works => "sign.works",
        },
        None,
    )
}

/// A traffic cone with two bands.
pub(crate) fn cone() -> Arc<Body> {
    let tag = Tag::Dynamic;
    let orange = surface(Material::Plastic, [236, 92, 20], tag);
    let white = surface(Material::Reflector, [236, 236, 236], tag);
    let mut s = Shape::default();
    s.block([-0.19, -0.19, 0.0], [0.19, 0.19, 0.04], orange);
    let radius = |z: f64| 0.15 - 0.155 * z;
    for (a, b, c) in [(0.04, 0.24, orange), (0.24, 0.38, white), (0.38, 0.5, orange), (0.5, 0.6, white), (0.6, 0.75, orange)] {
        s.bar([0.0, 0.0, a], [0.0, 0.0, b], [radius(a), radius(b)], 10, b > 0.7, c);
    }
    s.body("cone", Some("traffic_cone"))
}

/// A concrete or water-filled barrier element, 2 m across the direction it faces.
pub(crate) fn barrier() -> Arc<Body> {
    let tag = Tag::Static;
    let red = surface(Material::Plastic, [206, 44, 36], tag);
    let white = surface(Material::Plastic, [232, 232, 230], tag);
    let mut s = Shape::default();
    for (k, c) in [(0, red), (1, white), (2, red), (3, white)] {
        let (a, b) = (-1.0 + 0.5 * f64::from(k), -0.5 + 0.5 * f64::from(k));
        let section = |y: f64| -> Vec<P3> {
            vec![
                [-0.25, y, 0.0],
                [-0.25, y, 0.15],
                [-0.09, y, 0.45],
                [-0.08, y, 0.9],
                [0.08, y, 0.9],
                [0.09, y, 0.45],
                [0.25, y, 0.15],
                [0.25, y, 0.0],
            ]
        };
        s.loft(&[section(a), section(b)], true, c);
    }
    s.cuboid([0.08, -0.85, 0.62], [0.088, 0.85, 0.76], surface(Material::Reflector, [240, 240, 240], tag));
    s.cuboid([-0.088, -0.85, 0.62], [-0.08, 0.85, 0.76], surface(Material::Reflector, [240, 240, 240], tag));
    s.body("barrier.plastic", Some("barrier"))
}

/// A stretch of fence along x: pickets (wood) or rods (metal).
pub(crate) fn fence(length: f64, wood: bool) -> Arc<Body> {
    let mut s = Shape::default();
    let c = if wood { surface(Material::Wood, [150, 116, 80], Tag::Fence) } else { surface(Material::Metal, [52, 60, 56], Tag::Fence) };
    let h = length / 2.0;
    for z in [0.3, 0.85] {
        s.cuboid([-h, -0.025, z], [h, 0.025, z + 0.07], c);
    }
    let step = if wood { 0.25 } else { 0.5 };
    let count = (length / step).floor();
    let mut i = 0.0;
    while i <= count {
        let x = -h + length * i / count;
        let w = if wood { 0.06 } else { 0.018 };
        s.block([(x - w).max(-h), 0.022, 0.0], [(x + w).min(h), 0.045, 1.06], c);
        i += 1.0;
    }
    s.body(if wood { "fence.wood" } else { "fence.metal" }, None)
}

/// A bench.
pub(crate) fn bench() -> Arc<Body> {
    let tag = Tag::Static;
    let wood = surface(Material::Wood, [132, 92, 56], tag);
    let iron = surface(Material::Metal, [60; 3], tag);
    let mut s = Shape::default();
    for y in [-0.7, 0.7] {
        s.block([-0.22, y - 0.03, 0.0], [0.2, y + 0.03, 0.42], iron);
    }
    for i in 0..3 {
        let x = -0.2 + 0.15 * f64::from(i);
        s.cuboid([x, -0.85, 0.42], [x + 0.12, 0.85, 0.46], wood);
    }
    for z in [0.58, 0.74] {
        s.cuboid([-0.26, -0.85, z], [-0.22, 0.85, z + 0.12], wood);
    }
    s.body("bench", None)
}

/// A litter bin.
pub(crate) fn bin() -> Arc<Body> {
    let mut s = Shape::default();
    s.bar([0.0, 0.0, 0.0], [0.0, 0.0, 0.85], [0.22, 0.26], 10, true, surface(Material::Metal, [60, 84, 66], Tag::Static));
    s.bar([0.0, 0.0, 0.85], [0.0, 0.0, 0.95], [0.28, 0.2], 10, true, surface(Material::Metal, [40, 44, 42], Tag::Static));
    s.body("bin", None)
}

/// A shelter at a bus stop, open towards +x.
pub(crate) fn shelter() -> Arc<Body> {
    let tag = Tag::Static;
    let steel = surface(Material::Metal, [96, 100, 104], tag);
    let mut s = Shape::default();
    for (x, y) in [(-0.65, -1.9), (-0.65, 1.9), (0.6, -1.9), (0.6, 1.9)] {
        s.block([x - 0.04, y - 0.04, 0.0], [x + 0.04, y + 0.04, 2.4], steel);
    }
    s.cuboid([-0.8, -2.05, 2.4], [0.85, 2.05, 2.52], steel);
    s.cuboid([-0.67, -1.86, 0.25], [-0.65, 1.86, 2.2], Surface { tag, ..super::GLASS });
    s.cuboid([-0.6, 1.88, 0.25], [0.5, 1.9, 2.2], surface(Material::Plastic, [220, 224, 228], tag));
    s.cuboid([-0.5, -1.4, 0.45], [-0.15, 1.4, 0.5], surface(Material::Wood, [140, 100, 62], tag));
    s.body("shelter", None)
}
