//! `sensorium eval map`: map cells against the vector map of a nuScenes root.
//!
//! *In*: a root, a split, a folder of predictions. *Out*: the report, also written to `--output`. *Invariant*: every sample that is
//! scored is named in an error of its own; counts do not depend on the number of threads.

use super::files::{Progress, decode, encode, read, write_whole};
use super::nuscenes::settle;
use super::nuscenes_labels::{Place, samples};
use super::pretty;
use crate::eval::nuscenes::map_iou::{MAP_CLASSES, MapCounts};
use crate::formats::nuscenes::map::{Patch, VectorMap};
use crate::formats::nuscenes::{Faults, Tables, global_from_sensor, yaw};
use crate::sources::nuscenes::Root;
use crate::types::{Error, Result, num};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Half the edge of the map window, metres, and its cells along an edge.
pub(super) const MAP_HALF_M: f64 = 50.0;
pub(super) const MAP_CELLS: usize = 200;

/// `sensorium eval map`.
#[derive(Debug, Clone, clap::Args)]
pub struct MapArgs {
    #[command(flatten)]
    place: Place,
    /// Folder of predictions, one `SAMPLE_TOKEN.png` each: 200 x 1200 grey, six classes one below the other, rows along
    /// LiDAR x; the share of the highest level (255, or 65535 of 16 bits) is the probability
    #[arg(long, value_name = "DIR")]
    results: PathBuf,
    /// Score only the samples that have a prediction
    #[arg(long)]
    given: bool,
}

impl MapArgs {
    /// Runs the command; the report is also in the output file.
    ///
    /// # Errors
    /// Where root, split, a map or a prediction cannot be read or is not what it must be, or nothing can be written.
    pub fn run(&self) -> Result<Value> {
        let (root, tables, split) = self.place.load()?;
        let mut rows = samples(&tables, &split)?;
        let path = |row: usize| tables.samples.rows().get(row).map(|s| self.results.join(format!("{}.png", s.token)));
        if self.given {
            rows.retain(|row| path(*row).is_some_and(|p| p.is_file()));
        }
        let total = score(&root, &tables, &rows, |row| {
            let predicted = path(row).ok_or_else(|| Error::mismatch("a sample", "none", format!("row {row}")))?;
            levels(&predicted)
        })?;
        let mut report = json!({ "version": 1, "kind": "map", "split": split.name, "samples": rows.len() });
        if let (Some(report), Value::Object(summary)) = (report.as_object_mut(), total.summary()) {
            report.extend(summary);
        }
        write_whole(&self.place.output, pretty(&report).as_bytes())?;
        Ok(report)
    }
}

/// Counts over samples (rows); `levels` gives each one's probabilities in 65535ths: class by class, rows along LiDAR x.
///
/// # Errors
/// Where a map cannot be read or is not what it must be, a sample has no LiDAR key frame, or `levels` fails.
pub(super) fn score(root: &Root, tables: &Tables, rows: &[usize], levels: impl Fn(usize) -> Result<Vec<u16>> + Sync) -> Result<MapCounts> {
    let mut maps: BTreeMap<&str, VectorMap> = BTreeMap::new();
    for row in rows {
        let location = location(tables, *row)?;
        if !maps.contains_key(location) {
            let (mut faults, name) = (Faults::default(), map_file(location));
            maps.insert(location, VectorMap::read(&root.bytes(&name)?, &name, &mut faults));
            settle(&faults, location)?;
        }
    }
    let progress = Progress::new("counting map cells", rows.len());
    let count = |row: &usize| {
        progress.step();
        let location = location(tables, *row)?;
        let map = maps.get(location).ok_or_else(|| Error::mismatch("a map", "none", location))?;
        Ok(count_cells(map, &patch(tables, *row)?, &levels(*row)?))
    };
    let counted: Vec<Result<MapCounts>> = rows.par_iter().map(count).collect();
    let mut total = MapCounts::default();
    for counts in counted {
        total.merge(&counts?);
    }
    Ok(total)
}

/// Name of a place's vector map below the root.
pub(super) fn map_file(location: &str) -> String {
    format!("maps/expansion/{location}.json")
}

/// The place where a sample (a row) was taken.
pub(super) fn location(tables: &Tables, row: usize) -> Result<&str> {
    let scene = tables.samples.rows().get(row).and_then(|s| tables.scenes.get(&s.scene_token));
    let log = scene.and_then(|s| tables.logs.get(&s.log_token));
    log.map(|l| &*l.location).ok_or_else(|| Error::mismatch("a log with a location", "none", format!("sample row {row}")))
}

/// The window around the LiDAR, turned by the direction of its x axis.
pub(super) fn patch(tables: &Tables, row: usize) -> Result<Patch> {
    let key = tables.key_frame(row, "LIDAR_TOP").ok_or_else(|| Error::mismatch("a LIDAR_TOP key frame", "none", "MissingKeyFrame"))?;
    let pose = global_from_sensor(tables, key)?;
    let centre = [pose.translation.x, pose.translation.y];
    // The reference goes by degrees, and a line's last cell may hang on the last bit of its angle.
    let degrees = yaw(&pose.rotation) / std::f64::consts::PI * 180.0;
    Ok(Patch { centre, size: [2.0 * MAP_HALF_M; 2], angle: degrees * std::f64::consts::PI / 180.0, canvas: [MAP_CELLS; 2] })
}

/// The levels of a prediction's picture.
fn levels(predicted: &Path) -> Result<Vec<u16>> {
    // 8-bit levels times 257 are the same fractions.
    let picture = decode(&read(predicted)?, predicted)?.into_luma16();
    let (width, height) = (num::usize(picture.width()), num::usize(picture.height()));
    if (width, height) != (MAP_CELLS, MAP_CELLS * MAP_CLASSES.len()) {
        let wanted = format!("{MAP_CELLS}x{} cells", MAP_CELLS * MAP_CLASSES.len());
        return Err(Error::mismatch(wanted, format!("{width}x{height}"), predicted.display().to_string()));
    }
    Ok(picture.into_raw())
}

/// The same levels as a picture's bytes.
pub(super) fn picture_of(levels: &[u16]) -> Result<Vec<u8>> {
    // The encoder wants 16-bit samples in the machine's own order.
    let bytes: Vec<u8> = levels.iter().flat_map(|v| v.to_ne_bytes()).collect();
    encode(&bytes, MAP_CELLS, MAP_CELLS * MAP_CLASSES.len(), image::ExtendedColorType::L16)
}

/// Counts the cells of one sample.
pub(super) fn count_cells(map: &VectorMap, patch: &Patch, levels: &[u16]) -> MapCounts {
    let mut counts = MapCounts::default();
    for (class, cells) in levels.chunks_exact(MAP_CELLS * MAP_CELLS).enumerate() {
        counts.add(class, cells.iter().map(|v| f32::from(*v) / 65535.0), true_cells(map, patch, class).into_iter());
    }
    counts
}

/// Layers that make a class.
pub(super) fn layers_of(class: usize) -> &'static [&'static str] {
    const DIVIDERS: [&str; 2] = ["road_divider", "lane_divider"];
    match MAP_CLASSES.get(class) {
        Some(&"divider") => &DIVIDERS,
        Some(name) => std::slice::from_ref(name),
        None => &[],
    }
}

/// The true cells of a class, rows along LiDAR x.
fn true_cells(map: &VectorMap, patch: &Patch, class: usize) -> Vec<bool> {
    let masks: Vec<Vec<u8>> = layers_of(class).iter().map(|layer| map.mask(layer, patch)).collect();
    let set = |at: usize| masks.iter().any(|m| m.get(at) == Some(&1));
    // The mask's rows run along LiDAR y.
    (0..MAP_CELLS * MAP_CELLS).map(|at| set(at % MAP_CELLS * MAP_CELLS + at / MAP_CELLS)).collect()
}

/// A map report as a table for people.
pub(super) fn map_table(report: &Value) -> String {
    let number = |key: &str| report.get(key).and_then(Value::as_f64).unwrap_or(f64::NAN);
    let mut text = format!("{:<16} {:>7}", "", "max");
    let thresholds = ["0.35", "0.40", "0.45", "0.50", "0.55", "0.60", "0.65"];
    text.extend(thresholds.iter().map(|t| format!(" {t:>7}")));
    text.push('\n');
    for class in MAP_CLASSES {
        text.push_str(&format!("{class:<16} {:>7.4}", number(&format!("map/{class}/iou@max"))));
        text.extend(thresholds.iter().map(|t| format!(" {:>7.4}", number(&format!("map/{class}/iou@{t}")))));
        text.push('\n');
    }
    text + &format!("{:<16} {:>7.4}\n", "mean", number("map/mean/iou@max"))
}
