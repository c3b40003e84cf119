//! A town: its name and size, and everything built from them.
//!
//! *In*: a name such as `town-03`, or a number of junctions and a seed. *Out*: network, blocks, scene, obstacles.
//! *Invariant*: building twice gives the same; an unknown name or an impossible size is an error that says what there is.

use super::blocks::{self, Block};
use super::bodies::{Gallery, car_paint};
use super::grid::Grid;
use super::ground::{self, Ground, KERB};
use super::map::TownMap;
use super::network::Network;
use super::polygon::{Footprint, P2};
use super::rng::Rng;
use super::stock::{Obstacle, Stock};
use super::{crossroads, plan, roadside, streets, walks, yards};
use crate::types::{Error, Result, nearest};
use crate::world::model::Scene;
use std::sync::Arc;

/// Names, junctions and seeds of the towns that have names.
const TOWNS: [(&str, usize, u64); 10] = [
    ("town-01", 4, 11),
    ("town-02", 7, 23),
    ("town-03", 12, 35),
    ("town-04", 16, 47),
    ("town-05", 24, 59),
    ("town-06", 36, 61),
    ("town-07", 48, 73),
    ("town-08", 64, 85),
    ("town-09", 80, 97),
    ("town-10", 100, 109),
];

/// Names of the towns, small to large.
pub fn town_names() -> impl Iterator<Item = &'static str> {
    TOWNS.iter().map(|t| t.0)
}

/// Which town to build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TownSpec {
    /// Its name.
    pub name: String,
    /// Number of junctions, 4 to 100.
    pub junctions: usize,
    /// What chance depends on.
    pub seed: u64,
}

impl TownSpec {
    /// The town of a name.
    ///
    /// # Errors
    /// Where no town has this name; the error says which comes nearest.
    pub fn named(name: &str) -> Result<Self> {
        let found = TOWNS.iter().find(|t| t.0 == name);
        found.map(|(name, junctions, seed)| Self { name: (*name).to_owned(), junctions: *junctions, seed: *seed }).ok_or_else(|| {
            let near = nearest(name, town_names()).map_or_else(String::new, |n| format!("; did you mean `{n}`?"));
            Error::mismatch("a town, town-01 to town-10", format!("`{name}`{near}"), "town")
        })
    }
    /// A town of any size.
    ///
    /// # Errors
    /// Where the number of junctions is not 4 to 100.
    pub fn sized(junctions: usize, seed: u64) -> Result<Self> {
        if !(4..=100).contains(&junctions) {
            return Err(Error::mismatch("a town of 4 to 100 junctions", junctions.to_string(), "town"));
        }
        Ok(Self { name: format!("town-{junctions}j-{seed}"), junctions, seed })
    }
}

/// A town.
#[derive(Debug, Clone)]
pub struct Town {
    /// What it was built from.
    pub spec: TownSpec,
    /// Roads, lanes, junctions, lights, crossings, walks.
    pub network: Network,
    /// Blocks between the streets, the outside last.
    pub blocks: Vec<Block>,
    /// Stalls of car parks.
    pub stalls: Vec<Vec<P2>>,
    /// What sensors see of it.
    pub scene: Arc<Scene>,
    /// What vehicles can run into.
    pub obstacles: Vec<Obstacle>,
    /// Areas and lines by layer.
    pub map: TownMap,
    /// Carriageways of the junctions.
    pub outlines: Vec<Vec<P2>>,
    /// Where the obstacles are.
    pub(crate) near: Grid,
    /// Bodies of what moves.
    pub(crate) gallery: Gallery,
}

impl Town {
    /// Builds a town.
    ///
    /// # Errors
    /// Where the spec's size is not 4 to 100 junctions.
    pub fn new(spec: &TownSpec) -> Result<Self> {
        TownSpec::sized(spec.junctions, spec.seed)?;
        let rng = Rng::new(spec.seed);
        let plan = plan::layout(spec.junctions, &rng);
        let mut network = streets::build(&plan, &rng);
        crossroads::complete(&mut network, &rng);
        walks::build(&mut network);
        let blocks = blocks::find(&network, &rng);
        let gallery = Gallery::new(&rng);
        let (mut ground, mut stock) = (Ground::default(), Stock::default());
        ground::streets(&mut ground, &network);
        ground::fill(&mut ground, &blocks);
        roadside::control(&mut stock, &mut network, &gallery);
        roadside::along(&mut stock, &network, &gallery, &rng);
        let mut stalls = Vec::new();
        for (i, block) in blocks.iter().enumerate() {
            let mut rng = rng.fork(1000 + i as u64);
            stalls.extend(yards::furnish(&mut stock, &mut ground, block, &gallery, &mut rng));
        }
        let mut last = rng.fork(7);
        complete_classes(&mut stock, &blocks, &gallery, &mut last);
        let outlines: Vec<Vec<P2>> = network.junctions.iter().map(ground::outline).collect();
        let map = TownMap::new(&network, &outlines, &stalls);
        let Stock { statics, obstacles, near, .. } = stock;
        let scene = Arc::new(Scene { tiles: ground.finish(), statics });
        Ok(Self { spec: spec.clone(), network, blocks, stalls, scene, obstacles, map, outlines, near, gallery })
    }
    /// Low and high corner of its streets, metres.
    pub fn bounds(&self) -> [P2; 2] {
        let points: Vec<P2> = self.blocks.last().map(|b| b.ring.clone()).unwrap_or_default();
        super::polygon::bounds(&points)
    }
    /// Whether a place lies on the carriageway of a junction.
    pub fn on_junction(&self, junction: usize, p: P2) -> bool {
        self.outlines.get(junction).is_some_and(|ring| super::polygon::contains(ring, p))
    }
    /// Obstacles near a place.
    pub fn obstacles_near(&self, p: P2, radius: f64) -> impl Iterator<Item = &Obstacle> {
        self.near.around(p, radius).into_iter().filter_map(|i| self.obstacles.get(i))
    }
}

/// Small towns too have a building site, a parked trailer and truck, and cycles that wait for their riders.
fn complete_classes(stock: &mut Stock, blocks: &[Block], gallery: &Gallery, rng: &mut Rng) {
    let has = |stock: &Stock, class: &str| stock.statics.iter().any(|s| s.body.class == Some(class));
    for class in ["construction_vehicle", "traffic_cone", "barrier"] {
        if !has(stock, class) {
            let _found = blocks.iter().rev().any(|b| yards::site(stock, b, gallery, rng));
        }
    }
    let wanted = [
        ("trailer", Some(&gallery.trailer)),
        ("truck", gallery.trucks.first()),
        ("motorcycle", Some(&gallery.parked_motorcycle)),
        ("bicycle", Some(&gallery.parked_bicycle)),
    ];
    for (class, body) in wanted {
        let Some(body) = body.filter(|_| !has(stock, class)) else { continue };
        // Outside the town's outer streets there is always room for a lay-by.
        'search: for front in blocks.iter().rev().flat_map(|b| &b.fronts) {
            for k in 1..8 {
                let at = front.edge.at(front.edge.length() * f64::from(k) / 8.0);
                let p = at.beside(-(body.size[1] / 2.0 + 0.8));
                let f = Footprint { centre: p, heading: at.heading, half: [body.size[0] / 2.0, body.size[1] / 2.0] };
                let clear = blocks.iter().all(|b| f.grown(0.3).corners().iter().all(|c| super::polygon::distance(&b.ring, *c) > 0.2));
                if clear && stock.try_place(body, p, KERB, at.heading, car_paint(rng), 0.3).is_some() {
                    break 'search;
                }
            }
        }
    }
}
