//! The `[evaluate]` table of a configuration, after the run: submissions, metrics, page.
//!
//! *In*: the plan, the run's folder with its `results.jsonl`. *Out*: `evaluation/` in that folder, and all metrics as one value. *Invariant*: what is
//! scored are the files that are left behind: `sensorium eval` and the public devkit give the same numbers for them. A sample that the
//! run did not reach counts as one without boxes, and is said to be missing.

use super::files::{Progress, decode, read, write_whole};
use super::nuscenes::{Loaded, detection_table, matched, settle, tracking_table};
use super::nuscenes_labels::{MAP_CELLS, MAP_HALF_M, layers_of, location, map_table, patch, true_cells};
use super::run_results::{MapFile, RunResults};
use super::{nuscenes_report, pretty};
use crate::config::{Evaluate, Plan};
use crate::eval::nuscenes::detection::Detection;
use crate::eval::nuscenes::map_iou::{MAP_CLASSES, MapCounts};
use crate::eval::nuscenes::predictions::Predictions;
use crate::eval::nuscenes::submit;
use crate::eval::nuscenes::tracking::Tracking;
use crate::formats::nuscenes::map::VectorMap;
use crate::formats::nuscenes::splits::Split;
use crate::formats::nuscenes::{Choice, Faults, ResultBox, ResultKind, Scene, Tables, Token, check_links, motion};
use crate::sources::NuscenesConfig;
use crate::sources::nuscenes::Root;
use crate::types::{Error, FrameId, Result, num};
use nalgebra::Point3;
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What is scored, and where it lies.
struct Task<'p> {
    evaluate: &'p Evaluate,
    root: Root,
    split: Split,
    tables: Tables,
    /// Rows and tokens of the split's samples.
    samples: Vec<(usize, Token)>,
    lines: PathBuf,
    folder: PathBuf,
}

/// Scores a run; `None` where the configuration asks for no evaluation.
///
/// # Errors
/// Where the truth or the results cannot be read or are not what they must be, or nothing can be written.
pub(in crate::cli) fn evaluate(plan: &Plan, run_dir: &Path) -> Result<Option<Value>> {
    let Some(evaluate) = &plan.top.evaluate else { return Ok(None) };
    let task = Task::new(evaluate, &plan.nuscenes()?, plan.results_folder().map_or(run_dir, Path::new), run_dir)?;
    let mut report = json!({ "version": 1, "kind": "run", "split": task.split.name, "samples": task.samples.len(),
        "folder": task.folder.display().to_string() });
    let mut put = |key: &str, value: Value| {
        if let Some(report) = report.as_object_mut() {
            report.insert(key.to_owned(), value);
        }
    };
    if let Some(stage) = &evaluate.boxes {
        put("detection", task.detection(stage)?);
    }
    if let Some(stage) = &evaluate.tracks {
        put("tracking", task.tracking(stage)?);
    }
    if let Some(stage) = &evaluate.map {
        put("map", task.map(stage)?);
    }
    write_whole(&task.folder.join("metrics.json"), pretty(&report).as_bytes())?;
    Ok(Some(report))
}

/// The evaluation as tables for people.
pub(in crate::cli) fn table(report: &Value) -> String {
    type Draw = fn(&Value) -> String;
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut out = format!("evaluation on `{}`: {}\n", text(report, "split"), text(report, "folder"));
    for (key, draw) in [("detection", detection_table as Draw), ("tracking", tracking_table), ("map", map_table)] {
        let Some(part) = report.get(key) else { continue };
        match part.get("skipped").and_then(Value::as_str) {
            Some(reason) => out.push_str(&format!("\n{key}: skipped, {reason}\n")),
            None => out.push_str(&format!("\n{key}\n{}", draw(part))),
        }
        if let Some(page) = part.get("page").and_then(Value::as_str) {
            out.push_str(&format!("page: {page}\n"));
        }
    }
    out
}

impl<'p> Task<'p> {
    fn new(evaluate: &'p Evaluate, source: &NuscenesConfig, results: &Path, run_dir: &Path) -> Result<Self> {
        let root = Root::open(&source.root, Some(&source.version))?;
        let named = evaluate.split.as_ref().or(source.split.as_ref().filter(|_| source.scene.is_none()));
        let mut faults = Faults::default();
        let split = match named {
            Some(name) => root.split(name)?,
            None => {
                let all = Choice { scene: &|_| false, channels: None, sweeps: false, annotations: false, rest: false };
                let tables = root.tables(&all, &mut Faults::default())?;
                let of = source.split.as_deref().map(|name| root.split(name)).transpose()?;
                let played = tables.scenes.rows().iter().filter(|s| source.plays(of.as_ref(), s)).map(|s| s.name.to_string());
                Split { name: source.scene.clone().unwrap_or_else(|| "all scenes".to_owned()), official: false, scenes: played.collect() }
            }
        };
        let scene = |s: &Scene| split.scenes.contains(&*s.name);
        let choice = Choice { scene: &scene, channels: None, sweeps: false, annotations: false, rest: false };
        let tables = root.tables(&choice, &mut faults)?;
        check_links(&tables, &choice, &mut faults);
        settle(&faults, &root.folder().display().to_string())?;
        let rows = tables.samples.rows().iter().enumerate();
        let samples = rows.filter(|(_, s)| tables.scenes.get(&s.scene_token).is_some_and(scene)).map(|(row, s)| (row, s.token.clone()));
        let samples = samples.collect();
        Ok(Self { evaluate, root, split, tables, samples, lines: results.join("results.jsonl"), folder: run_dir.join("evaluation") })
    }

    /// What a stage found, and how many samples of the split it did not come to.
    fn found(&self, stage: &str) -> Result<(RunResults, usize)> {
        let found = RunResults::read(&self.lines, &self.tables, Some(stage))?;
        let missing = self.samples.iter().filter(|(_, token)| !found.boxes.contains_key(token)).count();
        if missing > 0 {
            let of = self.samples.len();
            tracing::warn!("{missing} of {of} samples of `{}` have no results of this run: they count as without any", self.split.name);
        }
        Ok((found, missing))
    }

    /// Writes a submission of the split's samples.
    fn submission(
        &self,
        name: &str,
        found: &RunResults,
        of_sample: impl Fn(&Token, &[(ResultBox, Option<u64>)]) -> Value,
    ) -> Result<PathBuf> {
        let none = Vec::new();
        let results: Map<String, Value> =
            self.samples.iter().map(|(_, t)| (t.to_string(), of_sample(t, found.boxes.get(t).unwrap_or(&none)))).collect();
        let path = self.folder.join(name);
        write_whole(&path, json!({ "meta": found.meta, "results": results }).to_string().as_bytes())?;
        Ok(path)
    }

    fn detection(&self, stage: &str) -> Result<Value> {
        let (found, missing) = self.found(stage)?;
        let path = self.submission("detection_results.json", &found, |token, boxes| {
            let plain = boxes.iter().map(|(b, _)| *b).collect();
            submit::sample(token, &submit::surest(plain, |b: &ResultBox| b.score))
        })?;
        let began = Instant::now();
        let report = self.evaluate.report;
        let loaded = Loaded::read(&self.root, self.split.clone(), &path, ResultKind::Detection, report, false)?;
        let matches = matched(&loaded);
        let metrics = Detection::new(&matches);
        let mut summary = metrics.summary(&loaded.file.meta, began.elapsed().as_secs_f64());
        write_whole(&self.folder.join("metrics_summary.json"), pretty(&summary).as_bytes())?;
        write_whole(&self.folder.join("metrics_details.json"), metrics.details().to_string().as_bytes())?;
        let mut more = json!({ "results": path.display().to_string(), "samples_without_results": missing });
        if report {
            let folder = self.folder.join("report");
            more = merged(more, nuscenes_report::write(&folder, &self.root, &loaded, &metrics, &matches, self.evaluate.worst)?);
            more = merged(more, json!({ "page": folder.join("index.html").display().to_string() }));
        }
        summary = merged(summary, more);
        Ok(summary)
    }

    fn tracking(&self, stage: &str) -> Result<Value> {
        let (found, missing) = self.found(stage)?;
        let path = self.submission("tracking_results.json", &found, |token, boxes| {
            let tracked = boxes.iter().filter_map(|(b, track)| Some((*b, (*track)?))).collect();
            submit::tracked_sample(token, &submit::surest(tracked, |(b, _): &(ResultBox, u64)| b.score))
        })?;
        let began = Instant::now();
        let loaded = Loaded::read(&self.root, self.split.clone(), &path, ResultKind::Tracking, false, false)?;
        let metrics = Tracking::new(&loaded.truth, &Predictions::new(&loaded.file, &loaded.truth, loaded.split.official));
        let summary = metrics.summary(&loaded.file.meta, began.elapsed().as_secs_f64());
        write_whole(&self.folder.join("tracking_summary.json"), pretty(&summary).as_bytes())?;
        write_whole(&self.folder.join("tracking_details.json"), metrics.details().to_string().as_bytes())?;
        Ok(merged(summary, json!({ "results": path.display().to_string(), "samples_without_results": missing })))
    }

    fn map(&self, stage: &str) -> Result<Value> {
        let (found, missing) = self.found(stage)?;
        let mut maps: BTreeMap<&str, VectorMap> = BTreeMap::new();
        for (row, _) in &self.samples {
            let location = location(&self.tables, *row)?;
            let name = format!("maps/expansion/{location}.json");
            if !self.root.path(&name)?.is_file() {
                return Ok(json!({ "skipped": format!("the root has no {name}") }));
            }
            if !maps.contains_key(location) {
                let mut faults = Faults::default();
                maps.insert(location, VectorMap::read(&self.root.bytes(&name)?, &name, &mut faults));
                settle(&faults, location)?;
            }
        }
        if found.maps.is_empty() {
            return Ok(json!({ "skipped": format!("stage `{stage}` gave no map layers") }));
        }
        let progress = Progress::new("counting map cells", self.samples.len());
        let counted: Vec<Result<MapCounts>> = self
            .samples
            .par_iter()
            .map(|(row, token)| {
                progress.step();
                let map = maps.get(location(&self.tables, *row)?).ok_or_else(|| Error::mismatch("a map", "none", token.to_string()))?;
                self.cells(map, *row, found.maps.get(token))
            })
            .collect();
        let mut total = MapCounts::default();
        for counts in counted {
            total.merge(&counts?);
        }
        let more = json!({ "samples_without_results": missing, "note": "cells are set or not, at the stage's own threshold" });
        let summary = merged(total.summary(), more);
        write_whole(&self.folder.join("map_summary.json"), pretty(&summary).as_bytes())?;
        Ok(summary)
    }

    /// The cells of one sample: what the vehicle's map says below the middle of each cell of the LiDAR's grid.
    fn cells(&self, map: &VectorMap, row: usize, found: Option<&MapFile>) -> Result<MapCounts> {
        let patch = patch(&self.tables, row)?;
        let picture = found.map(|m| decode(&read(&m.file)?, &m.file).map(|p| p.into_luma16())).transpose()?;
        let mounted = self.tables.key_frame(row, "LIDAR_TOP").and_then(|d| self.tables.calibrated.get(&d.calibrated_sensor_token));
        let mounted = mounted.ok_or_else(|| Error::mismatch("a LIDAR_TOP key frame", "none", format!("sample row {row}")))?;
        let mount = motion(FrameId::vehicle(), FrameId::new("LIDAR_TOP"), mounted.translation, mounted.rotation)?.isometry;
        let size = 2.0 * MAP_HALF_M / MAP_CELLS as f64;
        let bits: Vec<u16> = (0..MAP_CELLS * MAP_CELLS)
            .map(|at| {
                let middle = |cell: usize| (cell as f64 + 0.5) * size - MAP_HALF_M;
                let p = mount * Point3::new(middle(at / MAP_CELLS), middle(at % MAP_CELLS), 0.0);
                let Some((picture, m)) = picture.as_ref().zip(found) else { return 0 };
                let [x, y] = m.origin;
                let (rows, columns) = (num::usize(picture.height()), num::usize(picture.width()));
                let place = num::cell((p.x - x) / m.cell, rows).zip(num::cell((p.y - y) / m.cell, columns));
                place.and_then(|(r, c)| picture.as_raw().get(r * columns + c)).copied().unwrap_or(0)
            })
            .collect();
        let mut counts = MapCounts::default();
        for (class, name) in MAP_CLASSES.iter().enumerate() {
            let means = |layer: &String| layer == name || layers_of(class).contains(&layer.as_str());
            let layers = found.map(|m| m.layers.as_slice()).unwrap_or_default().iter().enumerate();
            let wanted = layers.filter(|(_, l)| means(l)).fold(0_u16, |bits, (bit, _)| bits | 1 << bit.min(15));
            let truth = true_cells(map, &patch, class);
            counts.add(class, bits.iter().map(|b| if b & wanted != 0 { 1.0 } else { 0.0 }), truth.into_iter());
        }
        Ok(counts)
    }
}

/// The members of both.
fn merged(mut first: Value, second: Value) -> Value {
    if let (Some(first), Value::Object(second)) = (first.as_object_mut(), second) {
        first.extend(second);
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::nuscenes::map::Patch;
    use crate::formats::nuscenes::yaw;

    /// The true map, drawn in the vehicle's frame and written as a sink writes it, is scored as nearly perfect, and shifted by 3 m it is not.
    #[test]
    fn map_layers_of_the_vehicle_meet_the_lidars_grid() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/nuscenes-eval/root");
        let folder = tempfile::tempdir().unwrap();
        let evaluate = Evaluate { map: Some("net".into()), ..Evaluate::default() };
        let task = Task::new(&evaluate, &NuscenesConfig::new(root), folder.path(), folder.path()).unwrap();
        let (row, _) = task.samples[3];
        let name = format!("maps/expansion/{}.json", location(&task.tables, row).unwrap());
        let map = VectorMap::read(&task.root.bytes(&name).unwrap(), &name, &mut Faults::default());
        let key = task.tables.key_frame(row, "LIDAR_TOP").unwrap();
        let ego = task.tables.ego_poses.get(&key.ego_pose_token).unwrap();
        let pose = motion(FrameId::world(), FrameId::vehicle(), ego.translation, ego.rotation).unwrap().isometry;
        let window =
            Patch { centre: [ego.translation[0], ego.translation[1]], size: [110.0; 2], angle: yaw(&pose.rotation), canvas: [440; 2] };
        let mut cells = vec![0_u16; 440 * 440];
        for class in 0..6 {
            for layer in layers_of(class) {
                for (at, set) in map.mask(layer, &window).iter().enumerate() {
                    cells[at % 440 * 440 + at / 440] |= u16::from(*set) << class;
                }
            }
        }
        let file = folder.path().join("cells.png");
        image::ImageBuffer::<image::Luma<u16>, _>::from_raw(440, 440, cells).unwrap().save(&file).unwrap();
        let layers = MAP_CLASSES.map(str::to_owned).to_vec();
        let found = MapFile { file, layers, origin: [-55.0; 2], cell: 0.25 };
        let ious = |found: &MapFile| {
            let counts = task.cells(&map, row, Some(found)).unwrap();
            [0, 2].map(|class| counts.ious(class)[3])
        };
        let [drivable, walkway] = ious(&found);
        // The truth's cells are rounded to their corners, BEVFusion's way: a quarter of a metre that no map of cell middles can have.
        assert!(drivable > 0.94 && walkway > 0.81, "{drivable} {walkway}");
        let [drivable, walkway] = ious(&MapFile { origin: [-52.0, -55.0 + 3.0], ..found });
        assert!(drivable < 0.85 && walkway < 0.5, "{drivable} {walkway}");
    }
}
