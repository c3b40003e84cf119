//! What has been put into the town so far, and which ground is taken.
//!
//! *In / Out*: bodies with poses; instances with ids that start at 1, and obstacles for collisions. *Invariant*: things placed by
//! [`Stock::try_place`] do not stand in each other.

use super::grid::Grid;
use super::polygon::{Footprint, P2};
use crate::world::model::{Body, Instance, Lights};
use nalgebra::{Isometry3, Translation3, UnitQuaternion, Vector3};
use std::sync::Arc;

/// Something that a vehicle can run into.
#[derive(Debug, Clone, PartialEq)]
pub struct Obstacle {
    /// Id of the instance.
    pub id: u32,
    /// What it covers of the ground.
    pub footprint: Footprint,
    /// Detection class, where it has one (parked vehicles, cones, barriers).
    pub class: Option<&'static str>,
}

/// A pose in the plane at a height.
pub fn pose(p: P2, z: f64, yaw: f64) -> Isometry3<f64> {
    Isometry3::from_parts(Translation3::new(p[0], p[1], z), UnitQuaternion::from_axis_angle(&Vector3::z_axis(), yaw))
}

/// The ground that a body covers at a place; poles and trees only their trunk.
pub(crate) fn footprint(body: &Body, p: P2, yaw: f64) -> Footprint {
    let thin = ["pole.", "light.", "sign.", "tree."].iter().any(|n| body.name.starts_with(n));
    let half = if thin { [0.18; 2] } else { [body.size[0] / 2.0, body.size[1] / 2.0] };
    Footprint { centre: p, heading: yaw, half }
}

/// Collects instances.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stock {
    pub(crate) statics: Vec<Instance>,
    pub(crate) obstacles: Vec<Obstacle>,
    pub(crate) near: Grid,
    taken: Vec<Footprint>,
    taken_near: Grid,
}

fn bounds(f: &Footprint) -> [P2; 2] {
    super::polygon::bounds(&f.corners())
}

impl Stock {
    /// Whether nothing stands on a piece of ground.
    pub(crate) fn free(&self, f: &Footprint) -> bool {
        self.taken_near.within(bounds(f)).into_iter().all(|i| self.taken.get(i).is_none_or(|t| t.overlap(f).is_none()))
    }
    /// Keeps a piece of ground free of other things.
    pub(crate) fn take(&mut self, f: Footprint) {
        self.taken_near.insert(self.taken.len(), bounds(&f));
        self.taken.push(f);
    }
    /// Puts a body somewhere without asking; returns its id.
    pub(crate) fn place(&mut self, body: &Arc<Body>, p: P2, z: f64, yaw: f64, paint: [u8; 3]) -> u32 {
        let id = crate::types::num::u32(self.statics.len() + 1);
        let parked = matches!(body.class, Some("car" | "truck" | "bus" | "trailer" | "construction_vehicle"));
        let attribute = match body.class {
            Some("bicycle" | "motorcycle") => Some("cycle.without_rider"),
            _ if parked => Some("vehicle.parked"),
            _ => None,
        };
        self.statics.push(Instance {
            id,
            body: body.clone(),
            pose: pose(p, z, yaw),
            velocity: [0.0; 3],
            yaw_rate: 0.0,
            paint,
            lights: Lights::default(),
            signal: None,
            warmth: 0.0,
            attribute,
        });
        if !["bush", "fence"].iter().any(|n| body.name.starts_with(n)) {
            let footprint = footprint(body, p, yaw);
            self.near.insert(self.obstacles.len(), bounds(&footprint));
            self.obstacles.push(Obstacle { id, footprint, class: body.class });
        }
        id
    }
    /// Puts a body where the ground is free, with a margin.
    pub(crate) fn try_place(&mut self, body: &Arc<Body>, p: P2, z: f64, yaw: f64, paint: [u8; 3], margin: f64) -> Option<u32> {
        let whole = Footprint { centre: p, heading: yaw, half: [body.size[0] / 2.0 + margin, body.size[1] / 2.0 + margin] };
        let ground = if footprint(body, p, yaw).half[0] < 0.2 { footprint(body, p, yaw).grown(margin) } else { whole };
        if !self.free(&ground) {
            return None;
        }
        self.take(ground);
        Some(self.place(body, p, z, yaw, paint))
    }
}
