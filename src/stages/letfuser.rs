//! LeTFuser in the pipeline: RGB-D of one or three cameras to classes, a map seen from above, way points and control.
//!
//! *In*: colour and depth pictures of the front camera, and of a left and a right one where there are; speed; the route ahead. *Out*:
//! `Outcome::Segmentation` (left | front | right side by side), `Outcome::Map`, `Outcome::Trajectory` and `Outcome::Control` in the vehicle frame,
//! `Outcome::Numbers` (signs, speed, both controllers). *Invariant*: a side camera that is missing is a black one, not a lost bundle; without a weight file the parameters are
//! random by the seed, and [`StageInfo::weights`] says so.

use super::{pick, weights};
use crate::heads::drive::{Drive, Driven, Known, View};
use crate::heads::route;
use crate::heads::vehicle_control::{LossWeights, Merge, VehicleControl};
use crate::nets::letfuser::LetFuser;
use crate::nets::{self, DeviceChoice};
use crate::runtime::{Cx, Outlet, Stage, StageInfo, WeightsInfo};
use crate::types::{Bundle, Error, Outcome, OutcomeKind, Packet, Payload, Result, SensorId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// CARLA's road options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Left or right where the route turns within `target_m`, else follow the lane.
    #[default]
    Route,
    /// Turn left at the next junction.
    Left,
    /// Turn right.
    Right,
    /// Go straight.
    Straight,
    /// Follow the lane.
    FollowLane,
    /// Change to the lane on the left.
    ChangeLeft,
    /// Change to the lane on the right.
    ChangeRight,
}

/// Which cameras, which network, how it drives.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LetfuserConfig {
    /// The colour camera that looks ahead, or three: left, front, right.
    pub rgb: Vec<SensorId>,
    /// Their depth cameras, in the same order.
    pub depth: Vec<SensorId>,
    /// Whose speed it is; without, the vehicle counts as standing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ego: Option<SensorId>,
    /// The route ahead in the vehicle frame; without, it goes straight on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<SensorId>,
    /// How far along the route the network's target point lies, metres.
    #[serde(default = "target")]
    pub target_m: f64,
    /// `route` (as it turns), `left`, `right`, `straight`, `follow_lane`, `change_left`, `change_right`.
    #[serde(default)]
    pub command: Command,
    /// How the PIDs on the way points and the direct controls become one: `one_of`, `both_must`, `pid_only`, `mlp_only`.
    #[serde(default)]
    pub merge: Merge,
    /// Final loss weights of the training, which decide the shares in a merge.
    #[serde(default)]
    pub loss_weights: LossWeights,
    /// `tiny` for live use, `base` for checkpoints of the published code.
    #[serde(default = "tiny")]
    pub preset: String,
    /// Weight file; without, random parameters by `seed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// Seed of the random parameters where no file is named.
    #[serde(default = "one")]
    pub seed: u64,
    /// `auto`, `cpu`, `cuda` or `wgpu`.
    #[serde(default)]
    pub device: DeviceChoice,
    /// Sizes and options of the network; `models show letfuser` lists them.
    #[serde(default)]
    pub network: toml::Table,
}

fn tiny() -> String {
    "tiny".to_owned()
}
const fn one() -> u64 {
    1
}
const fn target() -> f64 {
    20.0
}

impl LetfuserConfig {
    /// The stage, its network loaded.
    ///
    /// # Errors
    /// There are not one or three cameras with a depth camera each, or the preset, the device or the weight file is not there or does not fit.
    pub fn build(self) -> Result<Letfuser> {
        if !matches!(self.rgb.len(), 1 | 3) || self.depth.len() != self.rgb.len() {
            let found = format!("{} colour and {} depth cameras", self.rgb.len(), self.depth.len());
            return Err(Error::mismatch(
                "one (front) or three (left, front, right), each with a depth camera",
                found,
                "letfuser, rgb and depth",
            ));
        }
        if !(self.target_m.is_finite() && self.target_m > 0.0) {
            return Err(Error::mismatch("metres above 0", self.target_m.to_string(), "letfuser, target_m"));
        }
        let (device, place) = nets::pick(self.device)?;
        let origin = weights::origin(self.weights.as_deref(), self.seed);
        let (network, report) = LetFuser::load_with(&self.preset, origin, &self.network, &device)?;
        tracing::info!("letfuser {}: {} on {place}", self.preset, report.origin);
        let drive = Drive::new(network, device, VehicleControl::new(self.merge, &self.loss_weights));
        Ok(Letfuser { drive, weights: weights::info(&report), config: self })
    }

    /// Colour and depth of left, front, right.
    fn cameras(&self) -> [Option<(SensorId, SensorId)>; 3] {
        let pair = |index: usize| self.rgb.get(index).copied().zip(self.depth.get(index).copied());
        if self.rgb.len() == 1 { [None, pair(0), None] } else { [pair(0), pair(1), pair(2)] }
    }
}

/// See [`LetfuserConfig`].
#[derive(Debug)]
pub struct Letfuser {
    config: LetfuserConfig,
    drive: Drive,
    weights: WeightsInfo,
}

impl Letfuser {
    fn known(&self, bundle: &Bundle) -> Result<Known> {
        let payload = |sensor: Option<SensorId>| sensor.and_then(|s| bundle.frame(s));
        let speed = match payload(self.config.ego) {
            None => 0.0,
            Some(frame) => match &frame.payload {
                Payload::Ego(state) => state.speed,
                _ => return Err(pick::wrong_kind(frame, "the vehicle's state")),
            },
        };
        let path = match payload(self.config.route) {
            None => Arc::default(),
            Some(frame) => match &frame.payload {
                Payload::Trajectory(path) => Arc::clone(path),
                _ => return Err(pick::wrong_kind(frame, "a route")),
            },
        };
        let command = match self.config.command {
            Command::Route => route::command(&path, self.config.target_m),
            Command::Left => 1,
            Command::Right => 2,
            Command::Straight => 3,
            Command::FollowLane => 4,
            Command::ChangeLeft => 5,
            Command::ChangeRight => 6,
        };
        Ok(Known { speed, target: route::target(&path, self.config.target_m), command })
    }

    /// `None` where the front camera is not there.
    fn see(&mut self, bundle: &Bundle) -> Result<Option<Driven>> {
        let mut views = [None; 3];
        for (view, pair) in views.iter_mut().zip(self.config.cameras()) {
            let frames = pair.and_then(|(rgb, depth)| bundle.frame(rgb).zip(bundle.frame(depth)));
            if let Some((rgb, depth)) = frames {
                let (colour, metres) = (pick::rgb(rgb)?, pick::depth(depth)?);
                *view = Some(View { rgb: (colour, &rgb.calibration), depth: (metres, &depth.calibration) });
            }
        }
        if views[1].is_none() {
            return Ok(None);
        }
        let known = self.known(bundle)?;
        self.drive.tick(views, &known).map(Some)
    }
}

/// What else the pictures tell, and how the command came about.
fn numbers(driven: &Driven) -> Vec<(String, f64)> {
    let tick = &driven.tick;
    let list = [
        ("red_light", f64::from(driven.red_light)),
        ("stop_sign", f64::from(driven.stop_sign)),
        ("speed_seen", f64::from(driven.speed)),
        ("speed_desired", tick.desired_speed),
        ("steer_pid", f64::from(tick.pid.steer)),
        ("steer_mlp", f64::from(tick.mlp.steer)),
        ("throttle_pid", f64::from(tick.pid.throttle)),
        ("throttle_mlp", f64::from(tick.mlp.throttle)),
    ];
    list.into_iter().map(|(name, value)| (name.to_owned(), value)).filter(|(_, value)| value.is_finite()).collect()
}

impl Stage for Letfuser {
    fn info(&self) -> StageInfo {
        let [_, front, _] = self.config.cameras();
        let requires = front.map(|(rgb, depth)| vec![rgb, depth]).unwrap_or_default();
        let kinds = [OutcomeKind::Segmentation, OutcomeKind::Map, OutcomeKind::Trajectory, OutcomeKind::Control, OutcomeKind::Numbers];
        StageInfo { requires, outcomes: kinds.map(|kind| (kind, None)).to_vec(), weights: Some(self.weights.clone()) }
    }

    fn process(&mut self, mut packet: Packet, out: &mut Outlet<'_>, _cx: &Cx) -> Result<()> {
        let bundle = Arc::clone(&packet.bundle);
        if let Some(driven) = self.see(&bundle)? {
            let numbers = numbers(&driven);
            let outcomes = [
                Outcome::Segmentation(Arc::new(driven.labels)),
                Outcome::Map(Arc::new(driven.map)),
                Outcome::Trajectory(Arc::new(driven.path)),
                Outcome::Control(driven.tick.control),
                Outcome::Numbers(Arc::new(numbers)),
            ];
            packet.outcomes.extend(outcomes.map(|outcome| (out.stage(), outcome)));
        }
        out.send(packet);
        Ok(())
    }
}
