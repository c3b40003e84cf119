//! The world made ready for sensors: what stands for good, and one instant of what moves.
//!
//! *In*: a [`Scene`] once, a [`Snapshot`] per step. *Out*: [`Geometry`] and [`Moment`]: placed shapes with trees over them.
//! *Invariant*: all sensors of one instant read the same placed shapes, so what they measure agrees.

use super::bvh::{Bounds, Bvh};
use super::lamps::{Glow, LampGrid};
use super::light::Light;
use super::shadow::ShadowCache;
use super::shape::Shape;
use crate::types::num;
use crate::world::model::{Body, Instance, Scene, Signal, Sky, Snapshot};
use nalgebra::{Isometry3, Matrix3, Point3, Vector3};
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

type V3 = Vector3<f32>;

/// A shape somewhere in the world.
#[derive(Debug, Clone)]
pub struct Placed {
    /// What stands there.
    pub shape: Arc<Shape>,
    /// World from body.
    pub turn: Matrix3<f32>,
    /// Its origin in the world, metres.
    pub at: Vector3<f64>,
    /// World bounds.
    pub bounds: Bounds,
    /// Whose it is; `None` for the ground.
    pub instance: Option<Instance>,
}

impl Placed {
    fn new(shape: Arc<Shape>, pose: &Isometry3<f64>, instance: Option<Instance>) -> Self {
        let turn = pose.rotation.to_rotation_matrix().matrix().map(num::f32);
        let at = pose.translation.vector;
        let (centre, half) = (shape.bounds.centre(), turn.abs() * shape.bounds.half());
        let centre = turn * centre + at.map(num::f32);
        Self { shape, turn, at, bounds: Bounds { low: centre - half, high: centre + half }, instance }
    }
    /// The number of its instance; 0 for the ground.
    pub fn id(&self) -> u32 {
        self.instance.as_ref().map_or(0, |i| i.id)
    }
    /// A point of the world in its own frame.
    pub fn local(&self, point: &Vector3<f64>) -> V3 {
        self.turn.tr_mul(&(point - self.at).map(num::f32))
    }
}

/// Shapes of bodies by the bodies' addresses; the body is kept, so that its address stays its own.
type Shapes = HashMap<usize, (Arc<Body>, Arc<Shape>)>;

/// Everything that never moves.
#[derive(Debug)]
pub struct Geometry {
    /// Ground tiles, then static instances.
    pub statics: Vec<Placed>,
    /// Tree over them.
    pub tree: Bvh,
    /// Its order.
    pub order: Vec<u32>,
    /// Street lamps.
    pub lamps: LampGrid,
    /// Shadows that were drawn already.
    pub shadows: Mutex<ShadowCache>,
    bodies: Mutex<Shapes>,
}

impl Geometry {
    /// Of a scene.
    pub fn new(scene: &Scene) -> Self {
        let tiles: Vec<Placed> =
            scene.tiles.par_iter().map(|t| Placed::new(Arc::new(Shape::new(&t.mesh)), &Isometry3::identity(), None)).collect();
        let mut shapes = Shapes::new();
        let mut missing: Vec<&Arc<Body>> = scene.statics.iter().map(|i| &i.body).collect();
        missing.sort_by_key(|b| Arc::as_ptr(b).addr());
        missing.dedup_by_key(|b| Arc::as_ptr(b).addr());
        let built: Vec<_> = missing.into_par_iter().map(|b| (Arc::clone(b), Arc::new(Shape::new(&b.mesh)))).collect();
        shapes.extend(built.into_iter().map(|(b, s)| (Arc::as_ptr(&b).addr(), (b, s))));
        let mut statics = tiles;
        statics.extend(scene.statics.iter().filter_map(|i| {
            let (_, shape) = shapes.get(&Arc::as_ptr(&i.body).addr())?;
            Some(Placed::new(Arc::clone(shape), &i.pose, Some(i.clone())))
        }));
        statics.retain(|p| !p.shape.facets.is_empty() && p.bounds.low.iter().chain(p.bounds.high.iter()).all(|v| v.is_finite()));
        let boxes: Vec<Bounds> = statics.iter().map(|p| p.bounds).collect();
        let (tree, order) = Bvh::build(&boxes);
        let lamps = LampGrid::new(&statics);
        Self { statics, tree, order, lamps, shadows: Mutex::default(), bodies: Mutex::new(shapes) }
    }
    fn shape(&self, body: &Arc<Body>) -> Arc<Shape> {
        let mut known = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, shape) = known.entry(Arc::as_ptr(body).addr()).or_insert_with(|| (Arc::clone(body), Arc::new(Shape::new(&body.mesh))));
        Arc::clone(shape)
    }
    /// The world at one instant.
    pub fn at(self: &Arc<Self>, snapshot: &Snapshot) -> Moment {
        let sane = |i: &&Instance| i.pose.translation.vector.iter().chain(i.pose.rotation.coords.iter()).all(|v| v.is_finite());
        let movers: Vec<Placed> =
            snapshot.movers.iter().filter(sane).map(|i| Placed::new(self.shape(&i.body), &i.pose, Some(i.clone()))).collect();
        let signals = snapshot.signals.iter().copied().collect();
        let light = Light::new(&snapshot.sky);
        let glows = super::lamps::head_lamps(&movers);
        let (time, step, sky, ego) = (snapshot.time, snapshot.step, snapshot.sky, snapshot.ego);
        Moment { geometry: Arc::clone(self), movers, signals, light, glows, sky, time, step, ego, moving_shadows: Mutex::default() }
    }
}

/// The world at one instant.
#[derive(Debug)]
pub struct Moment {
    /// What never moves.
    pub geometry: Arc<Geometry>,
    /// What does.
    pub movers: Vec<Placed>,
    /// Colours of the traffic lights among the statics.
    pub signals: HashMap<u32, Signal>,
    /// Sun and sky.
    pub light: Light,
    /// Head lamps.
    pub glows: Vec<Glow>,
    /// Time of day and weather.
    pub sky: Sky,
    /// Seconds since the start.
    pub time: f64,
    /// Counts the steps.
    pub step: u64,
    /// The ego vehicle's instance.
    pub ego: Option<u32>,
    /// Shadow tiles with what moves drawn in.
    pub moving_shadows: Mutex<ShadowCache>,
}

impl Moment {
    /// What has this number: statics first, then movers.
    #[inline]
    pub fn placed(&self, owner: u32) -> Option<&Placed> {
        let at = num::usize(owner);
        let statics = &self.geometry.statics;
        statics.get(at).or_else(|| self.movers.get(at.checked_sub(statics.len())?))
    }
    /// The number of the first mover.
    pub fn first_mover(&self) -> u32 {
        num::u32(self.geometry.statics.len())
    }
    /// The colour of a traffic light.
    pub fn signal(&self, placed: &Placed) -> Option<Signal> {
        let instance = placed.instance.as_ref()?;
        self.signals.get(&instance.id).copied().or(instance.signal)
    }
    /// The mover of this instance.
    pub fn mover(&self, id: u32) -> Option<&Placed> {
        self.movers.iter().find(|m| m.id() == id)
    }
    /// World from vehicle for a body that may not be there.
    pub fn ego_pose(&self) -> Option<Isometry3<f64>> {
        self.ego.and_then(|id| self.mover(id)).and_then(|m| m.instance.as_ref()).map(|i| i.pose)
    }
}

/// Whether a pose can be seen from: all numbers finite, and not so far away that single precision would show.
///
/// # Errors
/// Where it is not.
pub fn checked_pose(pose: &Isometry3<f64>, place: &str) -> crate::types::Result<()> {
    let origin: Point3<f64> = pose.translation.vector.into();
    let finite = origin.iter().chain(pose.rotation.coords.iter()).all(|v| v.is_finite());
    if finite && origin.iter().all(|v| v.abs() < 1e5) {
        return Ok(());
    }
    let found = format!("position {:?}, quaternion {:?}", origin.coords.as_slice(), pose.rotation.coords.as_slice());
    Err(crate::types::Error::mismatch("a finite pose within 100 km of the origin", found, place))
}
