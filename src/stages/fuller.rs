//! FULLER in the pipeline: cameras and LiDAR to boxes and map layers.
//!
//! *In*: colour pictures with known lenses, a sweep, optionally the vehicle's motion. *Out*: `Outcome::Boxes3` and, where the network has a map
//! head, `Outcome::Map`, vehicle frame, at the LiDAR's time. *Invariant*: a sensor that a bundle lacks is left to the network, which accepts
//! that; a bundle without any of them goes on untouched. Without a weight file [`StageInfo::weights`] says so.

use super::{pick, weights};
use crate::heads::project::Motion;
use crate::heads::surround::{Shot, Surround};
use crate::nets::fuller::Fuller as Network;
use crate::nets::{self, DeviceChoice};
use crate::runtime::{Cx, Outlet, Stage, StageInfo, WeightsInfo};
use crate::types::{Bundle, Error, Frame, Outcome, OutcomeKind, Packet, Payload, Result, SensorId, nearest};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Which sensors, which network, what counts.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FullerConfig {
    /// The LiDAR; without, cameras alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lidar: Option<SensorId>,
    /// The cameras; published weights were trained with front, front right, front left, back, back left, back right.
    #[serde(default)]
    pub cameras: Vec<SensorId>,
    /// Sensor that gives the vehicle's speed and yaw rate between the captures; without it the vehicle counts as standing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ego: Option<SensorId>,
    /// `tiny` for live use, `base` for published weights.
    #[serde(default = "tiny")]
    pub preset: String,
    /// Changes to the network's extents, the keys that `models show fuller` lists.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    pub extents: toml::Table,
    /// Weight file; without, random parameters by `seed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// Seed of the random parameters where no file is named.
    #[serde(default = "one")]
    pub seed: u64,
    /// `auto`, `cpu`, `cuda` or `wgpu`.
    #[serde(default)]
    pub device: DeviceChoice,
    /// Rows and columns of the network's images; the default is 64, 176 for `tiny` and 256, 704 for `base`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<[usize; 2]>,
    /// Boxes with less confidence are dropped.
    #[serde(default = "score")]
    pub score: f32,
    /// A map cell belongs to a layer above this probability.
    #[serde(default = "half")]
    pub map_threshold: f32,
}

fn tiny() -> String {
    "tiny".to_owned()
}
const fn one() -> u64 {
    1
}
const fn score() -> f32 {
    0.1
}
const fn half() -> f32 {
    0.5
}

impl FullerConfig {
    /// The stage, its network loaded.
    ///
    /// # Errors
    /// No sensor is named, a number is out of its range, or the preset, the device or the weight file is not there or does not fit.
    pub fn build(self) -> Result<Fuller> {
        if self.lidar.is_none() && self.cameras.is_empty() {
            return Err(Error::mismatch("a lidar, cameras, or both", "neither", "fuller"));
        }
        let image = self.image.unwrap_or(if self.preset == "tiny" { [64, 176] } else { [256, 704] });
        let fraction = |v: f32| (0.0..=1.0).contains(&v);
        if !(fraction(self.score) && fraction(self.map_threshold)) || image.iter().any(|n| !(8..=4096).contains(n)) {
            let found = format!("score {}, map_threshold {}, image {image:?}", self.score, self.map_threshold);
            return Err(Error::mismatch("score and map_threshold in 0..=1, an image of 8 to 4096 pixels a side", found, "fuller"));
        }
        let (device, place) = nets::pick(self.device)?;
        let origin = weights::origin(self.weights.as_deref(), self.seed);
        let (network, report) = Network::load(&self.preset, &self.extents, origin, &device)?;
        tracing::info!("fuller {}: {} on {place}", self.preset, report.origin);
        let map = network.config().extents.map_head;
        let network = Surround::new(network, device, image, self.score, self.map_threshold);
        Ok(Fuller { network, weights: weights::info(&report), map, config: self })
    }
}

/// See [`FullerConfig`].
#[derive(Debug)]
pub struct Fuller {
    config: FullerConfig,
    network: Surround,
    weights: WeightsInfo,
    map: bool,
}

impl Fuller {
    /// Sensors may be missing from a bundle, not from the pipeline: a name that nobody knows is a slip.
    fn known(&self, bundle: &Bundle) -> Result<()> {
        let wanted = self.config.lidar.iter().chain(&self.config.cameras).chain(&self.config.ego);
        let names = || bundle.presence.iter().map(|(id, _)| id.name());
        let Some(stranger) = wanted.into_iter().find(|id| !names().any(|n| n == id.name())) else { return Ok(()) };
        let hint = nearest(stranger.name(), names()).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
        Err(Error::mismatch("a sensor of this pipeline", format!("`{stranger}`{hint}"), "fuller"))
    }

    fn see(&mut self, bundle: &Bundle) -> Result<Vec<Outcome>> {
        self.known(bundle)?;
        let lidar = self.config.lidar.and_then(|id| bundle.frame(id));
        let cameras: Vec<&Frame> = self.config.cameras.iter().filter_map(|id| bundle.frame(*id)).collect();
        if lidar.is_none() && cameras.is_empty() {
            return Ok(Vec::new());
        }
        let at = lidar.map_or(bundle.at, |f| f.captured);
        let shot = |frame: &&'_ Frame| {
            let later = frame.captured.nanos().saturating_sub(at.nanos()) as f64 * 1e-9;
            pick::rgb(frame).map(|picture| (Arc::clone(picture), Arc::clone(&frame.calibration), later))
        };
        let pictures = cameras.iter().map(shot).collect::<Result<Vec<_>>>()?;
        let shots: Vec<Shot<'_>> =
            pictures.iter().map(|(picture, calibration, later)| Shot { picture, calibration, later: *later }).collect();
        let sweep = lidar.map(|f| pick::cloud(f).map(|c| (c.as_ref(), f.calibration.as_ref()))).transpose()?;
        let motion = match self.config.ego.and_then(|id| bundle.frame(id)).map(|f| (f, &f.payload)) {
            None => None,
            Some((_, Payload::Ego(e))) => Some(Motion { speed: e.speed, yaw_rate: e.yaw_rate }),
            Some((frame, _)) => return Err(pick::wrong_kind(frame, "the vehicle's state")),
        };
        let motion = motion.filter(|m| m.speed.is_finite() && m.yaw_rate.is_finite());
        let around = self.network.see(&shots, sweep, motion)?;
        let boxes = Outcome::Boxes3(Arc::new(around.boxes));
        Ok([Some(boxes), around.map.map(|map| Outcome::Map(Arc::new(map)))].into_iter().flatten().collect())
    }
}

impl Stage for Fuller {
    fn info(&self) -> StageInfo {
        let mut outcomes = vec![(OutcomeKind::Boxes3, None)];
        outcomes.extend(self.map.then_some((OutcomeKind::Map, None)));
        StageInfo { requires: Vec::new(), outcomes, weights: Some(self.weights.clone()) }
    }

    fn process(&mut self, mut packet: Packet, out: &mut Outlet<'_>, _cx: &Cx) -> Result<()> {
        let bundle = Arc::clone(&packet.bundle);
        let outcomes = self.see(&bundle)?;
        packet.outcomes.extend(outcomes.into_iter().map(|outcome| (out.stage(), outcome)));
        out.send(packet);
        Ok(())
    }
}
