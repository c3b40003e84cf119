//! nuScenes v1.0 on disk: the tables as JSON, the files below `samples/` and `sweeps/`.
//!
//! *In*: a root folder. *Out*: the chosen channels (`CAM_FRONT`, `LIDAR_TOP`, `RADAR_FRONT`, ...) and `ego`, the vehicle on the map.
//! Extrinsics are vehicle from sensor; clouds stay in the LiDAR's frame (x right, y forward, z up).
//! *Invariant*: frames come in the order of their own times, and no file outside the root is opened.
//!
//! Cameras are triggered as the LiDAR sweeps past them, up to 50 ms from its time, and the vehicle moves meanwhile: a point goes
//! into a picture exactly by way of the world, with `ego` at both times (`ego_at = "every"` gives one for every file).

use super::nuscenes_tables::{Choice, Item, Tables};
use super::player::{Load, Planned, Player};
use crate::formats::{nuscenes, radar};
use crate::runtime::SensorInfo;
use crate::types::{Calibration, Distortion, EgoState, Error, FrameId, Modality, Payload, Pose, Result, SensorId, SensorTime};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// At which times the vehicle's state is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EgoAt {
    /// Never.
    Never,
    /// With every LiDAR file (with every file where no LiDAR is chosen).
    #[default]
    Lidar,
    /// With every file.
    Every,
}

/// Where a nuScenes data set lies and what of it is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NuscenesConfig {
    /// Folder that holds `v1.0-...`, `samples` and `sweeps`.
    pub root: PathBuf,
    /// Folder of the tables.
    #[serde(default = "mini")]
    pub version: String,
    /// One scene by name or token; left out: all, in the order of their times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scene: Option<String>,
    /// Channels; the default is the six cameras and `LIDAR_TOP`.
    #[serde(default = "seven")]
    pub sensors: Vec<String>,
    /// Whether the files between key frames are read too.
    #[serde(default)]
    pub sweeps: bool,
    /// `never`, `lidar` or `every`: at which times `ego` is given.
    #[serde(default)]
    pub ego_at: EgoAt,
}

fn mini() -> String {
    "v1.0-mini".to_owned()
}
fn seven() -> Vec<String> {
    let names = ["CAM_FRONT_LEFT", "CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_BACK_LEFT", "CAM_BACK", "CAM_BACK_RIGHT", "LIDAR_TOP"];
    names.map(str::to_owned).into()
}

impl NuscenesConfig {
    /// Key frames of the six cameras and the LiDAR of all scenes of v1.0-mini in `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), version: mini(), scene: None, sensors: seven(), sweeps: false, ego_at: EgoAt::Lidar }
    }
    /// Reads the tables.
    ///
    /// # Errors
    /// Where a table is missing or broken, a token leads nowhere, or a scene or channel is not there.
    pub fn build(self) -> Result<Player> {
        let folder = self.root.join(&self.version);
        let unique: BTreeSet<&String> = self.sensors.iter().collect();
        if unique.len() != self.sensors.len() || unique.is_empty() {
            return Err(Error::mismatch("one or more different channels", format!("{:?}", self.sensors), "sensors"));
        }
        let choice = Choice { scene: self.scene.as_deref(), channels: &self.sensors, sweeps: self.sweeps };
        let tables = Tables::read(&folder, choice)?;
        if tables.items.is_empty() {
            return Err(Error::mismatch("at least one file of the chosen sensors", "none", folder.display().to_string()));
        }
        let mut calibrations = Calibrations::default();
        let mut plan = Vec::with_capacity(tables.items.len());
        for item in &tables.items {
            let calibration = calibrations.give(&tables, item);
            let load = calibration.as_ref().map_err(Clone::clone).and_then(|_| self.load(&tables, item));
            let calibration = calibration.unwrap_or_else(|_| Arc::new(Calibration::unknown(&item.channel)));
            let load = load.unwrap_or_else(|e| Load::Refused(e.at(format!("sample_data {}", item.data.token)).to_string()));
            let at = SensorTime::from_micros(item.data.timestamp);
            plan.push(Planned { at, sensor: SensorId::new(&item.channel), calibration, load });
        }
        let mut sensors = Vec::new();
        for channel in &self.sensors {
            let modality = modality(tables.modality.get(channel).map(String::as_str).unwrap_or_default(), channel)?;
            sensors.push(SensorInfo { id: SensorId::new(channel), modality, calibration: calibrations.first(channel) });
        }
        plan.extend(self.missing(&tables, &calibrations));
        if self.ego_at != EgoAt::Never {
            let calibration = Arc::new(Calibration::unknown("ego"));
            sensors.push(SensorInfo { id: SensorId::new("ego"), modality: Modality::Ego, calibration: Arc::clone(&calibration) });
            plan.extend(self.ego(&tables, &calibration));
        }
        Ok(Player::new(sensors, plan))
    }
    /// What is to be done for one file.
    fn load(&self, tables: &Tables, item: &Item) -> Result<Load> {
        if tables.disordered.contains(&item.data.sample_token) {
            let place = format!("sample {}", item.data.sample_token);
            return Err(Error::mismatch("a sample later than the one before it", "an earlier or equal timestamp", place));
        }
        let path = inside(&self.root, &item.data.filename)?;
        let modality = tables.modality.get(&item.channel).map(String::as_str).unwrap_or_default();
        Ok(match self::modality(modality, &item.channel)? {
            Modality::Rgb => Load::Picture(path),
            Modality::Radar => Load::Radar(path, radar::scan),
            _ => Load::Cloud(path, nuscenes::cloud),
        })
    }
    /// A rejected frame for every chosen channel that a sample lacks.
    fn missing(&self, tables: &Tables, calibrations: &Calibrations) -> Vec<Planned> {
        let key = |i: &Item| (i.data.sample_token.clone(), i.channel.clone());
        let there: BTreeSet<(String, String)> = tables.items.iter().filter(|i| i.data.is_key_frame).map(key).collect();
        let mut plan = Vec::new();
        for (token, sample) in &tables.samples {
            for channel in self.sensors.iter().filter(|c| !there.contains(&(token.clone(), (*c).clone()))) {
                let load = Load::Refused(format!("wanted a key frame of {channel}, found none (sample {token})"));
                let at = SensorTime::from_micros(sample.timestamp);
                plan.push(Planned { at, sensor: SensorId::new(channel), calibration: calibrations.first(channel), load });
            }
        }
        plan
    }
    /// The vehicle's states; speeds are differences to the neighbours in time within the scene.
    fn ego(&self, tables: &Tables, calibration: &Arc<Calibration>) -> Vec<Planned> {
        let is_lidar = |i: &Item| tables.modality.get(&i.channel).is_some_and(|m| m == "lidar");
        let every = self.ego_at == EgoAt::Every || !tables.items.iter().any(is_lidar);
        let mut scenes: BTreeMap<&str, BTreeMap<i64, Result<Pose>>> = BTreeMap::new();
        for item in tables.items.iter().filter(|i| every || is_lidar(i)) {
            let (Some(sample), Some(pose)) = (tables.samples.get(&item.data.sample_token), tables.poses.get(&item.data.ego_pose_token))
            else {
                continue;
            };
            let state = nuscenes::motion(FrameId::world(), FrameId::vehicle(), pose.translation, pose.rotation)
                .map_err(|e| e.at(format!("ego_pose {}", pose.token)));
            scenes.entry(&sample.scene_token).or_default().entry(item.data.timestamp).or_insert(state);
        }
        let mut plan = Vec::new();
        for poses in scenes.values() {
            let good: Vec<(i64, Pose)> = poses.iter().filter_map(|(t, p)| Some((*t, *p.as_ref().ok()?))).collect();
            let before = std::iter::once(None).chain(good.iter().map(Some));
            let after = good.iter().skip(1).map(Some).chain(std::iter::once(None));
            for ((here, before), after) in good.iter().zip(before).zip(after) {
                let load = Load::Ready(Payload::Ego(state(here, before.unwrap_or(here), after.unwrap_or(here))));
                plan.push(ego_entry(here.0, calibration, load));
            }
            let bad = poses.iter().filter_map(|(t, p)| Some((*t, p.as_ref().err()?.to_string())));
            plan.extend(bad.map(|(t, reason)| ego_entry(t, calibration, Load::Refused(reason))));
        }
        plan
    }
}

fn ego_entry(micros: i64, calibration: &Arc<Calibration>, load: Load) -> Planned {
    Planned { at: SensorTime::from_micros(micros), sensor: SensorId::new("ego"), calibration: Arc::clone(calibration), load }
}

/// The state at `here`, its rates taken between `before` and `after` (microseconds, world from vehicle).
fn state(here: &(i64, Pose), before: &(i64, Pose), after: &(i64, Pose)) -> EgoState {
    let seconds = after.0.saturating_sub(before.0) as f64 * 1e-6;
    let rate = |difference: f64| if seconds > 0.0 { difference / seconds } else { 0.0 };
    let moved = after.1.isometry.translation.vector - before.1.isometry.translation.vector;
    let ahead = here.1.isometry.rotation * nalgebra::Vector3::x();
    let turn = (before.1.isometry.rotation.inverse() * after.1.isometry.rotation).scaled_axis();
    EgoState { pose: here.1, speed: rate(moved.dot(&ahead)), yaw_rate: rate(turn.z) }
}

fn modality(name: &str, channel: &str) -> Result<Modality> {
    match name {
        "camera" => Ok(Modality::Rgb),
        "lidar" => Ok(Modality::Cloud),
        "radar" => Ok(Modality::Radar),
        other => {
            Err(Error::mismatch("camera, lidar or radar", format!("`{other}`"), format!("table sensor, channel {channel}, field modality")))
        }
    }
}

/// `name` below `root`, unless it leads out.
fn inside(root: &Path, name: &str) -> Result<PathBuf> {
    let relative = Path::new(name);
    let sound = !name.is_empty() && !name.contains(['\0', '\\']) && relative.components().all(|c| matches!(c, Component::Normal(_)));
    if !sound {
        return Err(Error::mismatch("a path below the root", format!("`{name}`"), "field filename"));
    }
    Ok(root.join(relative))
}

/// Calibrations by mounting and picture size; equal ones are shared, each change of a channel's gets the next version.
#[derive(Default)]
struct Calibrations {
    made: HashMap<(String, usize, usize), Result<Arc<Calibration>>>,
    first: BTreeMap<String, Arc<Calibration>>,
    latest: BTreeMap<String, Arc<Calibration>>,
}

impl Calibrations {
    fn give(&mut self, tables: &Tables, item: &Item) -> Result<Arc<Calibration>> {
        let (width, height) = (item.data.width.unwrap_or(0), item.data.height.unwrap_or(0));
        let key = (item.data.calibrated_sensor_token.clone(), width, height);
        if let Some(made) = self.made.get(&key) {
            return made.clone();
        }
        let made = calibration(tables, item, width, height).map(|mut fresh| {
            let latest = self.latest.get(&item.channel);
            fresh.version = latest.map_or(0, |l| l.version);
            let shared = latest.filter(|l| ***l == fresh).map(Arc::clone);
            let shared = shared.unwrap_or_else(|| {
                fresh.version += u32::from(latest.is_some());
                Arc::new(fresh)
            });
            self.latest.insert(item.channel.clone(), Arc::clone(&shared));
            self.first.entry(item.channel.clone()).or_insert_with(|| Arc::clone(&shared));
            shared
        });
        self.made.insert(key, made.clone());
        made
    }
    fn first(&self, channel: &str) -> Arc<Calibration> {
        self.first.get(channel).map_or_else(|| Arc::new(Calibration::unknown(channel)), Arc::clone)
    }
}

fn calibration(tables: &Tables, item: &Item, width: usize, height: usize) -> Result<Calibration> {
    let token = &item.data.calibrated_sensor_token;
    let place = || format!("calibrated_sensor {token}");
    let record = tables.calibrated.get(token).ok_or_else(|| Error::mismatch("a record", "none", place()))?;
    let sensor = FrameId::new(&item.channel);
    let extrinsics = nuscenes::motion(FrameId::vehicle(), sensor, record.translation, record.rotation).map_err(|e| e.at(place()))?;
    let camera = tables.modality.get(&item.channel).is_some_and(|m| m == "camera");
    let intrinsics =
        camera.then(|| nuscenes::intrinsics(&record.camera_intrinsic, width, height)).transpose().map_err(|e| e.at(place()))?;
    Ok(Calibration { intrinsics, distortion: Distortion::None, extrinsics, version: 0 })
}
