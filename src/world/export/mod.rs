//! The world as a data set on disk, in layouts that our own sources (and everybody's tools) read, with the truth beside.
//!
//! *In*: an [`ExportConfig`]. *Out*: a folder: pictures, clouds, calibration, `truth/NAME.json` per frame, and `pipeline.toml`, which plays it.
//! *Invariant*: what is read back is what was made: colour, heat, labels and points to the bit, depth to half a count (nuScenes keeps pictures as JPEG).

mod carla;
mod irvis;
mod kitti;
mod nuscenes;
mod truth;
mod tum;

use super::live::{Live, LiveConfig, Tick};
use super::motion::WorldConfig;
use super::sensors::SensorSpec;
use crate::types::{DepthImage, Error, LabelImage, Payload, PointCloud, Result, RgbImage, ThermalImage, num};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Which layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportLayout {
    /// `vi/NAME.png`, `ir/NAME.png`, `labels/NAME.png` (MFNet's numbers): MSRS, M3FD, LLVIP.
    Irvis,
    /// `rgb.txt`, `depth.txt`, `groundtruth.txt`: the TUM RGB-D benchmark.
    Tum,
    /// `training/{image_2,velodyne,calib,label_2}`: KITTI's object layout.
    Kitti,
    /// Three RGB-D cameras, classes, LiDAR and measurements: the driving sets of LeTFuser and TransFuser.
    Carla,
    /// `v1.0-.../*.json`, `samples`, `sweeps`, `maps`, point labels, `can_bus`: a nuScenes root; a frame is a key frame of all its sensors.
    Nuscenes,
}

/// What is written, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportConfig {
    /// The layout.
    pub layout: ExportLayout,
    /// The folder, new or empty.
    pub output: PathBuf,
    /// The world.
    pub world: WorldConfig,
    /// How many frames.
    pub frames: usize,
    /// Frames a second.
    pub rate_hz: f64,
    /// Columns and rows of the pictures.
    pub size: [usize; 2],
    /// Horizontal field of view, degrees.
    pub fov: f64,
    /// Seconds that pass before the first frame.
    pub warm_up_s: f64,
    /// TUM: depth counts per metre.
    pub depth_scale: f32,
    /// nuScenes: frames of a scene; the next scene begins some seconds later.
    pub scene_frames: usize,
}

/// One layout's way to write.
trait Writer {
    /// The rig that it needs.
    fn rig(&self, config: &ExportConfig) -> Vec<SensorSpec>;
    /// Steps of the world a second; the fastest sensor's rate, or more.
    fn step_hz(&self, config: &ExportConfig) -> f64 {
        config.rate_hz
    }
    /// Ticks that pass unread before those of frame `k`.
    fn skip(&self, _config: &ExportConfig, _k: usize, _next: u64) -> u64 {
        0
    }
    /// Ticks that lead to frame `k`, its own included.
    fn ticks(&self, _config: &ExportConfig, _k: usize) -> usize {
        1
    }
    /// One tick between frames.
    fn between(&mut self, _config: &ExportConfig, _live: &Live, _tick: &Tick) -> Result<()> {
        Ok(())
    }
    /// Folders below the output.
    fn folders(&self) -> &'static [&'static str];
    /// One frame.
    fn frame(&mut self, config: &ExportConfig, live: &Live, tick: &Tick, name: &str) -> Result<()>;
    /// Lists and calibration at the end, and the pipeline that plays it; empty where no source reads the layout.
    fn finish(&mut self, config: &ExportConfig, live: &Live) -> Result<String>;
}

/// Height of the cameras above the road, and how far before the vehicle's middle they sit, metres.
const MOUNT: [f64; 3] = [0.6, 0.0, 1.5];

/// Writes a data set; `progress` is told of every frame.
///
/// # Errors
/// Where the folder is not empty, the configuration makes no world, or a file cannot be written.
pub fn export(config: &ExportConfig, mut progress: impl FnMut(usize)) -> Result<()> {
    if config.frames == 0 || config.frames > 1_000_000 {
        return Err(Error::mismatch("1 to 1000000 frames", config.frames.to_string(), "export"));
    }
    if !(config.depth_scale.is_finite() && (1.0..=60_000.0).contains(&config.depth_scale)) {
        return Err(Error::mismatch("1 to 60000 depth counts per metre", config.depth_scale.to_string(), "export"));
    }
    let mut writer: Box<dyn Writer> = match config.layout {
        ExportLayout::Irvis => Box::new(irvis::Irvis),
        ExportLayout::Tum => Box::new(tum::Tum::default()),
        ExportLayout::Kitti => Box::new(kitti::Kitti),
        ExportLayout::Carla => Box::new(carla::Carla),
        ExportLayout::Nuscenes => Box::new(nuscenes::Nuscenes::new(config)?),
    };
    let mut live = Live::new(&LiveConfig {
        world: config.world.clone(),
        sensors: writer.rig(config),
        step_hz: writer.step_hz(config),
        warm_up_s: config.warm_up_s,
        parked: false,
        place: [0.0; 4],
    })?;
    claim(&config.output)?;
    for folder in writer.folders().iter().chain(&["truth"]) {
        let path = config.output.join(folder);
        std::fs::create_dir_all(&path).map_err(|e| Error::io("create", &path, e))?;
    }
    for k in 0..config.frames {
        live.pass(writer.skip(config, k, live.next_tick()))?;
        for _ in 1..writer.ticks(config, k) {
            let tick = live.advance()?;
            writer.between(config, &live, &tick)?;
        }
        let tick = live.advance()?;
        let name = format!("{k:06}");
        writer.frame(config, &live, &tick, &name)?;
        truth::write(&config.output.join("truth").join(format!("{name}.json")), &live, &tick)?;
        progress(k + 1);
    }
    let pipeline = writer.finish(config, &live)?;
    if pipeline.is_empty() { Ok(()) } else { write(&config.output.join("pipeline.toml"), pipeline.as_bytes()) }
}

/// The folder must be new or empty, so that no two data sets mix.
fn claim(folder: &Path) -> Result<()> {
    let taken = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if taken {
        return Err(Error::mismatch("a new or empty folder", "files in it", folder.display().to_string()));
    }
    std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(|e| Error::io("write", path, e))
}

/// The reading of a sensor by name.
fn reading<'t>(live: &Live, tick: &'t Tick, name: &str) -> Result<&'t Payload> {
    let found = tick.readings.iter().find(|r| live.rig.sensors.get(r.sensor).is_some_and(|s| s.spec.name == name));
    found.map(|r| &r.payload).ok_or_else(|| Error::mismatch(format!("a reading of `{name}`"), "none", "export"))
}

macro_rules! payload {
    ($name:ident, $variant:ident, $type:ty) => {
        fn $name<'t>(live: &Live, tick: &'t Tick, name: &str) -> Result<&'t $type> {
            match reading(live, tick, name)? {
                Payload::$variant(value) => Ok(value),
                _ => Err(Error::mismatch(stringify!($variant), "another payload", format!("sensor `{name}`"))),
            }
        }
    };
}
payload!(rgb_of, Rgb, RgbImage);
payload!(depth_of, Depth, DepthImage);
payload!(thermal_of, Thermal, ThermalImage);
payload!(labels_of, Labels, LabelImage);
payload!(cloud_of, Cloud, PointCloud);

fn save(path: &Path, result: image::ImageResult<()>) -> Result<()> {
    result.map_err(|e| Error::io("write", path, e))
}
fn side(n: usize) -> u32 {
    num::u32(n)
}
fn save_rgb(path: &Path, picture: &RgbImage) -> Result<()> {
    let size = (side(picture.width()), side(picture.height()));
    save(path, image::save_buffer(path, picture.data(), size.0, size.1, image::ExtendedColorType::Rgb8))
}
fn save_grey(path: &Path, values: &[u8], width: usize, height: usize) -> Result<()> {
    save(path, image::save_buffer(path, values, side(width), side(height), image::ExtendedColorType::L8))
}
fn save_grey16(path: &Path, values: Vec<u16>, width: usize, height: usize) -> Result<()> {
    let picture = image::ImageBuffer::<image::Luma<u16>, Vec<u16>>::from_raw(side(width), side(height), values);
    let picture = picture.ok_or_else(|| Error::mismatch("a full picture", "another size", path.display().to_string()))?;
    save(path, picture.save(path))
}
/// Labels of at most 255 classes.
fn save_labels(path: &Path, labels: &LabelImage) -> Result<()> {
    let values: Vec<u8> = labels.labels.iter().map(|l| u8::try_from(*l).unwrap_or(u8::MAX)).collect();
    save_grey(path, &values, labels.labels.ncols(), labels.labels.nrows())
}
