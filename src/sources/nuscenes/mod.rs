//! nuScenes v1.0 on disk: the tables as JSON, the files below `samples/` and `sweeps/`.
//!
//! *In*: a root folder. *Out*: the chosen channels (`CAM_FRONT`, `LIDAR_TOP`, `RADAR_FRONT`, ...) and `ego`, the vehicle on the map.
//! Extrinsics are vehicle from sensor; clouds stay in the LiDAR's frame (x right, y forward, z up).
//! *Invariant*: frames come in the order of their own times, and no file outside the root is opened.
//!
//! Cameras are triggered as the LiDAR sweeps past them, up to 50 ms from its time, and the vehicle moves meanwhile: a point goes
//! into a picture exactly by way of the world, with `ego` at both times (`ego_at = "every"` gives one for every file).

pub mod check;
mod root;
pub mod sweeps;
mod truth;

pub use root::{Root, versions};

use super::player::{Load, Planned, Player};
use crate::formats::nuscenes::splits::Split;
use crate::formats::nuscenes::{Choice, FaultKind, Faults, Sample, SampleData, Tables, Token};
use crate::formats::{nuscenes, radar};
use crate::runtime::SensorInfo;
use crate::types::{Calibration, Distortion, EgoState, Error, FrameId, Modality, Payload, Pose, Result, SensorId, SensorTime, nearest};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
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
    /// Folder of the tables, `v1.0-mini` and the like; left out: the only one there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// One scene by name or token; left out: all, in the order of their times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scene: Option<String>,
    /// Only the scenes of this split, a built-in one or one of `splits.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// Channels; the default is the six cameras and `LIDAR_TOP`.
    #[serde(default = "seven")]
    pub sensors: Vec<String>,
    /// Whether the files between key frames are given too.
    #[serde(default)]
    pub sweeps: bool,
    /// LiDAR sweeps in one cloud: each file with so many less one before it, the vehicle's motion taken out, ages as lags (below 0).
    /// Published surround networks were trained with 10.
    #[serde(default = "one")]
    pub lidar_sweeps: usize,
    /// Whether radars give only valid, unambiguous returns of known motion, as the devkit does.
    #[serde(default = "yes")]
    pub radar_filter: bool,
    /// Whether annotated boxes are given too, as sensor `boxes` in the vehicle frame at every LiDAR file's time; between key frames they
    /// are interpolated.
    #[serde(default)]
    pub boxes: bool,
    /// `never`, `lidar` or `every`: at which times `ego` is given.
    #[serde(default)]
    pub ego_at: EgoAt,
}

const fn one() -> usize {
    1
}
const fn yes() -> bool {
    true
}
/// More sweeps than any LiDAR turns in ten seconds.
const MOST_SWEEPS: usize = 200;
fn seven() -> Vec<String> {
    let names = ["CAM_FRONT_LEFT", "CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_BACK_LEFT", "CAM_BACK", "CAM_BACK_RIGHT", "LIDAR_TOP"];
    names.map(str::to_owned).into()
}

impl NuscenesConfig {
    /// Key frames of the six cameras and the LiDAR of all scenes in `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            version: None,
            scene: None,
            split: None,
            sensors: seven(),
            sweeps: false,
            lidar_sweeps: 1,
            radar_filter: true,
            boxes: false,
            ego_at: EgoAt::Lidar,
        }
    }
    /// Reads the tables.
    ///
    /// # Errors
    /// Where a table is missing or broken, a token leads nowhere, or a scene or channel is not there.
    pub fn build(self) -> Result<Player> {
        let unique: BTreeSet<&str> = self.sensors.iter().map(String::as_str).collect();
        if unique.len() != self.sensors.len() || unique.is_empty() {
            return Err(Error::mismatch("one or more different channels", format!("{:?}", self.sensors), "sensors"));
        }
        if !(1..=MOST_SWEEPS).contains(&self.lidar_sweeps) {
            return Err(Error::mismatch(format!("1 to {MOST_SWEEPS}"), self.lidar_sweeps.to_string(), "lidar_sweeps"));
        }
        let root = Root::open(&self.root, self.version.as_deref())?;
        let split = self.split.as_deref().map(|name| root.split(name)).transpose()?;
        let chosen = |s: &nuscenes::Scene| self.plays(split.as_ref(), s);
        let tables = self.tables(&root, unique, &chosen)?;
        let tables = Joined::new(&tables, &chosen, self.sweeps);
        if tables.items.is_empty() {
            return Err(Error::mismatch(
                "at least one file of the chosen sensors",
                "none",
                root.folder().join(root.version()).display().to_string(),
            ));
        }
        let mut calibrations = Calibrations::default();
        let mut plan = Vec::with_capacity(tables.items.len());
        for item in &tables.items {
            let calibration = calibrations.give(&tables, item);
            let load = calibration.as_ref().map_err(Clone::clone).and_then(|_| load(&root, &tables, item, &self));
            let calibration = calibration.unwrap_or_else(|_| Arc::new(Calibration::unknown(item.channel)));
            let load = load.unwrap_or_else(|e| Load::Refused(e.at(format!("sample_data {}", item.data.token)).to_string()));
            let at = SensorTime::from_micros(item.data.timestamp);
            plan.push(Planned { at, sensor: SensorId::new(item.channel), calibration, load });
        }
        let mut sensors = Vec::new();
        for channel in &self.sensors {
            let modality = modality(tables.modality(channel), channel)?;
            sensors.push(SensorInfo { id: SensorId::new(channel), modality, calibration: calibrations.first(channel) });
        }
        plan.extend(self.missing(&tables, &calibrations));
        if self.ego_at != EgoAt::Never {
            let calibration = Arc::new(Calibration::unknown("ego"));
            sensors.push(SensorInfo { id: SensorId::new("ego"), modality: Modality::Ego, calibration: Arc::clone(&calibration) });
            plan.extend(self.ego(&tables, &calibration));
        }
        if self.boxes {
            let calibration = Arc::new(Calibration::unknown("boxes"));
            sensors.push(SensorInfo { id: SensorId::new("boxes"), modality: Modality::Boxes, calibration: Arc::clone(&calibration) });
            plan.extend(truth::boxes(&tables, &calibration));
        }
        Ok(Player::new(sensors, plan))
    }
    /// Whether a scene is played; `split` is the one of that name.
    pub fn plays(&self, split: Option<&Split>, scene: &nuscenes::Scene) -> bool {
        let named = self.scene.as_deref().is_none_or(|w| *scene.name == *w || scene.token.to_string() == w);
        named && split.is_none_or(|s| s.scenes.contains(&*scene.name))
    }
    /// The tables, with their faults told at once.
    fn tables(&self, root: &Root, channels: BTreeSet<&str>, scene: &dyn Fn(&nuscenes::Scene) -> bool) -> Result<Tables> {
        let mut faults = Faults::default();
        let wanted = channels.clone();
        let between = self.sweeps || self.lidar_sweeps > 1;
        let choice = Choice { scene, channels: Some(channels), sweeps: between, annotations: self.boxes, rest: false };
        let tables = root.tables(&choice, &mut faults)?;
        nuscenes::check_links(&tables, &choice, &mut faults);
        // What spoils single frames is counted when they are played.
        let mut grave = Faults::default();
        let single = [FaultKind::BadTimestamp, FaultKind::NonFinite, FaultKind::ZeroQuaternion, FaultKind::ChainCycle];
        grave.extend(faults.list().iter().filter(|f| !single.contains(&f.kind)).cloned());
        let place = root.folder().display().to_string();
        grave.settle(&place)?;
        let names: BTreeSet<&str> = tables.scenes.rows().iter().map(|s| &*s.name).collect();
        if !tables.scenes.rows().iter().any(scene) {
            return Err(match &self.scene {
                Some(name) => absent("a scene", name, &names, &format!("{} scenes without it", names.len()), &place),
                None => Error::mismatch(format!("scenes of split `{}`", self.split.as_deref().unwrap_or_default()), "none", place),
            });
        }
        let known: BTreeSet<&str> = tables.sensors.rows().iter().map(|s| &*s.channel).collect();
        match wanted.into_iter().find(|c| !known.contains(c)) {
            Some(channel) => Err(absent("a channel", channel, &known, &format!("{known:?}"), &place)),
            None => Ok(tables),
        }
    }
    /// A rejected frame for every chosen channel that a sample lacks.
    fn missing(&self, tables: &Joined<'_>, calibrations: &Calibrations) -> Vec<Planned> {
        let there: HashSet<(&Token, &str)> =
            tables.items.iter().filter(|i| i.data.is_key_frame).map(|i| (&i.data.sample_token, i.channel)).collect();
        let mut plan = Vec::new();
        for sample in &tables.samples {
            for channel in self.sensors.iter().filter(|c| !there.contains(&(&sample.token, c.as_str()))) {
                let load = Load::Refused(format!("wanted a key frame of {channel}, found none (sample {})", sample.token));
                let at = SensorTime::from_micros(sample.timestamp);
                plan.push(Planned { at, sensor: SensorId::new(channel), calibration: calibrations.first(channel), load });
            }
        }
        plan
    }
    /// The vehicle's states; speeds are differences to the neighbours in time within the scene.
    fn ego(&self, tables: &Joined<'_>, calibration: &Arc<Calibration>) -> Vec<Planned> {
        let is_lidar = |i: &Item<'_>| tables.modality(i.channel) == "lidar";
        let every = self.ego_at == EgoAt::Every || !tables.items.iter().any(is_lidar);
        let mut scenes: BTreeMap<&Token, BTreeMap<i64, Result<Pose>>> = BTreeMap::new();
        for item in tables.items.iter().filter(|i| every || is_lidar(i)) {
            let all = tables.all;
            let (Some(sample), Some(pose)) = (all.samples.get(&item.data.sample_token), all.ego_poses.get(&item.data.ego_pose_token))
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

/// The error for a name that is not among the known ones.
fn absent(what: &str, name: &str, known: &BTreeSet<&str>, found: &str, place: &str) -> Error {
    let hint = nearest(name, known.iter().copied()).map_or_else(String::new, |n| format!("; did you mean `{n}`?"));
    Error::mismatch(format!("{what} `{name}`"), format!("{found}{hint}"), place)
}

/// A file of a chosen channel.
struct Item<'t> {
    data: &'t SampleData,
    channel: &'t str,
}

/// The chosen scenes' samples and files.
struct Joined<'t> {
    all: &'t Tables,
    samples: Vec<&'t Sample>,
    items: Vec<Item<'t>>,
    /// Samples that are not later than the one before them.
    disordered: HashSet<&'t Token>,
}

impl<'t> Joined<'t> {
    fn new(all: &'t Tables, scene: &dyn Fn(&nuscenes::Scene) -> bool, between: bool) -> Self {
        let chosen = |s: &Sample| all.scenes.get(&s.scene_token).is_some_and(scene);
        let samples = all.samples.rows().iter().filter(|s| chosen(s)).collect();
        let late = |s: &'t Sample| all.samples.get(&s.next).filter(|n| n.timestamp <= s.timestamp).map(|_| &s.next);
        let disordered = all.samples.rows().iter().filter_map(late).collect();
        let item = |data: &'t SampleData| Some(Item { data, channel: all.channel(&data.calibrated_sensor_token)? });
        let mut items: Vec<Item<'t>> = all.sample_data.rows().iter().filter(|d| between || d.is_key_frame).filter_map(item).collect();
        items.sort_by(|a, b| (a.data.timestamp, a.channel).cmp(&(b.data.timestamp, b.channel)));
        Self { all, samples, items, disordered }
    }
    fn modality(&self, channel: &str) -> &str {
        self.all.sensor(channel).map(|s| &*s.modality).unwrap_or_default()
    }
}

/// What is to be done for one file.
fn load(root: &Root, tables: &Joined<'_>, item: &Item<'_>, config: &NuscenesConfig) -> Result<Load> {
    if tables.disordered.contains(&item.data.sample_token) {
        let place = format!("sample {}", item.data.sample_token);
        return Err(Error::mismatch("a sample later than the one before it", "an earlier or equal timestamp", place));
    }
    let path = root.path(&item.data.filename)?;
    Ok(match modality(tables.modality(item.channel), item.channel)? {
        Modality::Rgb => Load::Picture(path),
        Modality::Radar => Load::Radar(path, if config.radar_filter { radar::scan } else { radar::unfiltered }),
        _ if config.lidar_sweeps > 1 => Load::Sweeps(sweeps::parts(root, tables.all, item.data, config.lidar_sweeps)?),
        _ => Load::Cloud(path, nuscenes::cloud),
    })
}

/// Calibrations by mounting and picture size; equal ones are shared, each change of a channel's gets the next version.
#[derive(Default)]
struct Calibrations {
    made: HashMap<(Token, usize, usize), Result<Arc<Calibration>>>,
    first: BTreeMap<String, Arc<Calibration>>,
    latest: BTreeMap<String, Arc<Calibration>>,
}

impl Calibrations {
    fn give(&mut self, tables: &Joined<'_>, item: &Item<'_>) -> Result<Arc<Calibration>> {
        let size = |value: Option<i64>| value.and_then(|v| usize::try_from(v).ok()).unwrap_or(0);
        let (width, height) = (size(item.data.width), size(item.data.height));
        let key = (item.data.calibrated_sensor_token.clone(), width, height);
        if let Some(made) = self.made.get(&key) {
            return made.clone();
        }
        let made = calibration(tables, item, width, height).map(|mut fresh| {
            let latest = self.latest.get(item.channel);
            fresh.version = latest.map_or(0, |l| l.version);
            let shared = latest.filter(|l| ***l == fresh).map(Arc::clone);
            let shared = shared.unwrap_or_else(|| {
                fresh.version += u32::from(latest.is_some());
                Arc::new(fresh)
            });
            self.latest.insert(item.channel.to_owned(), Arc::clone(&shared));
            self.first.entry(item.channel.to_owned()).or_insert_with(|| Arc::clone(&shared));
            shared
        });
        self.made.insert(key, made.clone());
        made
    }
    fn first(&self, channel: &str) -> Arc<Calibration> {
        self.first.get(channel).map_or_else(|| Arc::new(Calibration::unknown(channel)), Arc::clone)
    }
}

fn calibration(tables: &Joined<'_>, item: &Item<'_>, width: usize, height: usize) -> Result<Calibration> {
    let token = &item.data.calibrated_sensor_token;
    let place = || format!("calibrated_sensor {token}");
    let record = tables.all.calibrated.get(token).ok_or_else(|| Error::mismatch("a record", "none", place()))?;
    let sensor = FrameId::new(item.channel);
    let extrinsics = nuscenes::motion(FrameId::vehicle(), sensor, record.translation, record.rotation).map_err(|e| e.at(place()))?;
    let camera = tables.modality(item.channel) == "camera";
    let intrinsics =
        camera.then(|| nuscenes::intrinsics(record.camera_intrinsic.as_ref(), width, height)).transpose().map_err(|e| e.at(place()))?;
    Ok(Calibration { intrinsics, distortion: Distortion::None, extrinsics, version: 0 })
}
