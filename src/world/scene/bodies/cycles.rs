//! Motorcycles and bicycles with their riders, and parked without.
//!
//! *In / Out*: bodies in their frame, metres. *Invariant*: the machine and the rider are tagged apart.

use super::people::{Seat, rider};
use super::{DARK, PLATE, TYRE, lens, painted};
use crate::world::model::{Body, Lamp, Material, Surface, Tag};
use crate::world::scene::shape::{P3, Shape, surface};
use std::sync::Arc;

/// A thin wheel with open middle: tyre ring, spokes' hub.
fn ring_wheel(s: &mut Shape, x: f64, radius: f64, width: f64, tag: Tag) {
    let point = |i: usize, r: f64, y: f64| -> P3 {
        let (sin, cos) = (i as f64 / 16.0 * std::f64::consts::TAU).sin_cos();
        [x + r * cos, y, radius + r * sin]
    };
    let (inner, h) = (radius - width.max(0.05), width / 2.0);
    for i in 0..16 {
        let j = i + 1;
        let (a, b) = (point(i, radius, -h), point(j, radius, -h));
        let (c, d) = (point(j, radius, h), point(i, radius, h));
        s.quad([a, d, c, b], TYRE(tag));
        s.quad([point(i, inner, -h), point(i, radius, -h), point(j, radius, -h), point(j, inner, -h)], TYRE(tag));
        s.quad([point(j, inner, h), point(j, radius, h), point(i, radius, h), point(i, inner, h)], TYRE(tag));
        s.quad([point(i, inner, -h), point(j, inner, -h), point(j, inner, h), point(i, inner, h)], TYRE(tag));
    }
    for i in [0, 3, 5, 8, 11, 13] {
        s.bar([x, 0.0, radius], point(i, inner, 0.0), [0.008; 2], 3, false, surface(Material::Metal, [180; 3], tag));
    }
    s.bar([x, -0.05, radius], [x, 0.05, radius], [0.035; 2], 6, true, DARK(tag));
}

/// A bicycle; with a rider or alone.
pub(crate) fn bicycle(ridden: bool) -> Arc<Body> {
    let tag = Tag::Bicycle;
    let frame = painted(tag);
    let mut s = Shape::default();
    let (rear, front, r) = (-0.52, 0.54, 0.34);
    ring_wheel(&mut s, rear, r, 0.04, tag);
    ring_wheel(&mut s, front, r, 0.04, tag);
    let (seat, crank, neck) = ([-0.2, 0.0, 0.86], [-0.08, 0.0, 0.3], [0.38, 0.0, 0.88]);
    for (a, b) in [
        ([-0.17, 0.0, 0.8], crank),
        (crank, [0.41, 0.0, 0.74]),
        ([0.41, 0.0, 0.76], [-0.17, 0.0, 0.76]),
        (crank, [rear, 0.05, r]),
        (crank, [rear, -0.05, r]),
        ([-0.17, 0.0, 0.78], [rear, 0.0, r]),
    ] {
        s.bar(a, b, [0.02; 2], 5, true, frame);
    }
    for y in [-0.05, 0.05] {
        s.bar(neck, [front, y, r], [0.018; 2], 5, true, frame);
    }
    s.bar(neck, [0.36, 0.0, 1.0], [0.02; 2], 5, true, DARK(tag));
    s.bar([0.4, -0.27, 1.0], [0.4, 0.27, 1.0], [0.016; 2], 5, true, DARK(tag));
    s.cuboid([seat[0] - 0.14, -0.07, 0.87], [seat[0] + 0.14, 0.07, 0.93], DARK(tag));
    s.bar([crank[0], -0.12, 0.3], [crank[0], 0.12, 0.3], [0.03; 2], 6, true, DARK(tag));
    s.cuboid([0.44, -0.04, 0.86], [0.5, 0.04, 0.93], lens(Lamp::Head, [246, 244, 232], tag));
    s.cuboid([-0.62, -0.03, 0.7], [-0.58, 0.03, 0.76], lens(Lamp::Tail, [180, 16, 16], tag));
    s.cuboid([-0.6, -0.025, 0.6], [-0.57, 0.025, 0.66], surface(Material::Reflector, [200, 30, 30], tag));
    if ridden {
        rider(
            &mut s,
            &Seat {
                hip: [-0.19, 1.0],
                shoulder: [0.12, 1.46],
                hand: [0.4, 1.02],
                feet: [[-0.02, 0.18], [-0.1, 0.46]],
                helmet: [220, 220, 224],
            },
        );
    }
    s.body(if ridden { "bicycle.ridden" } else { "bicycle.parked" }, Some("bicycle"))
}

/// A motorcycle; with a rider or alone.
pub(crate) fn motorcycle(ridden: bool) -> Arc<Body> {
    let tag = Tag::Motorcycle;
    let paint = painted(tag);
    let mut s = Shape::default();
    let (rear, front, r) = (-0.7, 0.72, 0.31);
    for (x, width) in [(rear, 0.17), (front, 0.13)] {
        s.wheel([x, 0.0, r], r, width, TYRE(tag), surface(Material::Metal, [120; 3], tag));
    }
    s.cuboid([-0.3, -0.17, 0.28], [0.32, 0.17, 0.62], Surface { material: Material::HotMetal, colour: [70, 70, 74], ..paint });
    let ring =
        |x: f64, half: f64, low: f64, high: f64| vec![[x, half, low], [x, half * 0.8, high], [x, -half * 0.8, high], [x, -half, low]];
    s.loft(&[ring(-0.25, 0.13, 0.62, 0.78), ring(0.05, 0.19, 0.62, 0.92), ring(0.38, 0.15, 0.64, 0.88)], true, paint);
    s.loft(
        &[ring(-1.0, 0.07, 0.72, 0.84), ring(-0.6, 0.14, 0.64, 0.82), ring(-0.2, 0.13, 0.64, 0.8)],
        true,
        Surface { painted: false, material: Material::Plastic, colour: [30; 3], ..paint },
    );
    for y in [-0.1, 0.1] {
        s.bar([0.5, y, 0.86], [front, y, r], [0.03; 2], 5, true, DARK(tag));
        s.bar([-0.15, y, 0.36], [rear, y, r], [0.035; 2], 5, true, DARK(tag));
    }
    s.bar([-0.2, -0.2, 0.34], [-0.95, -0.22, 0.42], [0.05, 0.065], 7, true, Surface { material: Material::HotMetal, ..DARK(tag) });
    s.bar([0.42, -0.36, 1.02], [0.42, 0.36, 1.02], [0.018; 2], 5, true, DARK(tag));
    s.cuboid([0.52, -0.11, 0.76], [0.68, 0.11, 0.96], lens(Lamp::Head, [246, 244, 232], tag));
    s.cuboid([-1.05, -0.07, 0.68], [-1.0, 0.07, 0.74], lens(Lamp::Tail, [170, 18, 18], tag));
    s.cuboid([-1.05, -0.07, 0.74], [-1.0, 0.07, 0.8], lens(Lamp::Brake, [190, 14, 14], tag));
    s.cuboid([-1.03, -0.09, 0.52], [-1.0, 0.09, 0.64], PLATE(tag));
    for (lamp, y) in [(Lamp::Left, 0.16), (Lamp::Right, -0.2)] {
        for x in [0.5, -0.98] {
            s.cuboid([x, y, 0.72], [x + 0.04, y + 0.04, 0.77], lens(lamp, [236, 150, 30], tag));
        }
    }
    let screen = [[0.5, -0.15, 0.98], [0.5, 0.15, 0.98], [0.38, 0.12, 1.22], [0.38, -0.12, 1.22]];
    s.quad(screen, super::GLASS);
    s.quad([screen[1], screen[0], screen[3], screen[2]], super::GLASS);
    if ridden {
        rider(
            &mut s,
            &Seat {
                hip: [-0.3, 0.92],
                shoulder: [-0.02, 1.4],
                hand: [0.4, 1.03],
                feet: [[-0.08, 0.34], [-0.08, 0.34]],
                helmet: [40, 44, 60],
            },
        );
    }
    s.body(if ridden { "motorcycle.ridden" } else { "motorcycle.parked" }, Some("motorcycle"))
}
