//! The `[evaluate]` table of a configuration, after the run: submissions, metrics, page.
//!
//! *In*: the plan, the run's folder with its `results.jsonl`. *Out*: `evaluation/` in that folder, and all metrics as one value. *Invariant*: what is
//! scored are the files that are left behind: `sensorium eval` and the public devkit give the same numbers for them. A sample that the
//! run did not reach counts as one without boxes, and is said to be missing.

use super::files::write_whole;
use super::nuscenes::{Loaded, detection_table, matched, settle, tracking_table};
use super::nuscenes_map::{location, map_file, map_table, picture_of, score};
use super::run_results::{MapCells, RunResults};
use super::{nuscenes_report, pretty, run_map};
use crate::config::{Evaluate, Plan};
use crate::eval::nuscenes::detection::Detection;
use crate::eval::nuscenes::predictions::Predictions;
use crate::eval::nuscenes::submit;
use crate::eval::nuscenes::tracking::Tracking;
use crate::formats::nuscenes::splits::Split;
use crate::formats::nuscenes::{Choice, Faults, ResultBox, ResultKind, Scene, Tables, Token, check_links};
use crate::sources::NuscenesConfig;
use crate::sources::nuscenes::Root;
use crate::types::Result;
use serde_json::{Map, Value, json};
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
        let root = Root::open(&source.root, source.version.as_deref())?;
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
        for (row, _) in &self.samples {
            let name = map_file(location(&self.tables, *row)?);
            if !self.root.path(&name)?.is_file() {
                return Ok(json!({ "skipped": format!("the root has no {name}") }));
            }
        }
        if found.maps.is_empty() {
            return Ok(json!({ "skipped": format!("stage `{stage}` gave no map layers") }));
        }
        // Predictions as `eval map` reads them: what is scored is what is left behind.
        let folder = self.folder.join("map");
        let rows: Vec<usize> = self.samples.iter().map(|(row, _)| *row).collect();
        let total = score(&self.root, &self.tables, &rows, |row| {
            let token = self.tables.samples.rows().get(row).map(|s| &s.token);
            let levels = run_map::on_lidar_grid(&self.tables, row, token.and_then(|t| found.maps.get(t)))?;
            let name = token.map(|t| format!("{t}.png")).unwrap_or_default();
            write_whole(&folder.join(name), &picture_of(&levels)?)?;
            Ok(levels)
        })?;
        let mut more = json!({ "samples_without_results": missing, "results": folder.display().to_string() });
        if found.maps.values().any(|m| matches!(m.cells, MapCells::Bits(_)))
            && let Some(more) = more.as_object_mut()
        {
            more.insert("note".into(), json!("cells are set or not, by the stage: all thresholds are its own"));
        }
        let summary = merged(total.summary(), more);
        write_whole(&self.folder.join("map_summary.json"), pretty(&summary).as_bytes())?;
        Ok(summary)
    }
}

/// The members of both.
fn merged(mut first: Value, second: Value) -> Value {
    if let (Some(first), Value::Object(second)) = (first.as_object_mut(), second) {
        first.extend(second);
    }
    first
}
