//! KITTI on disk: the raw layout (drives with times and OXTS) and the object layout (single frames).
//!
//! *In*: a root folder. *Out*: cameras (`image_02`, ... or `image_2`, ...) as [`Modality::Rgb`], `velodyne` as [`Modality::Cloud`], the boxes of `label_2` as `labels`,
//! and of raw drives `ego`, `imu`, `gnss`. Frames and units as in [`crate::formats::kitti`].
//! *Invariant*: line `i` of a sensor's times belongs to the file numbered `i`; a file or line that is missing, broken or not later
//! than the one before is a rejected frame, never a shift of those after it.

use super::player::{Load, Planned, Player, read_text};
use super::stamps::{checked_rate, stamp_at};
use crate::formats::{kitti, oxts};
use crate::runtime::SensorInfo;
use crate::types::{Box3, Calibration, Error, FrameId, Modality, Payload, Pose, Result, SensorId, SensorTime};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which of KITTI's two layouts a root has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KittiLayout {
    /// Told by the folders.
    #[default]
    Auto,
    /// `DATE/DATE_drive_NNNN_sync/image_02/data/...`.
    Raw,
    /// `training/image_2/...`.
    Object,
}

/// Where a KITTI data set lies and what of it is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KittiConfig {
    /// The data set's folder; for the raw layout also a date's or a drive's.
    pub root: PathBuf,
    /// `auto`, `raw` or `object`.
    #[serde(default)]
    pub layout: KittiLayout,
    /// Raw layout: the drive's folder or its number, needed where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drive: Option<String>,
    /// Object layout: `training` or `testing`.
    #[serde(default = "training")]
    pub split: String,
    /// Camera folders; left out: `image_02` (raw) or `image_2` (object).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cameras: Option<Vec<String>>,
    /// Whether the Velodyne is read.
    #[serde(default = "yes")]
    pub lidar: bool,
    /// Object layout: whether annotated boxes are read, where there is a folder `label_2`.
    #[serde(default = "yes")]
    pub labels: bool,
    /// Raw layout: which of `ego`, `imu`, `gnss` are made of the OXTS files, where there are any.
    #[serde(default = "ego")]
    pub oxts: Vec<String>,
    /// Object layout: frames per second its single frames are played at.
    #[serde(default = "ten")]
    pub rate_hz: f64,
}

/// Name of the sensor that gives annotated boxes.
const LABELS: &str = "labels";

/// The annotated boxes of one frame, in the vehicle frame.
fn boxes(path: &Path, rig: &kitti::Rig) -> Result<Vec<Box3>> {
    let labels = read_text(path).and_then(|t| kitti::labels(&t)).map_err(|e| e.at(path.display().to_string()))?;
    Ok(labels.iter().filter_map(|l| l.box3(&rig.vehicle_from_rect())).collect())
}

fn training() -> String {
    "training".to_owned()
}
fn ego() -> Vec<String> {
    vec!["ego".to_owned()]
}
const fn yes() -> bool {
    true
}
const fn ten() -> f64 {
    10.0
}

impl KittiConfig {
    /// Everything of the data set in `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let (split, oxts) = (training(), ego());
        Self {
            root: root.into(),
            layout: KittiLayout::Auto,
            drive: None,
            split,
            cameras: None,
            lidar: true,
            labels: true,
            oxts,
            rate_hz: ten(),
        }
    }
    /// Finds the files and reads calibrations and times.
    ///
    /// # Errors
    /// Where the layout is not KITTI's, a named drive or camera is not there, or a drive's calibration is broken.
    pub fn build(self) -> Result<Player> {
        checked_rate(self.rate_hz)?;
        let object = self.object_folder();
        match (self.layout, object.is_dir()) {
            (KittiLayout::Object, _) | (KittiLayout::Auto, true) => self.build_object(&object),
            (KittiLayout::Raw, _) | (KittiLayout::Auto, false) => self.build_raw(),
        }
    }
    fn object_folder(&self) -> PathBuf {
        let below = self.root.join(&self.split);
        let own = !below.is_dir() && self.root.join("velodyne").is_dir() && self.root.join("calib").is_dir();
        if own { self.root.clone() } else { below }
    }
    fn camera_folders(&self, default: &str) -> Result<Vec<(String, u8)>> {
        let named = self.cameras.clone().unwrap_or_else(|| vec![default.to_owned()]);
        let number = |name: &str| name.strip_prefix("image_").and_then(|n| n.parse().ok()).filter(|n| *n < 4);
        let fault = |name: &str| Error::mismatch(format!("a camera such as `{default}`"), format!("`{name}`"), "cameras");
        named.into_iter().map(|name| number(&name).map(|n| (name.clone(), n)).ok_or_else(|| fault(&name))).collect()
    }

    fn build_object(&self, folder: &Path) -> Result<Player> {
        let cameras = self.camera_folders("image_2")?;
        let mut folders: Vec<(String, Option<u8>)> = cameras.into_iter().map(|(name, n)| (name, Some(n))).collect();
        if self.lidar {
            folders.push(("velodyne".to_owned(), None));
        }
        let mut files = Vec::new();
        for (name, _) in &folders {
            files.push(files_by_stem(&folder.join(name))?);
        }
        let labels = Some(folder.join("label_2")).filter(|f| self.labels && f.is_dir());
        let stems: BTreeSet<String> = files.iter().flat_map(|f| f.keys().cloned()).collect();
        let mut versions = Versions::default();
        let mut plan = Vec::new();
        for (k, stem) in (0..).zip(&stems) {
            let path = folder.join("calib").join(format!("{stem}.txt"));
            let rig = read_text(&path).and_then(|t| kitti::Rig::object(&t)).map_err(|e| e.at(path.display().to_string()));
            for ((name, camera), files) in folders.iter().zip(&files) {
                let file = files.get(stem).ok_or_else(|| Error::mismatch("a file", "none", format!("{name}/{stem}")));
                let entry = rig.as_ref().map_err(Clone::clone).and_then(|rig| {
                    let file = file?.clone();
                    Ok(match camera {
                        Some(number) => (versions.give(name, rig.camera(*number, name, Some(header_size(&file)?))?), Load::Picture(file)),
                        None => (versions.give(name, rig.lidar(name)), Load::Cloud(file, kitti::cloud)),
                    })
                });
                let refused = |e: Error| (versions.last(name), Load::Refused(e.to_string()));
                let (calibration, load) = entry.unwrap_or_else(refused);
                plan.push(Planned { at: stamp_at(k, self.rate_hz), sensor: SensorId::new(name), calibration, load });
            }
            if let Some(labels) = &labels {
                let path = labels.join(format!("{stem}.txt"));
                let boxes = rig.as_ref().map_err(Clone::clone).and_then(|rig| boxes(&path, rig));
                let load = boxes.map_or_else(|e| Load::Refused(e.to_string()), |b| Load::Ready(Payload::Boxes(Arc::new(b))));
                let calibration = Arc::new(Calibration::unknown(LABELS));
                plan.push(Planned { at: stamp_at(k, self.rate_hz), sensor: SensorId::new(LABELS), calibration, load });
            }
        }
        if stems.is_empty() {
            return Err(Error::mismatch("at least one frame", "none", folder.display().to_string()));
        }
        let modality = |camera: &Option<u8>| if camera.is_some() { Modality::Rgb } else { Modality::Cloud };
        let info = |(name, camera): &(String, Option<u8>)| versions.info(name, modality(camera));
        let truth =
            SensorInfo { id: SensorId::new(LABELS), modality: Modality::Boxes, calibration: Arc::new(Calibration::unknown(LABELS)) };
        Ok(Player::new(folders.iter().map(info).chain(labels.map(|_| truth)).collect(), plan))
    }

    fn build_raw(&self) -> Result<Player> {
        let drive = self.find_drive()?;
        let rig = raw_rig(&drive)?;
        let (mut sensors, mut plan) = (Vec::new(), Vec::new());
        for (name, number) in self.camera_folders("image_02")? {
            let calibration = Arc::new(rig.camera(number, &name, None)?);
            sensors.push(SensorInfo { id: SensorId::new(&name), modality: Modality::Rgb, calibration: Arc::clone(&calibration) });
            plan.extend(numbered(&drive.join(&name), &name, &calibration, Load::Picture)?);
        }
        if self.lidar {
            let calibration = Arc::new(rig.lidar("velodyne"));
            sensors.push(SensorInfo { id: SensorId::new("velodyne"), modality: Modality::Cloud, calibration: Arc::clone(&calibration) });
            plan.extend(numbered(&drive.join("velodyne_points"), "velodyne", &calibration, |f| Load::Cloud(f, kitti::cloud))?);
        }
        let folder = drive.join("oxts");
        if folder.is_dir() {
            for name in &self.oxts {
                let (info, entries) = oxts_sensor(&folder, name)?;
                sensors.push(info);
                plan.extend(entries);
            }
        }
        Ok(Player::new(sensors, plan))
    }
    /// The drive's folder: the root itself, or up to two levels below.
    fn find_drive(&self) -> Result<PathBuf> {
        let is_drive = |p: &Path| p.join("velodyne_points").is_dir() || p.join("image_02").is_dir() || p.join("image_00").is_dir();
        let mut drives = Vec::new();
        if is_drive(&self.root) {
            drives.push(self.root.clone());
        } else {
            for folder in subfolders(&self.root)? {
                if is_drive(&folder) {
                    drives.push(folder);
                } else {
                    drives.extend(subfolders(&folder)?.into_iter().filter(|p| is_drive(p)));
                }
            }
        }
        let name = |p: &PathBuf| p.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let names: Vec<String> = drives.iter().map(name).collect();
        if let Some(wanted) = &self.drive {
            let part = format!("_drive_{wanted}_");
            drives.retain(|p| name(p) == *wanted || name(p).contains(&part));
        }
        match drives.as_slice() {
            [one] => Ok(one.clone()),
            _ => {
                let wanted = self.drive.as_ref().map_or("one drive, or `drive` set".to_owned(), |d| format!("one drive `{d}`"));
                Err(Error::mismatch(wanted, format!("{names:?}"), self.root.display().to_string()))
            }
        }
    }
}

/// Calibrations that change from frame to frame: equal ones are shared, changed ones get the next version.
#[derive(Default)]
struct Versions(BTreeMap<String, (Arc<Calibration>, Arc<Calibration>)>);

impl Versions {
    fn give(&mut self, name: &str, mut calibration: Calibration) -> Arc<Calibration> {
        if let Some((_, last)) = self.0.get_mut(name) {
            calibration.version = last.version;
            if **last != calibration {
                calibration.version += 1;
                *last = Arc::new(calibration);
            }
            return Arc::clone(last);
        }
        let first = Arc::new(calibration);
        self.0.insert(name.to_owned(), (Arc::clone(&first), Arc::clone(&first)));
        first
    }
    fn last(&self, name: &str) -> Arc<Calibration> {
        self.0.get(name).map_or_else(|| Arc::new(Calibration::unknown(name)), |(_, last)| Arc::clone(last))
    }
    fn info(&self, name: &str, modality: Modality) -> SensorInfo {
        let calibration = self.0.get(name).map_or_else(|| Arc::new(Calibration::unknown(name)), |(first, _)| Arc::clone(first));
        SensorInfo { id: SensorId::new(name), modality, calibration }
    }
}

fn raw_rig(drive: &Path) -> Result<kitti::Rig> {
    let find = |file: &str| drive.ancestors().take(3).map(|p| p.join(file)).find(|p| p.is_file());
    let read = |file: &str| {
        let missing = || Error::mismatch(format!("`{file}` beside or above the drive"), "no such file", drive.display().to_string());
        find(file).ok_or_else(missing).and_then(|p| read_text(&p))
    };
    let imu = find("calib_imu_to_velo.txt").map(|p| read_text(&p)).transpose()?;
    let rig = kitti::Rig::raw(&read("calib_cam_to_cam.txt")?, &read("calib_velo_to_cam.txt")?, imu.as_deref());
    rig.map_err(|e| e.at(drive.display().to_string()))
}

/// Entries of one sensor's folder: line `i` of `timestamps.txt` with the file numbered `i` of `data`.
fn numbered(folder: &Path, name: &str, calibration: &Arc<Calibration>, load: impl Fn(PathBuf) -> Load) -> Result<Vec<Planned>> {
    let times = read_text(&folder.join("timestamps.txt"))?;
    let mut files: BTreeMap<usize, PathBuf> =
        files_by_stem(&folder.join("data"))?.into_iter().filter_map(|(stem, path)| Some((stem.parse().ok()?, path))).collect();
    let (mut last, mut plan) = (None::<SensorTime>, Vec::new());
    let mut push = |at: Option<SensorTime>, load| {
        let at = at.unwrap_or_default();
        plan.push(Planned { at, sensor: SensorId::new(name), calibration: Arc::clone(calibration), load });
    };
    for (index, line) in times.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        let file = files.remove(&index);
        match (kitti::timestamp(line), file) {
            (Err(e), _) => push(last, Load::Refused(e.at(format!("{name}, line {}", index + 1)).to_string())),
            (Ok(at), _) if last.is_some_and(|last| at <= last) => {
                push(last, Load::Refused(format!("wanted a stamp after the one before, found `{line}` ({name}, line {})", index + 1)));
            }
            (Ok(at), file) => {
                last = Some(at);
                let missing = || Load::Refused(format!("wanted file number {index}, found none ({})", folder.display()));
                push(last, file.map_or_else(missing, &load));
            }
        }
    }
    for path in files.into_values() {
        push(last, Load::Refused(format!("wanted a line of timestamps.txt, found none ({})", path.display())));
    }
    Ok(plan)
}

/// The sensor that `name` (`ego`, `imu`, `gnss`) makes of the OXTS files.
fn oxts_sensor(folder: &Path, name: &str) -> Result<(SensorInfo, Vec<Planned>)> {
    let (to, from) = (FrameId::vehicle(), FrameId::new(name));
    let calibration = Arc::new(Calibration { extrinsics: Pose::identity(to, from), ..Calibration::unknown(name) });
    let modality = match name {
        "ego" => Modality::Ego,
        "imu" => Modality::Imu,
        "gnss" => Modality::Gnss,
        _ => return Err(Error::mismatch("`ego`, `imu` or `gnss`", format!("`{name}`"), "oxts")),
    };
    let mut plan = numbered(folder, name, &calibration, Load::Picture)?;
    let mut origin = None;
    for entry in &mut plan {
        let Load::Picture(path) = &entry.load else { continue };
        let reading = read_text(path).and_then(|t| oxts::line(&t)).map_err(|e| e.at(path.display().to_string()));
        entry.load = match reading {
            Err(e) => Load::Refused(e.to_string()),
            Ok(reading) => Load::Ready(match modality {
                Modality::Imu => Payload::Imu(reading.imu),
                Modality::Gnss => Payload::Gnss(reading.gnss),
                _ => Payload::Ego(origin.get_or_insert_with(|| oxts::Origin::new(&reading)).state(&reading)),
            }),
        };
    }
    Ok((SensorInfo { id: SensorId::new(name), modality, calibration }, plan))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let fault = |e: std::io::Error| Error::io("list", folder, e);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fault)? {
        paths.push(entry.map_err(fault)?.path());
    }
    paths.sort();
    Ok(paths)
}
fn subfolders(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(folder)?.into_iter().filter(|p| p.is_dir()).collect())
}
/// Files of a folder by their names without endings; hidden ones are left out.
fn files_by_stem(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let stem = |p: &Path| p.file_stem().map(|s| s.to_string_lossy().into_owned()).filter(|s| !s.starts_with('.'));
    Ok(entries(folder)?.into_iter().filter(|p| !p.is_dir()).filter_map(|p| Some((stem(&p)?, p))).collect())
}
/// Columns and rows of a picture by its header alone.
fn header_size(path: &Path) -> Result<[usize; 2]> {
    let reader = image::ImageReader::open(path).map_err(|e| Error::io("read", path, e))?;
    let reader = reader.with_guessed_format().map_err(|e| Error::io("read", path, e))?;
    let (width, height) = reader.into_dimensions().map_err(|e| Error::mismatch("a picture", e.to_string(), path.display().to_string()))?;
    Ok([crate::types::num::usize(width), crate::types::num::usize(height)])
}
