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
