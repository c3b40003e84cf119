//! What a run found, by sample: boxes and tracks in the world, map layers, out of its `results.jsonl`.
//!
//! *In*: the lines of a `results` sink, the tables of the root that was played. *Out*: [`RunResults`] of one stage. *Invariant*: a line belongs to the
//! sample whose LiDAR key frame it was made of (without a LiDAR: the sample that all of its frames are key frames of); lines between key
//! frames are passed over, two lines of one sample are an error.

use crate::eval::nuscenes::submit::{self, LocalBox};
use crate::formats::nuscenes::{DETECTION_CLASSES, Meta, ResultBox, SampleData, Tables, Token, motion};
use crate::types::{Box3, Error, FrameId, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

/// The map layers of a sample, as the sink wrote them: 16-bit pictures, rows along x, columns along y.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli) enum MapCells {
    /// Probabilities in 65535ths, one layer below the other.
    Probabilities(PathBuf),
    /// Bit `i` of a cell for layer `i`.
    Bits(PathBuf),
}

/// Cells, and where they lie.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli) struct MapFile {
    /// The picture.
    pub(in crate::cli) cells: MapCells,
    /// Names of the layers.
    pub(in crate::cli) layers: Vec<String>,
    /// Low corner, metres, vehicle frame.
    pub(in crate::cli) origin: [f64; 2],
    /// Side of a cell, metres.
    pub(in crate::cli) cell: f64,
}

/// What one stage found.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct RunResults {
    /// What the results were made from.
    pub(in crate::cli) meta: Meta,
    /// Boxes in the world with their tracks, by sample; a sample without boxes that was seen is there too.
    pub(in crate::cli) boxes: BTreeMap<Token, Vec<(ResultBox, Option<u64>)>>,
    /// Map layers by sample.
    pub(in crate::cli) maps: BTreeMap<Token, MapFile>,
    /// Names of the stages that gave boxes.
    pub(in crate::cli) stages: BTreeSet<String>,
}

/// Key frames by channel and time, microseconds.
type KeyFrames<'t> = HashMap<(&'t str, i64), (usize, &'t SampleData)>;

impl RunResults {
    /// Reads the lines; without a stage, of the only one that gave boxes.
    ///
    /// # Errors
    /// Where a line is not what it must be, a class is unknown, or several stages gave boxes and none is named.
    pub(in crate::cli) fn read(path: &Path, tables: &Tables, stage: Option<&str>) -> Result<Self> {
        let mut key_frames = KeyFrames::new();
        for row in 0..tables.samples.rows().len() {
            key_frames.extend(tables.key_frames(row).map(|(channel, data)| ((channel, data.timestamp), (row, data))));
        }
        let input = BufReader::new(File::open(path).map_err(|e| Error::io("read", path, e))?);
        let (mut found, mut used) = (Self::default(), [false; 3]);
        for (number, line) in input.lines().enumerate() {
            let place = || format!("line {} of {}", number + 1, path.display());
            let line = line.map_err(|e| Error::io("read", path, e))?;
            let line: Value = serde_json::from_str(&line).map_err(|e| Error::mismatch("JSON", e.to_string(), place()))?;
            let frames: Vec<(&str, i64)> = (line.get("frames").and_then(Value::as_array).into_iter().flatten())
                .filter_map(|f| Some((f.get("sensor")?.as_str()?, f.get("captured_ns")?.as_i64()?.div_euclid(1000))))
                .collect();
            let Some((row, data)) = sample_of(&frames, &key_frames) else { continue };
            for (channel, _) in &frames {
                let kinds = ["CAM", "LIDAR", "RADAR"];
                used.iter_mut().zip(kinds).for_each(|(used, kind)| *used |= channel.starts_with(kind));
            }
            let Some(sample) = tables.samples.rows().get(row) else { continue };
            if found.boxes.insert(sample.token.clone(), Vec::new()).is_some() {
                return Err(Error::mismatch("one line for each sample", format!("a second one for {}", sample.token), place()));
            }
            for outcome in line.get("outcomes").and_then(Value::as_array).into_iter().flatten() {
                found.take(outcome, stage, tables, &sample.token, data, path).map_err(|e| e.at(place()))?;
            }
        }
        if found.boxes.is_empty() {
            return Err(Error::mismatch("lines of key frames of this root", "none", path.display().to_string()));
        }
        if stage.is_none() && found.stages.len() > 1 {
            let names: Vec<&str> = found.stages.iter().map(String::as_str).collect();
            let wanted = "the name of the stage whose boxes are meant, --stage";
            return Err(Error::mismatch(wanted, format!("several: {}", names.join(", ")), path.display().to_string()));
        }
        let [camera, lidar, radar] = used;
        found.meta = submit::meta(camera, lidar, radar);
        Ok(found)
    }

    fn take(
        &mut self,
        outcome: &Value,
        stage: Option<&str>,
        tables: &Tables,
        sample: &Token,
        data: &SampleData,
        path: &Path,
    ) -> Result<()> {
        let text = |key: &str| outcome.get(key).and_then(Value::as_str);
        let of = text("stage").unwrap_or_default();
        let meant = stage.is_none_or(|s| s == of);
        match text("kind") {
            Some("boxes3") => {
                self.stages.insert(of.to_owned());
                if meant {
                    let boxes = outcome.get("boxes").cloned().unwrap_or_default();
                    let boxes: Vec<Box3> = serde_json::from_value(boxes).map_err(|e| Error::mismatch("boxes", e.to_string(), of))?;
                    self.boxes.entry(sample.clone()).or_default().extend(in_world(&boxes, tables, data)?);
                }
            }
            Some("map") if meant => {
                let numbers = |key: &str| outcome.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_f64);
                let origin: Vec<f64> = numbers("origin").collect();
                let layers = outcome.get("layers").and_then(Value::as_array).into_iter().flatten();
                let beside = |file: &str| path.parent().unwrap_or_else(|| Path::new(".")).join(file);
                let probabilities = text("probabilities").map(|file| MapCells::Probabilities(beside(file)));
                let cells = probabilities.or_else(|| text("cells").map(|file| MapCells::Bits(beside(file))));
                let map = cells.zip(origin.first_chunk::<2>()).zip(outcome.get("cell").and_then(Value::as_f64));
                if let Some(((cells, origin), cell)) = map {
                    let layers = layers.filter_map(Value::as_str).map(str::to_owned).collect();
                    self.maps.insert(sample.clone(), MapFile { cells, layers, origin: *origin, cell });
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The sample that a line's frames stand for, and the file whose time and pose count.
fn sample_of<'t>(frames: &[(&str, i64)], key_frames: &KeyFrames<'t>) -> Option<(usize, &'t SampleData)> {
    let key = |frame: &(&str, i64)| key_frames.get(frame).copied();
    if let Some(lidar) = frames.iter().find(|(channel, _)| channel.starts_with("LIDAR")) {
        return key(lidar);
    }
    let mut sensors = frames.iter().filter(|(channel, _)| channel.starts_with("CAM") || channel.starts_with("RADAR"));
    let (row, data) = key(sensors.next()?)?;
    sensors.all(|frame| key(frame).is_some_and(|(other, _)| other == row)).then_some((row, data))
}

/// Boxes of the vehicle's frame, at a file's time, in the world.
fn in_world(boxes: &[Box3], tables: &Tables, data: &SampleData) -> Result<Vec<(ResultBox, Option<u64>)>> {
    let place = || format!("sample_data {}", data.token);
    let pose = tables.ego_poses.get(&data.ego_pose_token).ok_or_else(|| Error::mismatch("an ego_pose", "none", place()))?;
    let pose = motion(FrameId::world(), FrameId::vehicle(), pose.translation, pose.rotation)?.isometry;
    let one = |b: &Box3| {
        let [length, width, height] = b.size;
        let velocity = b.velocity.unwrap_or([f64::NAN; 2]);
        let local = LocalBox {
            centre: b.centre,
            size: [width, length, height],
            yaw: b.yaw,
            velocity,
            class: class(&b.class, &place())?,
            score: f64::from(b.score),
        };
        Ok((local.in_world(&pose), b.track))
    };
    boxes.iter().map(one).collect()
}

/// Place of a class among the detection classes.
///
/// # Errors
/// Where it is none of them; the error says which comes nearest.
pub(in crate::cli) fn class(name: &str, place: &str) -> Result<u8> {
    let known = (0_u8..).zip(DETECTION_CLASSES).find(|(_, c)| *c == name).map(|(at, _)| at);
    known.ok_or_else(|| {
        let hint = crate::types::nearest(name, DETECTION_CLASSES).map_or_else(String::new, |n| format!("; did you mean `{n}`?"));
        Error::mismatch("a detection class", format!("`{name}`{hint}"), place)
    })
}
