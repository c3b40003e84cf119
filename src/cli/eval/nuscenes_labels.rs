//! `sensorium eval lidarseg` and `eval panoptic`: labels of points against a nuScenes root.
//!
//! *In*: a root, a split, a folder of predictions. *Out*: the report, also written to `--output`. *Invariant*: every sample that is
//! scored is named in an error of its own; counts do not depend on the number of threads.

use super::files::{Progress, read, write_whole};
use super::nuscenes::settle;
use super::pretty;
use crate::eval::nuscenes::lidarseg::{CLASSES, PointClasses, PointConfusion};
use crate::eval::nuscenes::panoptic::PanopticCounts;
use crate::formats::npz;
use crate::formats::nuscenes::splits::Split;
use crate::formats::nuscenes::{Choice, Faults, Lidarseg, Panoptic, Tables, Token, check_links};
use crate::sources::nuscenes::Root;
use crate::types::{Error, Result};
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Where the truth is.
#[derive(Debug, Clone, clap::Args)]
pub struct Place {
    /// Folder that holds `v1.0-...`, `samples` and so on
    #[arg(long, value_name = "DIR")]
    pub root: PathBuf,
    /// Folder of the tables, `v1.0-mini` and the like; left out: the only one there is
    #[arg(long, value_name = "V")]
    pub version: Option<String>,
    /// Split to score: a built-in one or one of `splits.json`
    #[arg(long, value_name = "S")]
    pub split: String,
    /// Where to write the metrics
    #[arg(long, value_name = "METRICS.json")]
    pub output: PathBuf,
}

/// `sensorium eval lidarseg`.
#[derive(Debug, Clone, clap::Args)]
pub struct LidarsegArgs {
    #[command(flatten)]
    place: Place,
    /// Folder of predictions in submission form: `lidarseg/SPLIT/TOKEN_lidarseg.bin` below it, or the files themselves
    #[arg(long, value_name = "DIR")]
    results: PathBuf,
}

/// `sensorium eval panoptic`.
#[derive(Debug, Clone, clap::Args)]
pub struct PanopticArgs {
    #[command(flatten)]
    place: Place,
    /// Folder of predictions in submission form: `panoptic/SPLIT/TOKEN_panoptic.npz` below it, or the files themselves
    #[arg(long, value_name = "DIR")]
    results: PathBuf,
}

impl Place {
    pub(super) fn load(&self) -> Result<(Root, Tables, Split)> {
        let root = Root::open(&self.root, self.version.as_deref())?;
        let split = root.split(&self.split)?;
        let mut faults = Faults::default();
        let chosen = |scene: &crate::formats::nuscenes::Scene| split.scenes.contains(&*scene.name);
        let channels = Some(std::iter::once("LIDAR_TOP").collect());
        let choice = Choice { scene: &chosen, channels, sweeps: false, annotations: true, rest: true };
        let tables = root.tables(&choice, &mut faults)?;
        // Label records of other scenes' files dangle, as those files were not read.
        let of_labels = Choice { rest: false, channels: choice.channels.clone(), ..choice };
        check_links(&tables, &of_labels, &mut faults);
        settle(&faults, &self.root.display().to_string())?;
        Ok((root, tables, split))
    }
}

/// Rows of the split's samples.
pub(super) fn samples(tables: &Tables, split: &Split) -> Result<Vec<usize>> {
    let in_split = |scene: &Token| tables.scenes.get(scene).is_some_and(|s| split.scenes.contains(&*s.name));
    let rows: Vec<usize> = tables.samples.rows().iter().enumerate().filter(|(_, s)| in_split(&s.scene_token)).map(|(row, _)| row).collect();
    if rows.is_empty() {
        return Err(Error::mismatch(format!("scenes of split `{}`", split.name), "none here", "EmptySplit"));
    }
    Ok(rows)
}

impl LidarsegArgs {
    /// Runs the command; the report is also in the output file.
    ///
    /// # Errors
    /// Where root, split or a label file cannot be read or is not what it must be, or nothing can be written.
    pub fn run(&self) -> Result<Value> {
        let (root, tables, split) = self.place.load()?;
        let classes = PointClasses::new(&tables.categories)?;
        let rows = samples(&tables, &split)?;
        let folder = submitted(&self.results, "lidarseg", &split);
        let progress = Progress::new("counting", rows.len());
        let counted: Vec<Result<PointConfusion>> = rows
            .par_iter()
            .map(|row| {
                progress.step();
                let sample = tables.samples.rows().get(*row).map(|s| s.token.to_string()).unwrap_or_default();
                count_points(&root, &tables, &classes, *row, &folder).map_err(|e| e.at(format!("sample {sample}")))
            })
            .collect();
        let mut total = PointConfusion::default();
        for counts in counted {
            total.merge(&counts?);
        }
        let scores = total.scores();
        let by_class: Map<String, Value> = CLASSES.iter().zip(scores.iou).map(|(n, v)| ((*n).to_owned(), json!(v))).collect();
        let report = json!({
            "version": 1, "kind": "lidarseg", "split": split.name, "samples": rows.len(), "iou_per_class": by_class,
            "miou": scores.mean, "freq_weighted_iou": scores.weighted,
            "confusion_matrix_rows_gt_cols_pred": total.counts.map(|r| r.to_vec()).to_vec(),
        });
        write_whole(&self.place.output, pretty(&report).as_bytes())?;
        Ok(report)
    }
}

fn count_points(root: &Root, tables: &Tables, classes: &PointClasses, row: usize, folder: &Path) -> Result<PointConfusion> {
    let key = tables.key_frame(row, "LIDAR_TOP").ok_or_else(|| Error::mismatch("a LIDAR_TOP key frame", "none", "MissingKeyFrame"))?;
    // The tokens of both tables are the same as a rule, not by force.
    let of_key = |l: &&Lidarseg| l.sample_data_token == key.token;
    let labels = tables.lidarseg.get(&key.token).filter(of_key).or_else(|| tables.lidarseg.rows().iter().find(of_key));
    let labels = labels.ok_or_else(|| Error::mismatch("a lidarseg record", "none", format!("sample_data {}", key.token)))?;
    let path = folder.join(format!("{}_lidarseg.bin", key.token));
    let mut counts = PointConfusion::default();
    counts.add(classes, &root.bytes(&labels.filename)?, &read(&path)?).map_err(|e| e.at(path.display().to_string()))?;
    Ok(counts)
}

/// Where the label files of a submission lie.
fn submitted(results: &Path, kind: &str, split: &Split) -> PathBuf {
    let nested = results.join(kind).join(&split.name);
    if nested.is_dir() { nested } else { results.to_owned() }
}

impl PanopticArgs {
    /// Runs the command; the report is also in the output file.
    ///
    /// # Errors
    /// Where root, split or a label file cannot be read or is not what it must be, or nothing can be written.
    pub fn run(&self) -> Result<Value> {
        let (root, tables, split) = self.place.load()?;
        let classes = PointClasses::new(&tables.categories)?;
        let rows = samples(&tables, &split)?;
        let folder = submitted(&self.results, "panoptic", &split);
        let progress = Progress::new("counting", rows.len());
        let count = |row: &usize| {
            progress.step();
            let key =
                tables.key_frame(*row, "LIDAR_TOP").ok_or_else(|| Error::mismatch("a LIDAR_TOP key frame", "none", "MissingKeyFrame"))?;
            let of_key = |l: &&Panoptic| l.sample_data_token == key.token;
            let truth = tables.panoptic.get(&key.token).filter(of_key).or_else(|| tables.panoptic.rows().iter().find(of_key));
            let truth = truth.ok_or_else(|| Error::mismatch("a panoptic record", "none", format!("sample_data {}", key.token)))?;
            let path = folder.join(format!("{}_panoptic.npz", key.token));
            let wanted = npz::read_labels(&root.bytes(&truth.filename)?).map_err(|e| e.at(truth.filename.to_string()))?;
            let found = npz::read_labels(&read(&path)?).map_err(|e| e.at(path.display().to_string()))?;
            let mut counts = PanopticCounts::default();
            counts.add(&classes, &wanted, &found).map_err(|e| e.at(path.display().to_string()))?;
            Ok(counts)
        };
        let counted: Vec<Result<PanopticCounts>> = rows.par_iter().map(count).collect();
        let mut total = PanopticCounts::default();
        for counts in counted {
            total.merge(&counts?);
        }
        let report =
            json!({ "version": 1, "kind": "panoptic", "split": split.name, "samples": rows.len(), "segmentation": total.summary() });
        write_whole(&self.place.output, pretty(&report).as_bytes())?;
        Ok(report)
    }
}

/// A panoptic report as a table for people.
pub(super) fn panoptic_table(report: &Value) -> String {
    let mut text = format!("{:<24} {:>7} {:>7} {:>7} {:>7}\n", "", "PQ", "SQ", "RQ", "IoU");
    for name in std::iter::once("all").chain(CLASSES.into_iter().skip(1)) {
        let part = report.get("segmentation").and_then(|s| s.get(name));
        let number = |key: &str| part.and_then(|p| p.get(key)).and_then(Value::as_f64).unwrap_or(f64::NAN);
        let iou = if name == "all" { "mIoU" } else { "IoU" };
        text.push_str(&format!("{name:<24} {:>7.4} {:>7.4} {:>7.4} {:>7.4}\n", number("PQ"), number("SQ"), number("RQ"), number(iou)));
    }
    let dagger = report.get("segmentation").and_then(|s| s.get("all")).and_then(|a| a.get("PQ_dagger")).and_then(Value::as_f64);
    text + &format!("PQ dagger {:.4}\n", dagger.unwrap_or(f64::NAN))
}

/// A point label report as a table for people.
pub(super) fn lidarseg_table(report: &Value) -> String {
    let line = |name: &str, value: Option<&Value>| {
        value.and_then(Value::as_f64).map_or_else(|| format!("{name:<24}       -\n"), |v| format!("{name:<24} {v:>7.4}\n"))
    };
    let mut text = line("mIoU", report.get("miou")) + &line("by points", report.get("freq_weighted_iou"));
    let classes = report.get("iou_per_class");
    text.extend(CLASSES.iter().skip(1).map(|c| line(c, classes.and_then(|m| m.get(*c)))));
    text
}
