//! Pedestrians with head, trunk and limbs, standing and in four moments of a stride; riders bent over their handlebars.
//!
//! *In / Out*: bodies in their frame, metres. *Invariant*: all moments of one person share one size that holds each of them.

use crate::world::model::{Body, Material, Surface, Tag};
use crate::world::scene::shape::{P3, Shape, surface};
use std::sync::Arc;

/// One person's bodies.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    /// Standing.
    pub(crate) stand: Arc<Body>,
    /// Walking: moments of a stride.
    pub(crate) stride: Vec<Arc<Body>>,
}

/// Looks of one person.
struct Looks {
    name: &'static str,
    height: f64,
    width: f64,
    skin: [u8; 3],
    hair: [u8; 3],
    trousers: [u8; 3],
    bag: bool,
    skirt: bool,
}

const LOOKS: [Looks; 6] = [
    Looks {
        name: "man",
        height: 1.8,
        width: 1.0,
        skin: [214, 170, 140],
        hair: [50, 38, 28],
        trousers: [44, 50, 66],
        bag: false,
        skirt: false,
    },
    Looks {
        name: "woman",
        height: 1.67,
        width: 0.92,
        skin: [224, 182, 152],
        hair: [96, 62, 32],
        trousers: [70, 66, 72],
        bag: true,
        skirt: false,
    },
    Looks {
        name: "worker",
        height: 1.76,
        width: 1.06,
        skin: [150, 106, 80],
        hair: [24, 22, 22],
        trousers: [52, 58, 52],
        bag: false,
        skirt: false,
    },
    Looks {
        name: "elder",
        height: 1.66,
        width: 1.04,
        skin: [220, 180, 158],
        hair: [196, 194, 190],
        trousers: [104, 96, 84],
        bag: false,
        skirt: false,
    },
    Looks {
        name: "child",
        height: 1.22,
        width: 0.72,
        skin: [220, 176, 146],
        hair: [130, 94, 50],
        trousers: [58, 74, 120],
        bag: true,
        skirt: false,
    },
    Looks {
        name: "lady",
        height: 1.7,
        width: 0.94,
        skin: [122, 82, 60],
        hair: [28, 22, 20],
        trousers: [122, 40, 58],
        bag: true,
        skirt: true,
    },
];

fn cloth(colour: [u8; 3], painted: bool, tag: Tag) -> Surface {
    Surface { painted, ..surface(Material::Cloth, colour, tag) }
}

/// A flattened trunk between two heights.
fn trunk(s: &mut Shape, low: [f64; 3], high: [f64; 3], lean: f64, c: Surface) {
    let ring = |[half, deep, z]: [f64; 3], shift: f64| -> Vec<P3> {
        (0..8)
            .map(|i| {
                let (sin, cos) = ((f64::from(i) + 0.5) / 8.0 * std::f64::consts::TAU).sin_cos();
                [shift + deep * cos, half * sin, z]
            })
            .collect()
    };
    let middle = [low[0] * 0.5 + high[0] * 0.5, low[1] * 0.5 + high[1] * 0.5 + 0.01, (low[2] + high[2]) / 2.0];
    s.loft(&[ring(low, 0.0), ring(middle, lean / 2.0), ring(high, lean)], true, c);
}

fn head(s: &mut Shape, x: f64, z: f64, k: f64, l: &Looks, tag: Tag) {
    let skin = surface(Material::Skin, l.skin, tag);
    s.bar([x * 0.9, 0.0, z - 0.2 * k], [x, 0.0, z - 0.08 * k], [0.055 * k; 2], 6, false, skin);
    s.ball([x, 0.0, z], [0.1 * k, 0.08 * k, 0.12 * k], [8, 6], |_, _| 1.0, skin);
    s.ball(
        [x - 0.018 * k, 0.0, z + 0.022 * k],
        [0.105 * k, 0.09 * k, 0.105 * k],
        [8, 6],
        |_, j| if j < 2 { 0.8 } else { 1.0 },
        surface(Material::Cloth, l.hair, tag),
    );
}

/// A limb of two parts: from, knee or elbow, to.
fn limb(s: &mut Shape, joints: [P3; 3], radii: [f64; 3], upper: Surface, lower: Surface) {
    s.bar(joints[0], joints[1], [radii[0], radii[1]], 6, true, upper);
    s.bar(joints[1], joints[2], [radii[1], radii[2]], 6, true, lower);
}

fn walker(l: &Looks, swing: f64, lift: f64) -> Shape {
    let tag = Tag::Pedestrian;
    let (h, w) = (l.height, l.width);
    let k = h / 1.75;
    let (coat, legs) = (cloth([90, 90, 96], true, tag), cloth(l.trousers, false, tag));
    let (skin, shoe) = (surface(Material::Skin, l.skin, tag), surface(Material::Rubber, [34, 30, 28], tag));
    let mut s = Shape::default();
    let (hip, shoulder) = (0.5 * h, 0.82 * h);
    trunk(&mut s, [0.17 * w, 0.11 * w, hip - 0.06 * k], [0.2 * w, 0.115 * w, shoulder], 0.02, coat);
    s.bar([0.02, -0.19 * w, shoulder - 0.01], [0.02, 0.19 * w, shoulder - 0.01], [0.07 * k; 2], 6, true, coat);
    head(&mut s, 0.04, h - 0.12 * k, k, l, tag);
    for (side, phase) in [(-1.0, 1.0), (1.0, -1.0)] {
        let y = side * 0.095 * w;
        let swing = phase * swing;
        let bend = if swing < 0.0 { lift } else { 0.3 * lift };
        let foot = [0.36 * h * swing.sin() - 0.05 * k * bend, y, (0.055 + 0.16 * bend) * k];
        let knee = [0.2 * h * swing.sin() + 0.12 * k * bend + 0.02, y, hip * 0.53];
        limb(&mut s, [[0.0, y, hip], knee, foot], [0.085 * w, 0.06 * w, 0.045 * w], legs, legs);
        s.cuboid([foot[0] - 0.09 * k, y - 0.045 * k, foot[2] - 0.055 * k], [foot[0] + 0.17 * k, y + 0.045 * k, foot[2] + 0.03 * k], shoe);
        let arm = -swing;
        let y = side * (0.2 * w + 0.05 * k);
        let elbow = [0.17 * h * arm.sin() - 0.02, y + side * 0.02, shoulder - 0.17 * h];
        let hand = [0.28 * h * arm.sin() + 0.08 * k, y, shoulder - 0.32 * h];
        limb(&mut s, [[0.0, y, shoulder - 0.02], elbow, hand], [0.055 * k, 0.045 * k, 0.036 * k], coat, coat);
        s.ball(hand, [0.045 * k; 3], [6, 4], |_, _| 1.0, skin);
    }
    if l.skirt {
        let ring = |r: f64, z: f64| -> Vec<P3> {
            (0..8)
                .map(|i| {
                    let (sin, cos) = ((f64::from(i) + 0.5) / 8.0 * std::f64::consts::TAU).sin_cos();
                    [r * cos, r * 1.1 * sin, z]
                })
                .collect()
        };
        s.loft(&[ring(0.26, 0.3 * h), ring(0.17, 0.54 * h)], true, legs);
    }
    if l.bag {
        s.cuboid([-0.28 * k, -0.13 * w, 0.58 * h], [-0.1 * k, 0.13 * w, 0.8 * h], cloth([120, 44, 40], false, tag));
    }
    s
}

/// All people.
pub(crate) fn people() -> Vec<Person> {
    let same_size = |bodies: Vec<Arc<Body>>| -> Vec<Arc<Body>> {
        let mut most = [0.0f64; 3];
        for b in &bodies {
            most = [most[0].max(b.size[0]), most[1].max(b.size[1]), most[2].max(b.size[2])];
        }
        bodies.into_iter().map(|b| Arc::new(Body { size: most, ..Body::clone(&b) })).collect()
    };
    LOOKS
        .iter()
        .filter_map(|l| {
            let moments = [(0.0, 0.0), (0.42, 0.25), (0.16, 0.8), (-0.42, 0.25), (-0.16, 0.8)];
            let all =
                moments.iter().map(|(swing, lift)| walker(l, *swing, *lift).body(format!("pedestrian.{}", l.name), Some("pedestrian")));
            let mut all = same_size(all.collect()).into_iter();
            Some(Person { stand: all.next()?, stride: all.collect() })
        })
        .collect()
}

/// Joints of a rider: hip, shoulder, hand and foot, in the plane of the machine.
pub(crate) struct Seat {
    pub(crate) hip: [f64; 2],
    pub(crate) shoulder: [f64; 2],
    pub(crate) hand: [f64; 2],
    pub(crate) feet: [[f64; 2]; 2],
    pub(crate) helmet: [u8; 3],
}

/// A rider on a machine.
pub(crate) fn rider(s: &mut Shape, seat: &Seat) {
    let tag = Tag::Rider;
    let (coat, legs) = (cloth([70, 74, 90], true, tag), cloth([44, 46, 56], false, tag));
    let skin = surface(Material::Skin, [214, 170, 140], tag);
    let [hx, hz] = seat.hip;
    let [sx, sz] = seat.shoulder;
    s.bar([hx, 0.0, hz - 0.05], [sx, 0.0, sz], [0.15, 0.17], 8, true, coat);
    s.bar([sx, -0.17, sz - 0.02], [sx, 0.17, sz - 0.02], [0.075; 2], 6, true, coat);
    s.ball([sx + 0.1, 0.0, sz + 0.22], [0.1, 0.085, 0.12], [8, 6], |_, _| 1.0, skin);
    s.ball(
        [sx + 0.085, 0.0, sz + 0.26],
        [0.13, 0.11, 0.11],
        [8, 6],
        |_, j| if j < 2 { 0.7 } else { 1.0 },
        surface(Material::Plastic, seat.helmet, tag),
    );
    for (side, foot) in [(-1.0, seat.feet[0]), (1.0, seat.feet[1])] {
        let y = side * 0.11;
        let knee = [(hx + foot[0]) / 2.0 + 0.16, y + side * 0.03, (hz + foot[1]) / 2.0 + 0.08];
        limb(s, [[hx, y * 0.8, hz], knee, [foot[0], y, foot[1]]], [0.085, 0.06, 0.045], legs, legs);
        s.cuboid(
            [foot[0] - 0.07, y - 0.045, foot[1] - 0.06],
            [foot[0] + 0.18, y + 0.045, foot[1] + 0.03],
            surface(Material::Rubber, [30; 3], tag),
        );
        let elbow = [(sx + seat.hand[0]) / 2.0 - 0.04, side * 0.27, (sz + seat.hand[1]) / 2.0 - 0.08];
        limb(s, [[sx, side * 0.19, sz - 0.02], elbow, [seat.hand[0], side * 0.25, seat.hand[1]]], [0.055, 0.045, 0.036], coat, coat);
        s.ball([seat.hand[0], side * 0.25, seat.hand[1]], [0.045; 3], [6, 4], |_, _| 1.0, skin);
    }
}
