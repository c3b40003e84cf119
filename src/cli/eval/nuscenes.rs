//! `sensorium eval detection` and `eval tracking`: a root and a result file in, the public devkit's numbers out.
//!
//! *In*: a nuScenes root, a split, a result file in submission form. *Out*: `metrics_summary.json` and, if asked for, more. *Invariant*:
//! what is wrong with the data is counted whole before the command refuses; with `--compatible` it refuses only what the devkit does.

use super::files::write_whole;
use super::pretty;
use crate::eval::nuscenes::detection::Detection;
use crate::eval::nuscenes::matching::{ClassMatches, match_all};
use crate::eval::nuscenes::predictions::Predictions;
use crate::eval::nuscenes::tracking::{METRICS, Tracking};
use crate::eval::nuscenes::truth::GroundTruth;
use crate::formats::nuscenes::splits::Split;
use crate::formats::nuscenes::{
    Choice, Fault, FaultKind, Faults, Reading, ResultFile, ResultKind, Severity, TRACKING_CLASSES, Tables, check_links,
};
use crate::sources::nuscenes::Root;
use crate::types::{Error, Result};
use serde_json::{Value, json};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Where the truth is, and whose results are scored.
#[derive(Debug, Clone, clap::Args)]
pub struct Task {
    /// Folder that holds `v1.0-...`, `samples` and so on
    #[arg(long, value_name = "DIR")]
    pub root: PathBuf,
    /// Folder of the tables, `v1.0-mini` and the like; left out: the only one there is
    #[arg(long, value_name = "V")]
    pub version: Option<String>,
    /// Split to score: a built-in one or one of `splits.json`
    #[arg(long, value_name = "S")]
    pub split: String,
    /// Results in submission form
    #[arg(long, value_name = "FILE.json")]
    pub results: PathBuf,
    /// Refuse only what the public devkit refuses; the rest is warned of
    #[arg(long)]
    pub compatible: bool,
}

/// `sensorium eval detection`.
#[derive(Debug, Clone, clap::Args)]
pub struct DetectionArgs {
    #[command(flatten)]
    task: Task,
    /// Where to write the metrics, with the devkit's field names
    #[arg(long, value_name = "METRICS.json")]
    output: PathBuf,
    /// Also write the curves, as the devkit's `metrics_details.json`
    #[arg(long, value_name = "FILE.json")]
    details: Option<PathBuf>,
}

/// Truth and results of a task, read and checked.
pub(super) struct Loaded {
    pub(super) tables: Tables,
    pub(super) split: Split,
    pub(super) truth: GroundTruth,
    pub(super) file: ResultFile,
}

/// Faults of the tables that the devkit takes in silence.
fn silent(fault: &Fault) -> bool {
    match fault.kind {
        FaultKind::DuplicateToken | FaultKind::ZeroQuaternion | FaultKind::BadTimestamp | FaultKind::ChainCycle => true,
        FaultKind::DanglingToken => matches!(fault.field.as_str(), "visibility_token" | "last_sample_token" | "prev"),
        _ => false,
    }
}

/// Warnings to standard error, errors as one.
pub(super) fn settle(faults: &Faults, place: &str) -> Result<()> {
    for fault in faults.list().iter().filter(|f| f.severity == Severity::Warning).take(10) {
        tracing::warn!("{fault}");
    }
    let hidden = faults.count(Severity::Warning).saturating_sub(10);
    if hidden > 0 {
        tracing::warn!("{hidden} more warnings");
    }
    faults.settle(place)
}

impl Task {
    /// Reads the tables of the split and the result file, both at once.
    pub(super) fn load(&self, kind: ResultKind) -> Result<Loaded> {
        let root = Root::open(&self.root, self.version.as_deref())?;
        let split = root.split(&self.split)?;
        let (tables, file) = rayon::join(|| self.tables(&root, &split), || self.file(kind));
        let (tables, (file, mut faults)) = (tables?, file?);
        let truth = GroundTruth::new(&tables, &split, kind).map_err(|e| e.at(self.root.display().to_string()))?;
        let wanted = truth.frames.iter().map(|f| f.token.clone()).collect();
        if !faults.list().iter().any(|f| matches!(f.kind, FaultKind::BadJson) || f.field == "results") {
            file.check_samples(&wanted, !split.official, &self.results.display().to_string(), &mut faults);
        }
        settle(&faults, "results")?;
        Ok(Loaded { tables, split, truth, file })
    }

    fn tables(&self, root: &Root, split: &Split) -> Result<Tables> {
        let mut faults = Faults::default();
        let chosen = |scene: &crate::formats::nuscenes::Scene| split.scenes.contains(&*scene.name);
        let channels = Some(std::iter::once("LIDAR_TOP").collect());
        let choice = Choice { scene: &chosen, channels, sweeps: false, annotations: true, rest: false };
        let tables = root.tables(&choice, &mut faults)?;
        check_links(&tables, &choice, &mut faults);
        if self.compatible {
            let mut softened = Faults::default();
            softened.extend(faults.list().iter().cloned().map(|f| if silent(&f) { f.warning() } else { f }));
            faults = softened;
        }
        settle(&faults, &self.root.display().to_string())?;
        Ok(tables)
    }

    fn file(&self, kind: ResultKind) -> Result<(ResultFile, Faults)> {
        read_results(&self.results, kind, self.compatible)
    }
}

/// A result file and what is wrong with it.
pub(in crate::cli) fn read_results(path: &Path, kind: ResultKind, compatible: bool) -> Result<(ResultFile, Faults)> {
    let input = File::open(path).map_err(|e| Error::io("read", path, e))?;
    let mut faults = Faults::default();
    let name = path.display().to_string();
    let file = ResultFile::read(input, Reading { kind, file: &name, compatible }, &mut faults);
    Ok((file, faults))
}

/// The matches of a loaded task.
pub(super) fn matched(loaded: &Loaded) -> Vec<ClassMatches> {
    let predictions = Predictions::new(&loaded.file, &loaded.truth, loaded.split.official);
    match_all(&loaded.truth, &predictions)
}

impl DetectionArgs {
    /// Runs the command; the report is also in the output file.
    ///
    /// # Errors
    /// Where root, split or results cannot be read or are not what they must be, or nothing can be written.
    pub fn run(&self) -> Result<Value> {
        let began = Instant::now();
        let loaded = self.task.load(ResultKind::Detection)?;
        let matches = matched(&loaded);
        let metrics = Detection::new(&matches);
        let mut report = json!({ "version": 1, "kind": "detection", "split": loaded.split.name, "samples": loaded.truth.frames.len() });
        if let (Some(report), Value::Object(summary)) =
            (report.as_object_mut(), metrics.summary(&loaded.file.meta, began.elapsed().as_secs_f64()))
        {
            report.extend(summary);
        }
        write_whole(&self.output, pretty(&report).as_bytes())?;
        if let Some(path) = &self.details {
            write_whole(path, metrics.details().to_string().as_bytes())?;
        }
        Ok(report)
    }
}

/// `sensorium eval tracking`.
#[derive(Debug, Clone, clap::Args)]
pub struct TrackingArgs {
    #[command(flatten)]
    task: Task,
    /// Where to write the metrics, with the devkit's field names
    #[arg(long, value_name = "METRICS.json")]
    output: PathBuf,
    /// Also write the metrics at the 40 recalls, as the devkit's `metrics_details.json`
    #[arg(long, value_name = "FILE.json")]
    details: Option<PathBuf>,
}

impl TrackingArgs {
    /// Runs the command; the report is also in the output file.
    ///
    /// # Errors
    /// Where root, split or results cannot be read or are not what they must be, or nothing can be written.
    pub fn run(&self) -> Result<Value> {
        let began = Instant::now();
        let loaded = self.task.load(ResultKind::Tracking)?;
        let predictions = Predictions::new(&loaded.file, &loaded.truth, loaded.split.official);
        let metrics = Tracking::new(&loaded.truth, &predictions);
        let mut report = json!({ "version": 1, "kind": "tracking", "split": loaded.split.name, "samples": loaded.truth.frames.len() });
        if let (Some(report), Value::Object(summary)) =
            (report.as_object_mut(), metrics.summary(&loaded.file.meta, began.elapsed().as_secs_f64()))
        {
            report.extend(summary);
        }
        write_whole(&self.output, pretty(&report).as_bytes())?;
        if let Some(path) = &self.details {
            write_whole(path, metrics.details().to_string().as_bytes())?;
        }
        Ok(report)
    }
}

/// A tracking report as a table for people.
pub(super) fn tracking_table(report: &Value) -> String {
    let number = |value: Option<&Value>| value.and_then(Value::as_f64).map_or_else(|| format!("{:>9}", "-"), |v| format!("{v:>9.4}"));
    let mut text = format!("{:<8}{:>9}", "", "all");
    text.extend(TRACKING_CLASSES.iter().map(|c| format!(" {:>9.9}", c)));
    text.push('\n');
    for (metric, _) in METRICS {
        text.push_str(&format!("{metric:<8}{}", number(report.get(metric))));
        let of_class = |class: &str| report.get("label_metrics").and_then(|m| m.get(metric)).and_then(|m| m.get(class));
        text.extend(TRACKING_CLASSES.iter().map(|c| format!(" {}", number(of_class(c)))));
        text.push('\n');
    }
    text
}

/// A detection report as a table for people.
pub(super) fn detection_table(report: &Value) -> String {
    use std::fmt::Write as _;
    let number = |path: &[&str]| {
        let found = path.iter().try_fold(report, |value, key| value.get(key));
        found.and_then(Value::as_f64).map_or_else(|| format!("{:>7}", "-"), |v| format!("{v:>7.4}"))
    };
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "mAP {}   NDS {}", number(&["mean_ap"]).trim(), number(&["nd_score"]).trim());
    let _ = writeln!(
        text,
        "\n{:<22}{:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7}",
        "", "AP", "0.5 m", "1 m", "2 m", "4 m", "trans", "scale", "orient", "vel", "attr"
    );
    for class in crate::formats::nuscenes::DETECTION_CLASSES {
        let _ = write!(text, "{class:<22}{}", number(&["mean_dist_aps", class]));
        for distance in ["0.5", "1.0", "2.0", "4.0"] {
            let _ = write!(text, " {}", number(&["label_aps", class, distance]));
        }
        for error in crate::eval::nuscenes::matching::ERRORS {
            let _ = write!(text, " {}", number(&["label_tp_errors", class, error]));
        }
        text.push('\n');
    }
    let _ = write!(text, "{:<22}{}{:32}", "mean", number(&["mean_ap"]), "");
    for error in crate::eval::nuscenes::matching::ERRORS {
        let _ = write!(text, " {}", number(&["tp_errors", error]));
    }
    text.push('\n');
    text
}
