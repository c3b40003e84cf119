//! A nuScenes v1.0 root: six cameras (12 Hz), a LiDAR (20 Hz), five radars (13 Hz), tables, point labels, maps, the vehicle's bus.
//!
//! *Out*: `v1.0-mini` (up to ten scenes, with the official mini names, so that every tool's built-in splits work; `v1.0-trainval` beyond),
//! `samples`, `sweeps`, `lidarseg`, `panoptic`, `maps`, `can_bus`. *Frames*: the map's origin is its south-west corner, so that coordinates are
//! positive; the vehicle's is on the ground below its middle. *Invariant*: a key frame's LiDAR file has its sample's time; a file between key
//! frames belongs to the sample that follows; of a sensor that is not read at that time its last file before is the key frame.

mod files;
mod map;
mod objects;
mod prior;
mod rig;
mod rows;
mod scenes;

use super::{ExportConfig, Writer, write};
use crate::types::{Error, Payload, Result, num};
use crate::world::live::{Live, Tick};
use crate::world::sensors::SensorSpec;
use nalgebra::{Isometry3, Translation3};
use objects::Objects;
use rows::{FileRow, PoseRow, SampleRow, Tables, token};
use scenes::Plan;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};

/// Steps of the world a second: a multiple of the cameras' and the LiDAR's rates.
const STEP_HZ: f64 = 60.0;
/// Ticks of a LiDAR turn.
const LIDAR_TICKS: f64 = 3.0;
/// The first instant, microseconds: 2026-01-01 00:00 UTC.
const EPOCH_US: i64 = 1_767_225_600_000_000;
/// Seconds between scenes, at least.
const GAP_S: u64 = 2;

/// The layout, and what it holds so far.
pub(super) struct Nuscenes {
    plan: Plan,
    ticks: usize,
    tables: Tables,
    objects: Objects,
    /// Metres from the world's origin to the map's.
    shift: [f64; 2],
    /// By channel: rows of its last file in this scene, and whether that file is a key frame.
    last: BTreeMap<String, usize>,
    bus: Vec<serde_json::Value>,
    /// Number of the frame that comes next.
    frame: usize,
}

impl Nuscenes {
    pub(super) fn new(config: &ExportConfig) -> Result<Self> {
        let ticks = STEP_HZ / config.rate_hz;
        if !(ticks.is_finite() && ticks >= LIDAR_TICKS && (ticks / LIDAR_TICKS).fract() == 0.0) {
            let found = format!("{} Hz", config.rate_hz);
            return Err(Error::mismatch("a rate of key frames that divides the LiDAR's 20 Hz: 0.5, 1, 2, 4, 5, 10 or 20", found, "--rate"));
        }
        Ok(Self {
            plan: Plan::new(config)?,
            ticks: num::cell(ticks, usize::MAX).unwrap_or(1),
            tables: Tables::default(),
            objects: Objects::default(),
            shift: [0.0; 2],
            last: BTreeMap::new(),
            bus: Vec::new(),
            frame: 0,
        })
    }
    /// Map from world.
    fn map_from_world(&self) -> Isometry3<f64> {
        let [x, y] = self.shift;
        Isometry3::from_parts(Translation3::new(-x, -y, 0.0), nalgebra::UnitQuaternion::identity())
    }
    fn micros(config: &ExportConfig, tick: &Tick) -> i64 {
        let day = num::round_i64(config.world.sky.hour * 3600.0) * 1_000_000;
        EPOCH_US + day + tick.at.nanos().saturating_add(500) / 1000
    }
    /// Writes a tick's readings; `key`: whether they belong to a key frame.
    fn files(&mut self, config: &ExportConfig, live: &Live, tick: &Tick, key: bool) -> Result<()> {
        let (time, pose) = (Self::micros(config, tick), self.map_from_world() * tick.ego.pose);
        self.bus.push(files::bus(time, &pose, &tick.ego));
        let (scene, log) = (self.plan.scene(self.frame), self.plan.logfile(config));
        let categories = if key { files::categories(live) } else { HashMap::new() };
        for reading in &tick.readings {
            let Some(mounted) = live.rig.sensors.get(reading.sensor) else { continue };
            let channel = mounted.spec.name.clone();
            let file = files::encode(reading, mounted, &tick.ego, &categories)?;
            let folder = if key { "samples" } else { "sweeps" };
            let row = FileRow {
                token: token(&["sample_data", &channel, &time.to_string()]),
                sample_token: self.plan.sample(self.frame),
                ego_pose_token: token(&["sample_data", &channel, &time.to_string()]),
                calibrated_sensor_token: token(&["calibrated_sensor", &channel]),
                timestamp: time,
                fileformat: file.format,
                is_key_frame: key,
                height: file.size[1],
                width: file.size[0],
                filename: format!("{folder}/{channel}/{log}__{channel}__{time}.{}", file.ending),
                prev: String::new(),
                next: String::new(),
            };
            write(&config.output.join(&row.filename), &file.bytes)?;
            if let (true, Some(labels)) = (key, file.labels) {
                let numbers = labels.iter().map(|(id, category)| self.objects.panoptic(&scene, *id, *category)).collect::<Vec<u16>>();
                self.tables.labels(config, self.plan.version(), &row.token, &labels, &numbers)?;
            }
            self.tables.poses.push(PoseRow::new(&row.token, time, &pose));
            self.link(&channel, row);
        }
        Ok(())
    }
    fn link(&mut self, channel: &str, mut row: FileRow) {
        let place = self.tables.files.len();
        if let Some(before) = self.last.get(channel).and_then(|at| self.tables.files.get_mut(*at)) {
            before.next.clone_from(&row.token);
            row.prev.clone_from(&before.token);
        }
        self.tables.files.push(row);
        self.last.insert(channel.to_owned(), place);
    }
    /// Sensors that were not read with the key frame: their last files become it.
    fn stand_in(&mut self, config: &ExportConfig) -> Result<()> {
        let sample = self.plan.sample(self.frame);
        for row in self.last.values() {
            let Some(row) = self.tables.files.get_mut(*row).filter(|r| !r.is_key_frame && r.sample_token == sample) else { continue };
            let name = row.filename.replacen("sweeps/", "samples/", 1);
            let (from, to) = (config.output.join(&row.filename), config.output.join(&name));
            std::fs::rename(&from, &to).map_err(|e| Error::io("rename to", &to, e))?;
            (row.filename, row.is_key_frame) = (name, true);
        }
        Ok(())
    }
    fn end_scene(&mut self, config: &ExportConfig) -> Result<()> {
        let scene = self.plan.scene(self.frame);
        self.last.clear();
        let name = format!("can_bus/{scene}_pose.json");
        write(&config.output.join(name), rows::lines(&std::mem::take(&mut self.bus))?.as_bytes())
    }
}

impl Writer for Nuscenes {
    fn rig(&self, config: &ExportConfig) -> Vec<SensorSpec> {
        rig::sensors(config.size, config.fov)
    }
    fn step_hz(&self, _: &ExportConfig) -> f64 {
        STEP_HZ
    }
    fn skip(&self, _: &ExportConfig, k: usize, next: u64) -> u64 {
        // Every scene begins on a whole second, when all sensors are read.
        let second = 60;
        if k == 0 || !self.plan.begins(k) { 0 } else { (next + GAP_S * second).div_ceil(second) * second - next }
    }
    fn ticks(&self, _: &ExportConfig, k: usize) -> usize {
        if self.plan.begins(k) { 1 } else { self.ticks }
    }
    fn folders(&self) -> &'static [&'static str] {
        rig::FOLDERS
    }
    fn between(&mut self, config: &ExportConfig, live: &Live, tick: &Tick) -> Result<()> {
        self.files(config, live, tick, false)
    }
    fn frame(&mut self, config: &ExportConfig, live: &Live, tick: &Tick, _: &str) -> Result<()> {
        if self.frame == 0 {
            let labels = config.output.join("lidarseg").join(self.plan.version());
            let panoptic = config.output.join("panoptic").join(self.plan.version());
            for folder in [labels, panoptic, config.output.join(self.plan.version())] {
                std::fs::create_dir_all(&folder).map_err(|e| Error::io("create", &folder, e))?;
            }
            self.shift = map::south_west(live.world().town());
        }
        self.files(config, live, tick, true)?;
        self.stand_in(config)?;
        let (k, sample) = (self.frame, self.plan.sample(self.frame));
        self.tables.samples.push(SampleRow {
            token: sample.clone(),
            timestamp: Self::micros(config, tick),
            scene_token: self.plan.scene_token(k),
            prev: if self.plan.begins(k) { String::new() } else { self.plan.sample(k - 1) },
            next: if self.plan.ends(k) { String::new() } else { self.plan.sample(k + 1) },
        });
        let map_from_vehicle = self.map_from_world() * tick.ego.pose;
        let radar = tick.readings.iter().filter_map(|r| match (&r.payload, live.rig.sensors.get(r.sensor)) {
            (Payload::Radar(scan), Some(mounted)) => Some((scan.as_ref(), mounted.calibration.extrinsics.isometry)),
            _ => None,
        });
        self.objects.annotate(&self.plan.scene(k), &sample, live, tick, &map_from_vehicle, radar.collect())?;
        if self.plan.ends(k) {
            self.end_scene(config)?;
        }
        self.frame += 1;
        Ok(())
    }
    fn finish(&mut self, config: &ExportConfig, live: &Live) -> Result<String> {
        let town = live.world().town();
        let location = self.plan.location();
        let map = map::expansion(town, self.shift);
        write(&config.output.join(format!("maps/expansion/{location}.json")), map.to_string().as_bytes())?;
        let mask = format!("maps/{}.png", token(&["map", &town.spec.name]));
        prior::write(&config.output.join(&mask), town, self.shift)?;
        let folder = config.output.join(self.plan.version());
        rows::fixed(&folder, &live.rig.sensors)?;
        self.tables.write(&folder)?;
        self.objects.write(&folder)?;
        self.plan.write(&folder, config, &mask)?;
        let root = json!(config.output.display().to_string());
        Ok(format!(
            "# Plays this root. Networks and metrics in one command: sensorium run configs/nuscenes_fuller.toml --set source.drive.root={root}\n\
             name = \"world_nuscenes\"\nmode = \"offline\"\n\n[align]\nreference = \"LIDAR_TOP\"\nwindow_ms = 80\n\n\
             [source.drive]\nkind = \"nuscenes\"\nroot = {root}\nversion = \"{}\"\n\n\
             [stage.project]\nkind = \"project\"\nlidar = \"LIDAR_TOP\"\ncameras = [\"CAM_FRONT\"]\nego = \"ego\"\n\n[sink.results]\nkind = \"results\"\n",
            self.plan.version()
        ))
    }
}
