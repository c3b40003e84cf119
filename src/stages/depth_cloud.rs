//! A depth camera and its aligned colour camera to a coloured cloud in the vehicle frame.
//!
//! *In*: depth and colour pictures of equal size, the depth camera's calibration. *Out*: `Outcome::Cloud`, metres.
//! *Invariant*: no point for a hole; every coordinate is finite.

use super::pick;
use crate::heads::depth_cloud::depth_cloud;
use crate::runtime::{Cx, Outlet, Stage, StageInfo};
use crate::types::{Error, Outcome, OutcomeKind, Packet, Result, SensorId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Which cameras, and how many of their points.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DepthCloudConfig {
    /// The depth camera.
    pub depth: SensorId,
    /// The colour camera, aligned to it pixel by pixel.
    pub colour: SensorId,
    /// Every how many columns and rows a point is made.
    #[serde(default = "every")]
    pub stride: usize,
    /// Farthest depth that counts, metres.
    #[serde(default = "far")]
    pub max_depth_m: f32,
}

fn every() -> usize {
    1
}
fn far() -> f32 {
    100.0
}

impl DepthCloudConfig {
    /// The stage.
    ///
    /// # Errors
    /// Where the stride is zero or the depth is not above zero.
    pub fn build(self) -> Result<DepthCloud> {
        if self.stride == 0 || self.max_depth_m.is_nan() || self.max_depth_m <= 0.0 {
            let found = format!("stride {}, max_depth_m {}", self.stride, self.max_depth_m);
            return Err(Error::mismatch("a stride and a depth above zero", found, "depth_cloud"));
        }
        Ok(DepthCloud { config: self })
    }
}

/// See [`DepthCloudConfig`].
#[derive(Debug)]
pub struct DepthCloud {
    config: DepthCloudConfig,
}

impl Stage for DepthCloud {
    fn info(&self) -> StageInfo {
        let requires = vec![self.config.depth, self.config.colour];
        StageInfo { requires, outcomes: vec![(OutcomeKind::Cloud, None)], ..StageInfo::default() }
    }
    fn process(&mut self, mut packet: Packet, out: &mut Outlet<'_>, _cx: &Cx) -> Result<()> {
        let frames = packet.bundle.frame(self.config.depth).zip(packet.bundle.frame(self.config.colour));
        if let Some((depth, colour)) = frames {
            let (metres, rgb) = (pick::depth(depth)?, pick::rgb(colour)?);
            let cloud = depth_cloud(metres, rgb, &depth.calibration, self.config.stride, self.config.max_depth_m)?;
            packet.outcomes.push((out.stage(), Outcome::Cloud(Arc::new(cloud))));
        }
        out.send(packet);
        Ok(())
    }
}
