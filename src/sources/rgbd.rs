//! Colour and depth from a folder in the layout of the TUM RGB-D benchmark (Sturm et al., IROS 2012).
//!
//! *In*: `rgb.txt` and `depth.txt` (`stamp path`), or `associations.txt`, or folders `rgb` and `depth` of files named by their stamps;
//! `groundtruth.txt` where there is one. *Out*: sensors `colour`, `depth` (metres along the optical axis, holes NaN) and `ego`
//! (world from vehicle), in the order of their stamps. *Invariant*: every listed picture becomes one frame or one rejection;
//! a colour frame that is sent has a depth partner within the window.

use super::picture::{PictureReader, picture_size};
use super::rgbd_lists::{Listed, Lists, read_lists};
use crate::runtime::{Cx, Reading, SensorInfo, Source};
use crate::types::{
    Calibration, EgoState, Error, Frame, FrameId, Intrinsics, Modality, Payload, PoolFill, Pose, Result, SensorId, SensorTime,
};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Where the pictures lie and what their numbers mean.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RgbdConfig {
    /// Folder of `rgb.txt` and `depth.txt`.
    pub root: PathBuf,
    /// Depth counts per metre.
    #[serde(default = "depth_scale")]
    pub depth_scale: f32,
    /// Largest distance in time of colour and depth that belong together, milliseconds.
    #[serde(default = "window_ms")]
    pub window_ms: f64,
    /// Focal length in columns; without it TUM's 525 at 640 columns, scaled to the pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fx: Option<f64>,
    /// Focal length in rows; without it TUM's 525 at 480 rows, scaled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fy: Option<f64>,
    /// Principal point, column; without it TUM's 319.5 of 640, scaled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cx: Option<f64>,
    /// Principal point, row; without it TUM's 239.5 of 480, scaled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cy: Option<f64>,
    /// Whether `groundtruth.txt` is read, where there is one.
    #[serde(default = "ego")]
    pub ego: bool,
}

const fn depth_scale() -> f32 {
    5000.0
}
const fn window_ms() -> f64 {
    20.0
}
const fn ego() -> bool {
    true
}

/// What comes at one instant.
#[derive(Debug)]
enum Item {
    Colour(PathBuf),
    Depth(PathBuf),
    Ego(EgoState),
    Rejected(SensorId, String),
}

/// One sensor and the number of its next frame.
#[derive(Debug)]
struct Line {
    sensor: SensorId,
    calibration: Arc<Calibration>,
    modality: Modality,
    seq: u64,
}

/// Reads the frames in the order of their stamps.
#[derive(Debug)]
pub struct Rgbd {
    depth_scale: f32,
    colour: Line,
    depth: Line,
    ego: Option<Line>,
    reader: PictureReader,
    items: std::vec::IntoIter<(SensorTime, Item)>,
}

impl RgbdConfig {
    /// The defaults of the TUM benchmark.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let (fx, fy, cx, cy) = (None, None, None, None);
        Self { root: root.into(), depth_scale: depth_scale(), window_ms: window_ms(), fx, fy, cx, cy, ego: ego() }
    }
    /// Reads the lists, finds the pairs, and takes the pictures' sizes from the first of each kind that can be read.
    ///
    /// # Errors
    /// Where there are no lists, no readable picture of a kind, or a number in this configuration makes no sense.
    pub fn build(self) -> Result<Rgbd> {
        if !(self.depth_scale.is_finite() && self.depth_scale > 0.0) {
            return Err(Error::mismatch("depth counts per metre above 0", self.depth_scale.to_string(), "depth_scale"));
        }
        let sound = self.window_ms.is_finite() && (0.0..=1e6).contains(&self.window_ms);
        if !sound {
            return Err(Error::mismatch("0 to 1000000 ms", self.window_ms.to_string(), "window_ms"));
        }
        let lists = read_lists(&self.root, Duration::from_secs_f64(self.window_ms / 1000.0))?;
        let colour = self.camera("colour", Modality::Rgb, &lists.colour)?;
        let depth = self.camera("depth", Modality::Depth, &lists.depth)?;
        let mut items = Vec::new();
        let truth = self.root.join("groundtruth.txt");
        let ego = if self.ego && truth.is_file() { Some(ego_items(&truth, &colour, &lists, &mut items)?) } else { None };
        pictures(lists.colour, &self.root, colour.sensor, Item::Colour, &mut items);
        pictures(lists.depth, &self.root, depth.sensor, Item::Depth, &mut items);
        items.sort_by_key(|(at, _)| *at);
        let (reader, items) = (PictureReader::new(), items.into_iter());
        Ok(Rgbd { depth_scale: self.depth_scale, colour, depth, ego, reader, items })
    }
    /// A forward camera with the size of the first readable picture of the list.
    fn camera(&self, sensor: &str, modality: Modality, list: &[Listed]) -> Result<Line> {
        let files = || list.iter().filter_map(|l| l.what.as_ref().ok());
        let Some((width, height)) = files().find_map(|p| picture_size(&self.root.join(p)).ok()) else {
            let first = match list.iter().find_map(|l| l.what.as_ref().err()) {
                Some(reason) if files().next().is_none() => reason.clone(),
                _ => files().next().map_or("none listed".into(), |p| format!("{} listed, first `{}`", files().count(), p.display())),
            };
            return Err(Error::mismatch(format!("a readable {sensor} picture"), first, self.root.display().to_string()));
        };
        let tum = Intrinsics::new(640, 480, 525.0, 525.0, 319.5, 239.5)?.resized(width, height);
        let [fx, fy] = [self.fx.unwrap_or(tum.fx), self.fy.unwrap_or(tum.fy)];
        let k = Intrinsics::new(width, height, fx, fy, self.cx.unwrap_or(tum.cx), self.cy.unwrap_or(tum.cy))?;
        let calibration = Arc::new(Calibration::forward_camera(sensor, k));
        Ok(Line { sensor: SensorId::new(sensor), calibration, modality, seq: 0 })
    }
}

fn pictures(list: Vec<Listed>, root: &Path, sensor: SensorId, item: fn(PathBuf) -> Item, items: &mut Vec<(SensorTime, Item)>) {
    items.extend(list.into_iter().map(|l| match l.what {
        Ok(path) => (l.at, item(root.join(path))),
        Err(reason) => (l.at, Item::Rejected(sensor, reason)),
    }));
}

/// The ground truth while pictures are taken: the camera's pose there, the vehicle's here.
fn ego_items(truth: &Path, camera: &Line, lists: &Lists, items: &mut Vec<(SensorTime, Item)>) -> Result<Line> {
    let sensor = SensorId::new("ego");
    let camera_from_vehicle = camera.calibration.extrinsics.inverse();
    let stamps = || lists.colour.iter().chain(&lists.depth).map(|l| l.at);
    // As far as a picture's partner may be; poses further out would be readings without pictures.
    let margin = Duration::from_millis(20);
    let from = stamps().min().unwrap_or_default().before(margin);
    let to = stamps().max().unwrap_or_default().after(margin);
    let mut poses: Vec<(SensorTime, Pose)> = Vec::new();
    for row in super::rgbd_lists::read_trajectory(truth)? {
        let pose = row.what.and_then(|[x, y, z, qx, qy, qz, qw]| {
            let camera = Pose::from_quaternion(FrameId::world(), camera_from_vehicle.to, [x, y, z], [qw, qx, qy, qz]);
            camera.and_then(|c| c.compose(&camera_from_vehicle)).map_err(|e| e.to_string())
        });
        match pose {
            Ok(pose) if (from..=to).contains(&row.at) => poses.push((row.at, pose)),
            Ok(_) => {}
            Err(reason) => items.push((row.at.clamp(from, to), Item::Rejected(sensor, reason))),
        }
    }
    for (k, (at, pose)) in poses.iter().enumerate() {
        let before = k.checked_sub(1).and_then(|i| poses.get(i)).unwrap_or(&(*at, *pose)).to_owned();
        let after = poses.get(k + 1).unwrap_or(&(*at, *pose)).to_owned();
        let (speed, yaw_rate) = motion(pose, &before, &after);
        items.push((*at, Item::Ego(EgoState { pose: *pose, speed, yaw_rate })));
    }
    Ok(Line { sensor, calibration: Arc::new(Calibration::unknown("ego")), modality: Modality::Ego, seq: 0 })
}

/// Forward speed (m/s) and turn rate about z (rad/s), by the difference of the neighbours.
fn motion(now: &Pose, before: &(SensorTime, Pose), after: &(SensorTime, Pose)) -> (f64, f64) {
    let dt = after.0.since(before.0).as_secs_f64();
    if dt <= 0.0 {
        return (0.0, 0.0);
    }
    let forward = now.isometry.rotation * nalgebra::Vector3::x();
    let moved = after.1.isometry.translation.vector - before.1.isometry.translation.vector;
    let turned = (before.1.isometry.rotation.inverse() * after.1.isometry.rotation).scaled_axis();
    (moved.dot(&forward) / dt, turned.z / dt)
}

impl Line {
    fn frame(&mut self, captured: SensorTime, name: Option<Arc<str>>, payload: Payload) -> Reading {
        let (sensor, seq, calibration) = (self.sensor, self.seq, Arc::clone(&self.calibration));
        self.seq += 1;
        Reading::Frame(Frame { name, ..Frame::new(sensor, seq, captured, calibration, payload) })
    }
    /// The frame, where its picture has the size that its calibration is for.
    fn picture(&mut self, captured: SensorTime, path: &Path, picture: Result<(usize, usize, Payload)>) -> Reading {
        let wanted = self.calibration.intrinsics.map_or((0, 0), |k| (k.width, k.height));
        let reason = match picture {
            Ok((w, h, payload)) if (w, h) == wanted => {
                let name = path.file_stem().map(|s| Arc::from(s.to_string_lossy()));
                return self.frame(captured, name, payload);
            }
            Ok((w, h, _)) => {
                let wanted = format!("{}x{} as the first {} picture", wanted.0, wanted.1, self.sensor);
                Error::mismatch(wanted, format!("{w}x{h}"), path.display().to_string()).to_string()
            }
            Err(e) => e.to_string(),
        };
        self.seq += 1;
        Reading::Rejected { sensor: self.sensor, at: Some(captured), reason }
    }
    fn info(&self) -> SensorInfo {
        SensorInfo { id: self.sensor, modality: self.modality, calibration: Arc::clone(&self.calibration) }
    }
}

impl Source for Rgbd {
    fn sensors(&self) -> Vec<SensorInfo> {
        [Some(&self.colour), Some(&self.depth), self.ego.as_ref()].into_iter().flatten().map(Line::info).collect()
    }
    fn next(&mut self, _cx: &Cx) -> Result<Reading> {
        let Some((at, item)) = self.items.next() else { return Ok(Reading::End) };
        Ok(match item {
            Item::Rejected(sensor, reason) => Reading::Rejected { sensor, at: None, reason },
            Item::Colour(path) => {
                let image = self.reader.rgb(&path).map(|i| (i.width(), i.height(), Payload::Rgb(Arc::new(i))));
                self.colour.picture(at, &path, image)
            }
            Item::Depth(path) => {
                let image = self.reader.depth(&path, self.depth_scale);
                let image = image.map(|i| (i.width(), i.height(), Payload::Depth(Arc::new(i))));
                self.depth.picture(at, &path, image)
            }
            Item::Ego(state) => match self.ego.as_mut() {
                Some(line) => line.frame(at, None, Payload::Ego(state)),
                None => Reading::Rejected { sensor: SensorId::new("ego"), at: None, reason: "no ground truth asked for".into() },
            },
        })
    }
    fn pools(&self) -> Vec<(String, PoolFill)> {
        self.reader.pools()
    }
}
