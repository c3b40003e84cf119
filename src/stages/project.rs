//! LiDAR points in the pictures of named cameras.
//!
//! *In*: a sweep, cameras, optionally the vehicle's state. *Out*: one `Outcome::Projection` per camera that is here, named
//! `STAGE/CAMERA`. *Invariant*: a camera that is missing is skipped; without an ego state the vehicle counts as standing.
//!
//! Sensors capture at different times (nuScenes: up to 50 ms apart, 0.7 m at 50 km/h). With `ego` set, points are
//! carried from the LiDAR's capture (plus each point's lag) to the camera's by constant speed and yaw rate.

use super::pick;
use crate::heads::project::{Drift, Motion, project_points};
use crate::runtime::{Cx, Outlet, Stage, StageInfo};
use crate::types::{Error, Frame, Outcome, OutcomeKind, Packet, Payload, Projection, Result, SensorId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Whose points into whose pictures.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectConfig {
    /// The LiDAR.
    pub lidar: SensorId,
    /// The cameras; one that a bundle lacks is skipped.
    pub cameras: Vec<SensorId>,
    /// Sensor that gives the vehicle's speed and yaw rate; without it nothing is compensated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ego: Option<SensorId>,
    /// Nearest depth that counts, metres.
    #[serde(default = "near")]
    pub min_depth: f64,
}

fn near() -> f64 {
    0.5
}

impl ProjectConfig {
    /// The stage.
    ///
    /// # Errors
    /// Where no camera is named or `min_depth` is not above zero.
    pub fn build(self) -> Result<Project> {
        if self.cameras.is_empty() {
            return Err(Error::mismatch("at least one camera", "none", "project.cameras"));
        }
        if !(self.min_depth > 0.0 && self.min_depth.is_finite()) {
            return Err(Error::mismatch("a depth above zero", self.min_depth.to_string(), "project.min_depth"));
        }
        Ok(Project { config: self, names: Vec::new() })
    }
}

/// See [`ProjectConfig`].
#[derive(Debug)]
pub struct Project {
    config: ProjectConfig,
    /// Names of the outcomes, one per camera, made with the first packet.
    names: Vec<Arc<str>>,
}

impl Project {
    fn project(&self, lidar: &Frame, camera: &Frame, motion: Option<Motion>) -> Result<Projection> {
        let cloud = pick::cloud(lidar)?;
        let place = || format!("sensor `{}`", camera.sensor);
        let lens = camera.calibration.intrinsics.ok_or_else(|| Error::mismatch("a camera with intrinsics", "none", place()))?;
        let size = [lens.width, lens.height];
        match picture_size(&camera.payload) {
            Some(found) if found == size => {}
            Some([w, h]) => {
                let wanted = format!("a picture of its intrinsics' {}x{}", lens.width, lens.height);
                return Err(Error::mismatch(wanted, format!("{w}x{h}"), place()));
            }
            None => return Err(pick::wrong_kind(camera, "a picture")),
        }
        let seconds = camera.captured.nanos().saturating_sub(lidar.captured.nanos()) as f64 * 1e-9;
        let drift: Drift = motion.map(|m| (m, seconds));
        let seen = project_points(cloud, &lidar.calibration, &camera.calibration, drift, self.config.min_depth)?;
        Ok(Projection { camera: camera.sensor, lidar: lidar.sensor, pixels: seen.pixels, depths: seen.depths, size })
    }
}

fn picture_size(payload: &Payload) -> Option<[usize; 2]> {
    match payload {
        Payload::Rgb(p) => Some([p.width(), p.height()]),
        Payload::Thermal(p) => Some([p.width(), p.height()]),
        Payload::Depth(p) => Some([p.width(), p.height()]),
        Payload::Labels(p) => Some([p.labels.ncols(), p.labels.nrows()]),
        _ => None,
    }
}

impl Stage for Project {
    fn info(&self) -> StageInfo {
        let outcomes = self.config.cameras.iter().map(|c| (OutcomeKind::Projection, Some(*c))).collect();
        StageInfo { requires: vec![self.config.lidar], outcomes, ..StageInfo::default() }
    }
    fn process(&mut self, mut packet: Packet, out: &mut Outlet<'_>, _cx: &Cx) -> Result<()> {
        if self.names.len() != self.config.cameras.len() {
            let stage = out.stage();
            self.names = self.config.cameras.iter().map(|c| Arc::from(format!("{stage}/{c}"))).collect();
        }
        let bundle = Arc::clone(&packet.bundle);
        if let Some(lidar) = bundle.frame(self.config.lidar) {
            let ego = self.config.ego.and_then(|e| bundle.frame(e));
            let motion = match ego.map(|f| (f, &f.payload)) {
                None => None,
                Some((_, Payload::Ego(e))) => Some(Motion { speed: e.speed, yaw_rate: e.yaw_rate }),
                Some((frame, _)) => return Err(pick::wrong_kind(frame, "the vehicle's state")),
            };
            let motion = motion.filter(|m| m.speed.is_finite() && m.yaw_rate.is_finite());
            for (camera, name) in self.config.cameras.iter().zip(&self.names) {
                let Some(camera) = bundle.frame(*camera) else { continue };
                let projection = self.project(lidar, camera, motion)?;
                packet.outcomes.push((Arc::clone(name), Outcome::Projection(Arc::new(projection))));
            }
        }
        drop(bundle);
        out.send(packet);
        Ok(())
    }
}
