//! Trucks, buses, trailers and construction vehicles.
//!
//! *In / Out*: bodies in their frame, metres. *Invariant*: as for cars, each visible part is its own surface.

use super::{DARK, GLASS, PLATE, RIM, TYRE, lens, painted, swap_indicators};
use crate::world::model::{Body, Lamp, Material, Surface, Tag};
use crate::world::scene::shape::{Shape, rectangle, surface};
use std::sync::Arc;

/// Head lamps, tail lamps, indicators at both ends, left half.
fn lamps(front: f64, rear: f64, half: f64, height: f64, tag: Tag) -> Shape {
    let mut s = Shape::default();
    s.cuboid([front - 0.08, half * 0.62, height], [front + 0.012, half * 0.9, height + 0.2], lens(Lamp::Head, [246, 244, 232], tag));
    s.cuboid([front - 0.08, half * 0.9, height], [front + 0.01, half, height + 0.2], lens(Lamp::Left, [236, 150, 30], tag));
    s.cuboid([rear - 0.012, half * 0.8, height], [rear + 0.06, half * 0.97, height + 0.13], lens(Lamp::Tail, [170, 18, 18], tag));
    s.cuboid([rear - 0.014, half * 0.8, height + 0.13], [rear + 0.06, half * 0.97, height + 0.26], lens(Lamp::Brake, [190, 14, 14], tag));
    s.cuboid([rear - 0.014, half * 0.66, height], [rear + 0.06, half * 0.8, height + 0.13], lens(Lamp::Left, [226, 140, 26], tag));
    s.cuboid([rear - 0.012, half * 0.52, height], [rear + 0.06, half * 0.66, height + 0.13], lens(Lamp::Reverse, [230, 230, 226], tag));
    s
}

fn both(shape: &mut Shape, left: &Shape) {
    let mut right = Shape::default();
    right.mirrored(left);
    swap_indicators(&mut right);
    shape.add(left, 0.0, [0.0; 3]);
    shape.add(&right, 0.0, [0.0; 3]);
}

fn axle(shape: &mut Shape, x: f64, half: f64, radius: f64, tag: Tag) {
    for side in [-1.0, 1.0] {
        shape.wheel([x, side * (half - 0.17), radius], radius, 0.33, TYRE(tag), RIM(tag));
    }
}

/// A cab over the engine, from `rear` to `front`.
fn cab(shape: &mut Shape, rear: f64, front: f64, half: f64, top: f64, tag: Tag) {
    let paint = painted(tag);
    let low = rectangle([rear, -half, 0.0], [front, half, 0.0], 0.45);
    let high = rectangle([rear, -half * 0.96, 0.0], [front - 0.22, half * 0.96, 0.0], top);
    shape.hexahedron(low, high, false, Surface { material: Material::Metal, ..paint });
    let face = |i: usize, j: usize| [low.get(i), low.get(j), high.get(j), high.get(i)].map(|p| p.copied().unwrap_or_default());
    shape.panel(face(1, 2), [0.06, 0.94], [0.52, 0.88], 0.008, GLASS);
    shape.panel(face(1, 2), [0.18, 0.82], [0.08, 0.34], 0.008, Surface { material: Material::HotMetal, ..DARK(tag) });
    shape.panel(face(0, 1), [0.42, 0.92], [0.52, 0.86], 0.008, GLASS);
    shape.panel(face(2, 3), [0.08, 0.58], [0.52, 0.86], 0.008, GLASS);
    for side in [-1.0, 1.0] {
        let (a, b) = (side * half, side * (half + 0.2));
        shape.cuboid([front - 0.32, a.min(b), top * 0.62], [front - 0.22, a.max(b), top * 0.62 + 0.48], DARK(tag));
    }
    shape.cuboid([front - 0.04, -half, 0.34], [front + 0.05, half, 0.62], DARK(tag));
    shape.cuboid([front + 0.04, -0.26, 0.42], [front + 0.06, 0.26, 0.53], PLATE(tag));
}

/// A delivery truck with a box body.
pub(crate) fn box_truck() -> Arc<Body> {
    let tag = Tag::Truck;
    let mut s = Shape::default();
    let (front, rear, half) = (3.75, -3.75, 1.2);
    cab(&mut s, 1.95, front - 0.06, half * 0.94, 2.55, tag);
    let box_ = Surface { painted: false, ..surface(Material::Metal, [222, 222, 218], tag) };
    s.cuboid([rear, -half, 1.0], [1.85, half, 3.3], box_);
    // Ribs of the box, doors' bars, chassis.
    for i in 0..5 {
        let x = rear + 0.6 + f64::from(i) * 1.15;
        for side in [-1.0, 1.0] {
            let (a, b) = (side * half, side * (half + 0.015));
            s.cuboid([x - 0.04, a.min(b), 1.05], [x + 0.04, a.max(b), 3.25], Surface { colour: [190, 190, 188], ..box_ });
        }
    }
    for y in [-0.5, 0.5] {
        s.cuboid([rear - 0.03, y - 0.02, 1.05], [rear, y + 0.02, 3.2], DARK(tag));
    }
    s.cuboid([rear, -0.45, 0.65], [front - 1.0, 0.45, 1.0], DARK(tag));
    s.cuboid([rear, -half, 0.45], [rear + 0.08, half, 0.62], DARK(tag));
    s.cuboid([rear - 0.01, -0.26, 0.66], [rear, 0.26, 0.77], PLATE(tag));
    axle(&mut s, 2.75, half, 0.46, tag);
    axle(&mut s, -2.1, half, 0.46, tag);
    both(&mut s, &lamps(front - 0.04, rear, half * 0.94, 0.66, tag));
    s.body("truck.box", Some("truck"))
}

/// A tipper with an open load.
pub(crate) fn tipper() -> Arc<Body> {
    let tag = Tag::Truck;
    let mut s = Shape::default();
    let (front, rear, half) = (4.05, -4.05, 1.24);
    cab(&mut s, 2.0, front - 0.06, half * 0.96, 2.9, tag);
    let steel = surface(Material::Metal, [196, 132, 40], tag);
    let low = rectangle([rear, -half * 0.92, 0.0], [1.8, half * 0.92, 0.0], 1.1);
    let high = rectangle([rear - 0.05, -half, 0.0], [1.85, half, 0.0], 2.6);
    s.hexahedron(low, high, false, steel);
    s.cuboid([rear + 0.15, -half * 0.9, 2.55], [1.65, half * 0.9, 2.66], surface(Material::Soil, [112, 92, 70], tag));
    s.cuboid([rear + 0.2, -0.45, 0.65], [front - 1.0, 0.45, 1.1], DARK(tag));
    for x in [2.95, -1.9, -3.15] {
        axle(&mut s, x, half, 0.52, tag);
    }
    s.cuboid([rear - 0.02, -0.26, 0.8], [rear + 0.2, 0.26, 0.92], PLATE(tag));
    both(&mut s, &lamps(front - 0.04, rear + 0.02, half * 0.94, 0.7, tag));
    s.body("truck.tipper", Some("truck"))
}

/// A city bus.
pub(crate) fn bus() -> Arc<Body> {
    let tag = Tag::Bus;
    let paint = painted(tag);
    let mut s = Shape::default();
    let (h, half, top) = (5.2, 1.24, 3.08);
    let low = rectangle([-h, -half, 0.0], [h, half, 0.0], 0.32);
    let high = rectangle([-h + 0.06, -half * 0.97, 0.0], [h - 0.16, half * 0.97, 0.0], top);
    s.hexahedron(low, high, false, paint);
    let face = |i: usize, j: usize| [low.get(i), low.get(j), high.get(j), high.get(i)].map(|p| p.copied().unwrap_or_default());
    s.panel(face(1, 2), [0.05, 0.95], [0.32, 0.84], 0.008, GLASS);
    s.panel(face(1, 2), [0.15, 0.85], [0.87, 0.97], 0.012, lens(Lamp::On, [240, 160, 40], tag));
    s.panel(face(3, 0), [0.12, 0.88], [0.5, 0.82], 0.008, GLASS);
    s.panel(face(3, 0), [0.1, 0.9], [0.12, 0.4], 0.008, Surface { material: Material::HotMetal, ..DARK(tag) });
    for k in 0..7 {
        let (a, b) = (0.03 + f64::from(k) * 0.135, 0.03 + f64::from(k) * 0.135 + 0.122);
        s.panel(face(2, 3), [a, b], [0.38, 0.8], 0.008, GLASS);
        // Doors on the right: glass down to the step.
        let door = k == 3 || k == 6;
        s.panel(face(0, 1), [a, b], [if door { 0.04 } else { 0.38 }, 0.8], 0.008, GLASS);
    }
    s.cuboid([-3.0, -0.9, top], [-0.4, 0.9, top + 0.22], surface(Material::Metal, [210, 210, 208], tag));
    for side in [-1.0, 1.0] {
        s.cuboid([h - 0.1, (side * 1.22f64).min(side * 1.38), 2.1], [h + 0.06, (side * 1.22f64).max(side * 1.38), 2.6], DARK(tag));
    }
    axle(&mut s, 2.75, half + 0.01, 0.48, tag);
    axle(&mut s, -2.3, half + 0.01, 0.48, tag);
    s.cuboid([h, -0.26, 0.45], [h + 0.02, 0.26, 0.56], PLATE(tag));
    s.cuboid([-h - 0.02, -0.26, 0.45], [-h, 0.26, 0.56], PLATE(tag));
    both(&mut s, &lamps(h - 0.01, -h + 0.005, half, 0.62, tag));
    s.body("bus.city", Some("bus"))
}

/// A box trailer on its support legs, as it stands parked.
pub(crate) fn trailer() -> Arc<Body> {
    let tag = Tag::Truck;
    let mut s = Shape::default();
    let (h, half) = (5.4, 1.25);
    let skin = painted(tag);
    s.cuboid([-h, -half, 1.12], [h, half, 3.75], skin);
    s.cuboid([-h + 0.1, -0.5, 0.82], [h - 0.8, 0.5, 1.12], DARK(tag));
    for x in [-2.4, -3.6, -4.7] {
        axle(&mut s, x, half, 0.5, tag);
    }
    for y in [-0.75, 0.75] {
        s.cuboid([2.6, y - 0.07, 0.0], [2.76, y + 0.07, 1.12], DARK(tag));
        s.cuboid([-h - 0.02, y - 0.03, 1.15], [-h, y + 0.03, 3.7], DARK(tag));
    }
    for side in [-1.0, 1.0] {
        let y = side * (half + 0.006);
        s.cuboid([-1.6, y.min(side * half), 0.55], [2.3, y.max(side * half), 1.0], surface(Material::Metal, [150, 150, 150], tag));
    }
    s.cuboid([-h - 0.012, -half, 0.98], [-h, half, 1.1], surface(Material::Reflector, [200, 30, 30], tag));
    let mut left = Shape::default();
    left.cuboid([-h - 0.02, half * 0.74, 0.84], [-h, half * 0.97, 0.98], lens(Lamp::Tail, [170, 18, 18], tag));
    both(&mut s, &left);
    s.body("trailer.box", Some("trailer"))
}

/// A wheel loader.
pub(crate) fn loader() -> Arc<Body> {
    let tag = Tag::Truck;
    let mut s = Shape::default();
    let yellow = surface(Material::Metal, [228, 168, 20], tag);
    let hot = Surface { material: Material::HotMetal, ..yellow };
    s.cuboid([-3.0, -0.95, 0.75], [-0.7, 0.95, 1.95], hot);
    s.cuboid([-0.7, -0.6, 0.7], [1.4, 0.6, 1.35], yellow);
    let low = rectangle([-0.9, -0.75, 0.0], [0.55, 0.75, 0.0], 1.35);
    let high = rectangle([-0.75, -0.68, 0.0], [0.3, 0.68, 0.0], 3.1);
    s.hexahedron(low, high, false, yellow);
    for (i, j) in [(0, 1), (1, 2), (2, 3), (3, 0)] {
        let q = [low.get(i), low.get(j), high.get(j), high.get(i)].map(|p| p.copied().unwrap_or_default());
        s.panel(q, [0.08, 0.92], [0.2, 0.9], 0.01, GLASS);
    }
    for y in [-0.55, 0.55] {
        s.bar([1.0, y, 1.5], [2.6, y, 0.75], [0.14, 0.12], 6, true, yellow);
        s.bar([0.9, y, 1.0], [1.9, y, 1.25], [0.06; 2], 6, true, DARK(tag));
    }
    let lip = rectangle([2.5, -1.3, 0.0], [3.35, 1.3, 0.0], 0.12);
    let back = rectangle([2.45, -1.3, 0.0], [2.8, 1.3, 0.0], 1.15);
    s.hexahedron(lip, back, false, Surface { colour: [90, 90, 88], ..yellow });
    for x in [-1.75, 1.15] {
        for side in [-1.0, 1.0] {
            s.wheel([x, side * 1.02, 0.72], 0.72, 0.55, TYRE(tag), Surface { colour: [228, 168, 20], ..RIM(tag) });
        }
    }
    s.cuboid([-0.3, -0.1, 3.1], [-0.1, 0.1, 3.28], lens(Lamp::On, [250, 150, 20], tag));
    s.body("construction.loader", Some("construction_vehicle"))
}

/// A tracked excavator with its arm forward.
pub(crate) fn excavator() -> Arc<Body> {
    let tag = Tag::Truck;
    let mut s = Shape::default();
    let orange = surface(Material::Metal, [226, 120, 24], tag);
    for side in [-1.0, 1.0] {
        let ring: Vec<[f64; 3]> =
            [[-1.7, 0.25], [-1.45, 0.0], [1.45, 0.0], [1.7, 0.25], [1.7, 0.55], [1.45, 0.8], [-1.45, 0.8], [-1.7, 0.55]]
                .iter()
                .rev()
                .map(|[x, z]| [*x, side * 1.1 - 0.25, *z])
                .collect();
        let other: Vec<[f64; 3]> = ring.iter().map(|p| [p[0], p[1] + 0.5, p[2]]).collect();
        s.loft(&[ring, other], true, TYRE(tag));
    }
    s.cuboid([-0.6, -0.9, 0.5], [0.6, 0.9, 0.95], DARK(tag));
    s.cuboid([-2.1, -1.25, 0.95], [0.2, 1.25, 1.95], Surface { material: Material::HotMetal, ..orange });
    let low = rectangle([-0.1, 0.15, 0.0], [1.3, 1.2, 0.0], 0.95);
    let high = rectangle([-0.05, 0.2, 0.0], [1.05, 1.15, 0.0], 2.75);
    s.hexahedron(low, high, false, orange);
    for (i, j) in [(0, 1), (1, 2), (2, 3), (3, 0)] {
        let q = [low.get(i), low.get(j), high.get(j), high.get(i)].map(|p| p.copied().unwrap_or_default());
        s.panel(q, [0.08, 0.92], [0.35, 0.92], 0.01, GLASS);
    }
    s.bar([0.3, -0.3, 1.5], [2.3, -0.3, 3.3], [0.3, 0.24], 6, true, orange);
    s.bar([2.3, -0.3, 3.3], [3.3, -0.3, 1.3], [0.24, 0.16], 6, true, orange);
    s.cuboid([2.75, -0.85, 0.55], [3.45, 0.25, 1.3], Surface { colour: [80, 80, 80], ..orange });
    s.body("construction.excavator", Some("construction_vehicle"))
}
