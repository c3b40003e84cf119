//! Passenger cars: a lofted shell, a glass house on top, wheels, lamps, plates, mirrors.
//!
//! *In / Out*: a handful of measures, metres; a body in its frame. *Invariant*: lamps are lenses of their own, so that light and
//! label follow the triangles.

use super::{DARK, GLASS, PLATE, RIM, TYRE, lens, painted};
use crate::world::model::{Body, Lamp, Material, Surface, Tag};
use crate::world::scene::shape::{P3, Shape, surface};
use std::sync::Arc;

/// Measures of one model.
pub(crate) struct Measures {
    pub(crate) name: &'static str,
    /// Length, width without mirrors, height.
    pub(crate) size: [f64; 3],
    pub(crate) wheelbase: f64,
    pub(crate) wheel: f64,
    /// Height of the window sill and of the nose.
    pub(crate) belt: f64,
    pub(crate) nose: f64,
    /// x of: wind screen's foot, roof's front, roof's rear, rear window's foot.
    pub(crate) house: [f64; 4],
    /// Height of the boot lid or load bed at the tail.
    pub(crate) tail: f64,
    /// Side windows; 0 for a panel van behind the front seats.
    pub(crate) windows: usize,
}

/// Car models.
pub(crate) const MODELS: [Measures; 7] = [
    Measures {
        name: "car.hatchback",
        size: [4.05, 1.76, 1.47],
        wheelbase: 2.56,
        wheel: 0.31,
        belt: 0.93,
        nose: 0.74,
        house: [0.95, 0.28, -1.45, -1.88],
        tail: 0.93,
        windows: 2,
    },
    Measures {
        name: "car.sedan",
        size: [4.72, 1.84, 1.45],
        wheelbase: 2.83,
        wheel: 0.33,
        belt: 0.94,
        nose: 0.72,
        house: [0.95, 0.2, -1.05, -1.75],
        tail: 1.0,
        windows: 2,
    },
    Measures {
        name: "car.estate",
        size: [4.76, 1.85, 1.49],
        wheelbase: 2.84,
        wheel: 0.33,
        belt: 0.95,
        nose: 0.73,
        house: [1.0, 0.28, -1.8, -2.22],
        tail: 0.95,
        windows: 3,
    },
    Measures {
        name: "car.suv",
        size: [4.62, 1.92, 1.71],
        wheelbase: 2.7,
        wheel: 0.37,
        belt: 1.1,
        nose: 0.95,
        house: [1.05, 0.42, -1.75, -2.12],
        tail: 1.1,
        windows: 3,
    },
    Measures {
        name: "car.small",
        size: [3.57, 1.65, 1.5],
        wheelbase: 2.34,
        wheel: 0.29,
        belt: 0.92,
        nose: 0.78,
        house: [0.98, 0.42, -1.28, -1.66],
        tail: 0.92,
        windows: 2,
    },
    Measures {
        name: "car.van",
        size: [4.95, 1.96, 1.97],
        wheelbase: 3.08,
        wheel: 0.34,
        belt: 1.1,
        nose: 0.98,
        house: [1.65, 0.98, -2.3, -2.42],
        tail: 1.1,
        windows: 3,
    },
    Measures {
        name: "car.pickup",
        size: [5.32, 1.93, 1.8],
        wheelbase: 3.22,
        wheel: 0.39,
        belt: 1.12,
        nose: 1.0,
        house: [1.05, 0.48, -0.55, -0.78],
        tail: 1.12,
        windows: 2,
    },
];

/// A closed ring of a section: half widths and heights of underside, side, shoulder, top.
fn section(x: f64, bottom: [f64; 2], side: [f64; 2], shoulder: [f64; 2], top: [f64; 2]) -> Vec<P3> {
    let right = [bottom, side, shoulder, top];
    let up = right.iter().map(|[y, z]| [x, *y, *z]);
    let down = right.iter().rev().map(|[y, z]| [x, -*y, *z]);
    up.chain(down).collect()
}

fn shell(shape: &mut Shape, m: &Measures, paint: Surface) {
    let [length, width, _] = m.size;
    let (h, w) = (length / 2.0, width / 2.0);
    let low = 0.19 + (m.wheel - 0.3).max(0.0);
    let mid = low + 0.28;
    let ring = |x: f64, k: f64, rise: f64, top: f64| {
        section(
            x,
            [w * k * 0.9, low + rise],
            [w * k, mid.min(top - 0.12)],
            [w * k * 0.985, (top - 0.1).max(mid + 0.02)],
            [w * k * 0.9, top],
        )
    };
    let screen = m.house[0];
    let rings = [
        ring(-h, 0.86, 0.09, m.tail - 0.12),
        ring(-h + 0.1, 0.95, 0.05, m.tail - 0.02),
        ring(-h + 0.45, 1.0, 0.0, m.tail),
        ring(m.house[3].max(-h + 0.6), 1.0, 0.0, m.belt.max(m.tail)),
        ring(screen, 1.0, 0.0, m.belt),
        ring(screen + 0.15, 1.0, 0.0, m.belt - 0.03),
        ring(h - 0.42, 0.98, 0.01, m.nose + 0.06),
        ring(h - 0.16, 0.94, 0.03, m.nose),
        ring(h - 0.04, 0.88, 0.05, m.nose - 0.1),
        ring(h, 0.8, 0.08, m.nose - 0.2),
    ];
    let hot = Surface { material: Material::HotMetal, ..paint };
    let skirt = Surface { painted: false, material: Material::Plastic, colour: [38, 38, 40], ..paint };
    shape.loft_with(&rings, true, |i, side| match (i, side) {
        (5.., 3) => hot,
        (_, 7) => skirt,
        _ => paint,
    });
}

fn house(shape: &mut Shape, m: &Measures, paint: Surface) {
    let [_, width, height] = m.size;
    let (w, t) = (width / 2.0 * 0.9, width / 2.0 * 0.72);
    let [foot, front, rear, back] = m.house;
    let base = m.belt - 0.02;
    let roof = height - 0.05;
    let low = [[back, -w, base], [foot, -w, base], [foot, w, base], [back, w, base]];
    let high = [[rear, -t, roof], [front, -t, roof], [front, t, roof], [rear, t, roof]];
    shape.hexahedron(low, high, true, paint);
    // The roof's crown.
    let crown = [
        [rear + 0.12, -t * 0.8, height],
        [front - 0.12, -t * 0.8, height],
        [front - 0.12, t * 0.8, height],
        [rear + 0.12, t * 0.8, height],
    ];
    shape.hexahedron(high, crown, true, paint);
    let face = |i: usize| {
        let j = (i + 1) % 4;
        [low.get(i), low.get(j), high.get(j), high.get(i)].map(|p| p.copied().unwrap_or_default())
    };
    let frame = DARK(paint.tag);
    shape.panel(face(1), [0.04, 0.96], [0.02, 0.95], 0.003, frame);
    shape.panel(face(1), [0.07, 0.93], [0.08, 0.92], 0.006, GLASS);
    if m.name == "car.van" {
        shape.panel(face(3), [0.08, 0.48], [0.15, 0.88], 0.006, GLASS);
        shape.panel(face(3), [0.52, 0.92], [0.15, 0.88], 0.006, GLASS);
    } else {
        shape.panel(face(3), [0.08, 0.92], [0.1, 0.9], 0.006, GLASS);
    }
    for (side, forward) in [(0, true), (2, false)] {
        shape.panel(face(side), [0.035, 0.965], [0.06, 0.9], 0.003, frame);
        let n = m.windows.max(1) as f64;
        for k in 0..m.windows.max(1) {
            let (a, b) = (0.05 + 0.9 * k as f64 / n + 0.012, 0.05 + 0.9 * (k + 1) as f64 / n - 0.012);
            let span = if forward { [a, b] } else { [1.0 - b, 1.0 - a] };
            shape.panel(face(side), span, [0.1, 0.87], 0.006, GLASS);
        }
    }
}

/// Lamps, plates, grille and mirrors of the left half; the right half mirrors it.
fn fittings(m: &Measures, tag: Tag) -> Shape {
    let [length, width, _] = m.size;
    let (h, w) = (length / 2.0, width / 2.0);
    let mut s = Shape::default();
    // Head lamps run round the corner: the lens in front, the indicator beside it.
    let rim = |z: f64, lift: f64| {
        [[h - 0.2, w * 0.46, z], [h + 0.006 - lift, w * 0.46, z], [h + 0.002 - lift, w * 0.8, z], [h - 0.04 - lift, w * 0.9, z]]
    };
    let head = m.nose - 0.17;
    s.hexahedron(rim(head - 0.11, 0.0), rim(head + 0.03, 0.02), false, lens(Lamp::Head, [246, 244, 232], tag));
    let side = |z: f64, lift: f64| {
        [[h - 0.2, w * 0.86, z], [h - 0.045 - lift, w * 0.86, z], [h - 0.05 - lift, w * 0.915, z], [h - 0.2, w * 0.965, z]]
    };
    s.hexahedron(side(head - 0.085, 0.0), side(head + 0.005, 0.02), false, lens(Lamp::Left, [236, 150, 30], tag));
    let tail = m.tail - 0.22;
    s.cuboid([-h, w * 0.62, tail - 0.11], [-h + 0.14, w * 0.93, tail + 0.03], lens(Lamp::Tail, [170, 18, 18], tag));
    s.cuboid([-h - 0.005, w * 0.62, tail + 0.03], [-h + 0.14, w * 0.93, tail + 0.12], lens(Lamp::Brake, [190, 14, 14], tag));
    s.cuboid([-h - 0.004, w * 0.48, tail - 0.11], [-h + 0.12, w * 0.62, tail - 0.02], lens(Lamp::Reverse, [232, 232, 228], tag));
    s.cuboid([-h - 0.004, w * 0.48, tail - 0.02], [-h + 0.12, w * 0.62, tail + 0.1], lens(Lamp::Left, [226, 140, 26], tag));
    s.cuboid(
        [m.house[0] - 0.28, w * 0.93, m.belt - 0.02],
        [m.house[0] - 0.1, w + 0.13, m.belt + 0.13],
        Surface { painted: true, ..surface(Material::Plastic, [60; 3], tag) },
    );
    // Door handles and the line of the sill.
    for x in [0.05, -0.85] {
        s.cuboid([x - 0.1, w * 0.97, m.belt - 0.16], [x + 0.1, w + 0.012, m.belt - 0.12], DARK(tag));
    }
    s.cuboid([-m.wheelbase / 2.0 + m.wheel, w * 0.9, 0.2], [m.wheelbase / 2.0 - m.wheel, w + 0.008, 0.3], DARK(tag));
    s
}

/// A wheel whose outside has a rim of five spokes; its inside is never seen.
fn wheel(shape: &mut Shape, [x, y, z]: P3, radius: f64, side: f64, tag: Tag) {
    const HALF: f64 = 0.105;
    shape.bar([x, y - HALF, z], [x, y + HALF, z], [radius; 2], 16, true, TYRE(tag));
    let at = |turn: f64, r: f64, lift: f64| {
        let (sin, cos) = (-side * turn * std::f64::consts::TAU).sin_cos();
        [x + r * radius * cos, y + side * (HALF + lift), z + r * radius * sin]
    };
    let hollow: Vec<P3> = (0..10).map(|i| at(f64::from(i) / 10.0, 0.66, 0.002)).collect();
    shape.fan(&hollow, surface(Material::Metal, [52, 53, 56], tag));
    for i in 0..15 {
        let (a, b) = (f64::from(i) / 15.0, f64::from(i + 1) / 15.0);
        shape.quad([at(a, 0.58, 0.006), at(a, 0.68, 0.006), at(b, 0.68, 0.006), at(b, 0.58, 0.006)], RIM(tag));
    }
    for i in 0..5 {
        let turn = f64::from(i) / 5.0;
        shape.quad(
            [at(turn - 0.16, 0.13, 0.005), at(turn - 0.035, 0.6, 0.005), at(turn + 0.035, 0.6, 0.005), at(turn + 0.16, 0.13, 0.005)],
            RIM(tag),
        );
    }
    let hub: Vec<P3> = (0..6).map(|i| at(f64::from(i) / 6.0, 0.16, 0.008)).collect();
    shape.fan(&hub, RIM(tag));
}

fn wheels(shape: &mut Shape, m: &Measures, tag: Tag) {
    let w = m.size[1] / 2.0;
    for x in [-m.wheelbase / 2.0, m.wheelbase / 2.0] {
        for side in [-1.0, 1.0] {
            wheel(shape, [x, side * (w - 0.1), m.wheel], m.wheel, side, tag);
            // The dark arch above the wheel.
            let arch: Vec<P3> = (0..=8)
                .map(|i| {
                    let (sin, cos) = (f64::from(i) / 8.0 * std::f64::consts::PI).sin_cos();
                    [x + side * -cos * (m.wheel + 0.07), side * (w + 0.003), m.wheel + sin * (m.wheel + 0.06)]
                })
                .collect();
            shape.fan(&arch, DARK(tag));
        }
    }
}

/// One model.
pub(crate) fn car(m: &Measures) -> Arc<Body> {
    let tag = Tag::Car;
    let paint = painted(tag);
    let mut shape = Shape::default();
    shell(&mut shape, m, paint);
    house(&mut shape, m, paint);
    let left = fittings(m, tag);
    let mut right = Shape::default();
    right.mirrored(&left);
    shape.add(&left, 0.0, [0.0; 3]);
    super::swap_indicators(&mut right);
    shape.add(&right, 0.0, [0.0; 3]);
    wheels(&mut shape, m, tag);
    let (h, w) = (m.size[0] / 2.0, m.size[1] / 2.0);
    shape.cuboid([h - 0.06, -w * 0.42, m.nose - 0.27], [h + 0.004, w * 0.42, m.nose - 0.17], DARK(tag));
    shape.cuboid([h - 0.06, -0.11, m.nose - 0.245], [h + 0.01, 0.11, m.nose - 0.195], RIM(tag));
    let low = 0.29 + (m.wheel - 0.3).max(0.0);
    shape.cuboid([h - 0.09, -w * 0.6, low], [h + 0.005, w * 0.6, low + 0.1], DARK(tag));
    shape.cuboid([h - 0.02, -0.26, low + 0.01], [h + 0.012, 0.26, low + 0.12], PLATE(tag));
    shape.cuboid([-h - 0.006, -w * 0.66, low], [-h + 0.08, w * 0.66, low + 0.08], DARK(tag));
    shape.cuboid([-h - 0.012, -0.26, m.tail - 0.42], [-h + 0.02, 0.26, m.tail - 0.31], PLATE(tag));
    shape.cuboid(
        [m.house[2] - 0.1, -0.18, m.size[2] - 0.06],
        [m.house[2] + 0.02, 0.18, m.size[2] - 0.02],
        lens(Lamp::Brake, [180, 14, 14], tag),
    );
    if m.name == "car.pickup" {
        // The load bed's floor is dark; its walls stand up.
        shape.cuboid([-h + 0.1, -w * 0.82, m.tail - 0.01], [m.house[3] - 0.08, w * 0.82, m.tail + 0.012], DARK(tag));
        for side in [-1.0, 1.0] {
            let (a, b) = (side * w * 0.84, side * w * 0.93);
            shape.cuboid([-h + 0.06, a.min(b), m.tail], [m.house[3], a.max(b), m.tail + 0.16], paint);
        }
        shape.cuboid([-h + 0.03, -w * 0.92, m.tail], [-h + 0.1, w * 0.92, m.tail + 0.16], paint);
    }
    shape.body(m.name, Some("car"))
}
