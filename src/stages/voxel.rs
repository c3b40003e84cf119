//! A LiDAR sweep to occupied voxels in the vehicle frame.
//!
//! *In*: a sweep. *Out*: `Outcome::Voxels`. *Invariant*: counts add up to the points in range; order of first touch.

use super::pick;
use crate::heads::voxel::Voxeliser;
use crate::runtime::{Cx, Outlet, Stage, StageInfo};
use crate::types::{Outcome, OutcomeKind, Packet, Result, SensorId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Which LiDAR, which space, which voxels.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoxelConfig {
    /// The LiDAR.
    pub lidar: SensorId,
    /// Edge lengths of a voxel along x, y, z, metres.
    #[serde(default = "edges")]
    pub voxel: [f64; 3],
    /// Low corner of the space, metres, vehicle frame.
    #[serde(default = "low")]
    pub low: [f64; 3],
    /// High corner of the space, metres, vehicle frame; points on it are outside.
    #[serde(default = "high")]
    pub high: [f64; 3],
}

fn edges() -> [f64; 3] {
    [0.2, 0.2, 0.2]
}
fn low() -> [f64; 3] {
    [-51.2, -51.2, -3.0]
}
fn high() -> [f64; 3] {
    [51.2, 51.2, 5.0]
}

impl VoxelConfig {
    /// The stage.
    ///
    /// # Errors
    /// Where the space is empty or a voxel has no size.
    pub fn build(self) -> Result<Voxel> {
        Ok(Voxel { lidar: self.lidar, voxeliser: Voxeliser::new(self.low, self.high, self.voxel)? })
    }
}

/// See [`VoxelConfig`].
#[derive(Debug)]
pub struct Voxel {
    lidar: SensorId,
    voxeliser: Voxeliser,
}

impl Stage for Voxel {
    fn info(&self) -> StageInfo {
        StageInfo { requires: vec![self.lidar], outcomes: vec![(OutcomeKind::Voxels, None)], ..StageInfo::default() }
    }
    fn process(&mut self, mut packet: Packet, out: &mut Outlet<'_>, _cx: &Cx) -> Result<()> {
        if let Some(frame) = packet.bundle.frame(self.lidar) {
            let grid = self.voxeliser.voxelise(pick::cloud(frame)?.points(), &frame.calibration.extrinsics.isometry);
            packet.outcomes.push((out.stage(), Outcome::Voxels(Arc::new(grid))));
        }
        out.send(packet);
        Ok(())
    }
}
