//! Bodies: the shapes of everything that stands or moves in the town.
//!
//! *In / Out*: a [`Gallery`] with one body per model, shared by all instances. *Invariant*: [`Body::size`] holds the mesh; all ten
//! nuScenes detection classes are there.
#![allow(non_snake_case)] // surfaces by tag read like the constants beside them

mod building;
mod car;
mod cycles;
mod heavy;
mod people;
mod street;
mod tree;

pub(crate) use building::{Style, building};
pub(crate) use people::Person;
pub(crate) use street::Sign;

use super::rng::Rng;
use super::shape::{Shape, surface};
use crate::world::model::{Body, Lamp, Material, Surface, Tag};
use std::sync::Arc;

pub(crate) const GLASS: Surface = surface(Material::Glass, [30, 36, 42], Tag::Car);

pub(crate) const fn DARK(tag: Tag) -> Surface {
    surface(Material::Plastic, [30, 30, 32], tag)
}
pub(crate) const fn TYRE(tag: Tag) -> Surface {
    surface(Material::Rubber, [26, 26, 27], tag)
}
pub(crate) const fn RIM(tag: Tag) -> Surface {
    surface(Material::Metal, [158, 160, 164], tag)
}
pub(crate) const fn PLATE(tag: Tag) -> Surface {
    surface(Material::Reflector, [232, 232, 226], tag)
}
/// Sheet metal in the instance's paint.
pub(crate) const fn painted(tag: Tag) -> Surface {
    Surface { painted: true, ..surface(Material::Metal, [150, 150, 150], tag) }
}
pub(crate) const fn lens(lamp: Lamp, colour: [u8; 3], tag: Tag) -> Surface {
    Surface { lamp, ..surface(Material::Lens, colour, tag) }
}

/// Left indicators of a mirrored half are right ones.
pub(crate) fn swap_indicators(shape: &mut Shape) {
    shape.each_surface(|s| {
        s.lamp = match s.lamp {
            Lamp::Left => Lamp::Right,
            Lamp::Right => Lamp::Left,
            other => other,
        };
    });
}

/// All models.
#[derive(Debug, Clone)]
pub(crate) struct Gallery {
    pub(crate) cars: Vec<Arc<Body>>,
    pub(crate) trucks: Vec<Arc<Body>>,
    pub(crate) bus: Arc<Body>,
    pub(crate) trailer: Arc<Body>,
    pub(crate) diggers: Vec<Arc<Body>>,
    pub(crate) people: Vec<Person>,
    pub(crate) bicycle: Arc<Body>,
    pub(crate) motorcycle: Arc<Body>,
    pub(crate) parked_bicycle: Arc<Body>,
    pub(crate) parked_motorcycle: Arc<Body>,
    pub(crate) cone: Arc<Body>,
    pub(crate) barrier: Arc<Body>,
    pub(crate) trees: Vec<Arc<Body>>,
    pub(crate) bushes: Vec<Arc<Body>>,
    pub(crate) lamp: Arc<Body>,
    pub(crate) low_lamp: Arc<Body>,
    pub(crate) light_arm: Arc<Body>,
    pub(crate) light_pole: Arc<Body>,
    pub(crate) fences: [Arc<Body>; 2],
    pub(crate) bench: Arc<Body>,
    pub(crate) bin: Arc<Body>,
    pub(crate) shelter: Arc<Body>,
}

impl Gallery {
    /// The models; trees grow by chance.
    pub(crate) fn new(rng: &Rng) -> Self {
        let mut rng = rng.fork(4);
        Self {
            cars: car::MODELS.iter().map(car::car).collect(),
            trucks: vec![heavy::box_truck(), heavy::tipper()],
            bus: heavy::bus(),
            trailer: heavy::trailer(),
            diggers: vec![heavy::loader(), heavy::excavator()],
            people: people::people(),
            bicycle: cycles::bicycle(true),
            motorcycle: cycles::motorcycle(true),
            parked_bicycle: cycles::bicycle(false),
            parked_motorcycle: cycles::motorcycle(false),
            cone: street::cone(),
            barrier: street::barrier(),
            trees: (0..7).map(|i| tree::tree(i, &mut rng)).collect(),
            bushes: (0..3).map(|_| tree::bush(&mut rng)).collect(),
            lamp: street::lamp(8.0),
            low_lamp: street::lamp(5.6),
            light_arm: street::light(5.2),
            light_pole: street::light(0.0),
            fences: [street::fence(3.0, true), street::fence(3.0, false)],
            bench: street::bench(),
            bin: street::bin(),
            shelter: street::shelter(),
        }
    }
    /// A sign's body.
    pub(crate) fn sign(kind: Sign) -> Arc<Body> {
        street::sign(kind)
    }
    /// Every body, for checks.
    #[cfg(test)]
    pub(crate) fn all(&self) -> Vec<&Arc<Body>> {
        let one = [
            &self.bus,
            &self.trailer,
            &self.bicycle,
            &self.motorcycle,
            &self.parked_bicycle,
            &self.parked_motorcycle,
            &self.cone,
            &self.barrier,
        ];
        let two = [&self.lamp, &self.low_lamp, &self.light_arm, &self.light_pole, &self.bench, &self.bin, &self.shelter];
        let people = self.people.iter().flat_map(|p| std::iter::once(&p.stand).chain(&p.stride));
        let lists = [&self.cars, &self.trucks, &self.diggers, &self.trees, &self.bushes].into_iter().flatten();
        one.into_iter().chain(two).chain(people).chain(lists).chain(&self.fences).collect()
    }
}

/// Paints of cars with their share in the streets.
const PAINTS: [([u8; 3], f64); 12] = [
    ([226, 226, 224], 24.0),
    ([24, 24, 26], 20.0),
    ([120, 124, 128], 18.0),
    ([178, 180, 182], 12.0),
    ([30, 52, 104], 9.0),
    ([150, 22, 26], 8.0),
    ([40, 92, 150], 3.0),
    ([74, 62, 50], 3.0),
    ([36, 70, 46], 2.0),
    ([196, 170, 120], 2.0),
    ([214, 104, 24], 1.5),
    ([222, 190, 40], 1.5),
];

/// A car's paint by chance.
pub(crate) fn car_paint(rng: &mut Rng) -> [u8; 3] {
    let weights: Vec<f64> = PAINTS.iter().map(|p| p.1).collect();
    rng.weighted(&weights).and_then(|i| PAINTS.get(i)).map_or([128; 3], |p| p.0)
}

/// A coat's colour by chance.
pub(crate) fn coat(rng: &mut Rng) -> [u8; 3] {
    const COATS: [[u8; 3]; 12] = [
        [40, 42, 50],
        [84, 88, 96],
        [126, 34, 38],
        [44, 70, 120],
        [196, 188, 170],
        [60, 86, 62],
        [214, 166, 60],
        [150, 90, 120],
        [230, 228, 224],
        [96, 70, 48],
        [58, 120, 130],
        [28, 30, 36],
    ];
    rng.pick(&COATS).copied().unwrap_or([90; 3])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::num;

    /// First hit of a ray: distance, and whether the triangle faces the ray.
    fn first_hit(body: &Body, from: [f64; 3], dir: [f64; 3]) -> Option<(f64, bool)> {
        let minus = |a: [f64; 3], b: [f64; 3]| [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
        let cross = |a: [f64; 3], b: [f64; 3]| [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
        let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
        let mut best: Option<(f64, bool)> = None;
        for (c, _) in &body.mesh.triangles {
            let [a, b, c] = c.map(|i| body.mesh.vertices[num::usize(i)].map(f64::from));
            let (e1, e2) = (minus(b, a), minus(c, a));
            let p = cross(dir, e2);
            let det = dot(e1, p);
            if det.abs() < 1e-12 {
                continue;
            }
            let t = minus(from, a);
            let u = dot(t, p) / det;
            let q = cross(t, e1);
            let v = dot(dir, q) / det;
            let s = dot(e2, q) / det;
            if u >= 0.0 && v >= 0.0 && u + v <= 1.0 && s > 1e-6 && best.is_none_or(|(d, _)| s < d + 1e-9) {
                // Of the two sides of a sheet the one that faces the ray is seen.
                let sheet = best.is_some_and(|(d, front)| front && (s - d).abs() < 1e-9);
                best = Some((s, det > 0.0 || sheet));
            }
        }
        best
    }

    #[test]
    fn every_body_is_seen_from_outside_and_held_by_its_box() {
        let gallery = Gallery::new(&Rng::new(5));
        let mut rng = Rng::new(6);
        let kinds = [Sign::Stop, Sign::Yield, Sign::Priority, Sign::Limit, Sign::Crossing, Sign::Works].map(Gallery::sign);
        let houses: Vec<Arc<Body>> = [Style::House, Style::Row, Style::Office]
            .into_iter()
            .flat_map(|style| (0..6).map(move |i| (style, i)))
            .map(|(style, _)| building(style, [12.0, rng.range(9.0, 20.0), rng.range(6.0, 16.0)], &mut rng))
            .collect();
        let mut all: Vec<Arc<Body>> = gallery.all().into_iter().cloned().collect();
        all.extend(kinds.into_iter().chain(houses));
        for body in &all {
            let [l, w, h] = body.size;
            for v in &body.mesh.vertices {
                let v = v.map(f64::from);
                assert!(v.iter().all(|x| x.is_finite()));
                assert!(
                    v[0].abs() <= l / 2.0 + 1e-5 && v[1].abs() <= w / 2.0 + 1e-5 && (-0.02..=h + 1e-5).contains(&v[2]),
                    "{}: {v:?} outside {:?}",
                    body.name,
                    body.size
                );
            }
            let (mut hits, mut wrong) = (0, 0);
            for _ in 0..400 {
                let target = [rng.range(-l, l) / 2.0, rng.range(-w, w) / 2.0, rng.range(0.0, h)];
                let (turn, up) = (rng.range(-3.2, 3.2), rng.range(0.05, 1.4));
                let far = 3.0 * (l + w + h);
                let from = [target[0] + far * turn.cos() * up.cos(), target[1] + far * turn.sin() * up.cos(), target[2] + far * up.sin()];
                let dir = [target[0] - from[0], target[1] - from[1], target[2] - from[2]];
                if let Some((_, front)) = first_hit(body, from, dir) {
                    hits += 1;
                    wrong += i32::from(!front);
                }
            }
            assert!(hits > 5, "{}: {hits} hits", body.name);
            assert!(f64::from(wrong) <= 0.01 * f64::from(hits), "{}: {wrong} of {hits} first hits see the inside", body.name);
            assert!(body.mesh.triangles.len() < 1500, "{}: {}", body.name, body.mesh.triangles.len());
        }
    }

    #[test]
    fn all_ten_classes_have_plausible_sizes() {
        let gallery = Gallery::new(&Rng::new(5));
        let range = |class: &str| match class {
            "car" => ([3.4, 5.5], [1.6, 2.3], [1.4, 2.1]),
            "truck" => ([6.0, 9.5], [2.2, 3.0], [2.5, 3.6]),
            "bus" => ([10.0, 13.0], [2.4, 3.1], [2.9, 3.5]),
            "trailer" => ([9.0, 14.0], [2.3, 2.8], [3.4, 4.2]),
            "construction_vehicle" => ([5.0, 8.0], [2.2, 3.2], [2.7, 3.8]),
            "pedestrian" => ([0.4, 1.4], [0.4, 0.9], [1.1, 2.0]),
            "motorcycle" => ([1.9, 2.4], [0.6, 1.0], [1.1, 1.8]),
            "bicycle" => ([1.6, 2.0], [0.4, 0.8], [1.0, 1.9]),
            "traffic_cone" => ([0.3, 0.5], [0.3, 0.5], [0.6, 1.0]),
            "barrier" => ([0.4, 0.7], [1.8, 2.6], [0.8, 1.2]),
            other => panic!("{other}"),
        };
        let mut seen = std::collections::BTreeSet::new();
        for body in gallery.all() {
            let Some(class) = body.class else { continue };
            let (l, w, h) = range(class);
            for (value, [low, high]) in body.size.into_iter().zip([l, w, h]) {
                assert!((low..=high).contains(&value), "{}: {:?}", body.name, body.size);
            }
            seen.insert(class);
        }
        assert_eq!(seen.len(), 10);
    }
}
