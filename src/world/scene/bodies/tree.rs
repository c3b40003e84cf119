//! Trees and bushes: tapered trunks with a few branches, crowns of uneven balls.
//!
//! *In / Out*: a kind and chance; bodies, metres. *Invariant*: crowns start above head height, so that walks under them stay free.

use crate::world::model::{Body, Material, Tag};
use crate::world::scene::rng::Rng;
use crate::world::scene::shape::{P3, Shape, surface};
use std::sync::Arc;

/// A tree: kinds 0 to 3 have leaves, 4 and 5 are conifers, 6 is a tall poplar.
pub(crate) fn tree(kind: usize, rng: &mut Rng) -> Arc<Body> {
    let mut s = Shape::default();
    let bark = surface(Material::Wood, [92, 76, 58], Tag::Vegetation);
    let green = [[70, 104, 44], [86, 116, 50], [58, 94, 46], [112, 122, 52], [40, 74, 46], [46, 82, 56], [78, 110, 58]];
    let leaf = surface(Material::Foliage, green.get(kind).copied().unwrap_or([70, 100, 50]), Tag::Vegetation);
    if kind == 4 || kind == 5 {
        let height = rng.range(7.0, 11.0);
        s.bar([0.0; 3], [0.0, 0.0, height * 0.9], [0.16, 0.04], 6, false, bark);
        // Whorls of boughs: each a ragged skirt whose tips hang and whose middle lies closer to the stem.
        let whorls = 7;
        for k in 0..whorls {
            let share = f64::from(k) / f64::from(whorls);
            let z = 1.2 + share * (height - 1.6);
            let r = (1.0 - share).powf(0.85) * height * 0.20 + 0.25;
            let turn = f64::from(k) * 1.3;
            let mut ring = |scale: f64, z: f64, droop: f64| -> Vec<P3> {
                (0..10)
                    .map(|i| {
                        let tip = if i % 2 == 0 { rng.range(0.88, 1.12) } else { rng.range(0.58, 0.72) };
                        let (sin, cos) = (turn + f64::from(i) / 10.0 * std::f64::consts::TAU).sin_cos();
                        [scale * tip * cos, scale * tip * sin, z - droop * (tip - 0.6)]
                    })
                    .collect()
            };
            let rings = [ring(0.12, z + 0.05, 0.0), ring(r, z, 0.5), ring(0.06, z + height * 0.19, 0.0)];
            s.loft(&rings, false, leaf);
        }
        return s.body("tree.conifer", None);
    }
    let height = rng.range(6.0, 9.5) + if kind == 6 { 3.0 } else { 0.0 };
    let (stem, spread) = (rng.range(2.4, 3.0), if kind == 6 { 0.13 } else { rng.range(0.25, 0.33) });
    let lean = [rng.range(-0.2, 0.2), rng.range(-0.2, 0.2)];
    s.bar([0.0; 3], [0.0, 0.0, 0.35], [0.24, 0.17], 7, false, bark);
    s.bar([0.0, 0.0, 0.35], [lean[0], lean[1], stem + 0.8], [0.17, 0.12], 7, false, bark);
    let top = [lean[0], lean[1], stem + 0.7];
    let balls = if kind == 6 { 4 } else { 5 + rng.below(2) };
    for k in 0..balls {
        let turn = f64::from(u32::try_from(k).unwrap_or(0)) * 2.4 + rng.range(-0.5, 0.5);
        let share = k as f64 / balls as f64;
        let away = if kind == 6 { 0.1 } else { height * spread * 0.5 * rng.range(0.6, 1.0) * if k + 1 == balls { 0.1 } else { 1.0 } };
        let r = height * spread * rng.range(0.54, 0.76);
        let z = if kind == 6 {
            stem + 1.4 + share * (height - stem - 2.0)
        } else {
            stem + r * 0.75 + share * (height - stem - 1.6 * r).max(0.3)
        };
        let at = [top[0] + away * turn.cos(), top[1] + away * turn.sin(), z];
        s.bar(top, at, [0.09, 0.04], 5, false, bark);
        let tall = if kind == 6 { 1.7 } else { 0.85 };
        s.ball(at, [r, r, r * tall], [8, 5], |_, j| if j == 0 { 0.7 } else { rng.range(0.74, 1.14) }, leaf);
    }
    s.body("tree.leaves", None)
}

/// A bush or a piece of hedge.
pub(crate) fn bush(rng: &mut Rng) -> Arc<Body> {
    let mut s = Shape::default();
    let leaf = surface(Material::Foliage, [62, 92, 46], Tag::Vegetation);
    for x in [-0.5, 0.4] {
        let r = rng.range(0.5, 0.75);
        s.ball(
            [x, rng.range(-0.1, 0.1), r * 0.6],
            [r, r * 0.8, r * 0.75],
            [7, 4],
            |_, j| if j == 0 { 0.6 } else { rng.range(0.85, 1.1) },
            leaf,
        );
    }
    s.body("bush", None)
}
