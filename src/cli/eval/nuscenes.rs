//! `sensorium eval detection` and `eval tracking`: a root and a result file in, the public devkit's numbers out.
//!
//! *In*: a nuScenes root, a split, a result file in submission form. *Out*: `metrics_summary.json` and, if asked for, more. *Invariant*:
//! what is wrong with the data is counted whole before the command refuses; with `--compatible` it refuses only what the devkit does.

use super::files::{Progress, write_whole};
use super::{nuscenes_report, pretty};
use crate::eval::nuscenes::compare::Comparison;
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
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Where the truth is, and how strictly results are read.
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
    /// Refuse only what the public devkit refuses; the rest is warned of
    #[arg(long)]
    pub compatible: bool,
}

/// `sensorium eval detection`.
#[derive(Debug, Clone, clap::Args)]
pub struct DetectionArgs {
    #[command(flatten)]
    task: Task,
    /// Results in submission form
    #[arg(long, value_name = "FILE.json", required_unless_present = "compare")]
    results: Option<PathBuf>,
    /// Where to write the metrics, with the devkit's field names
    #[arg(long, value_name = "METRICS.json")]
    output: PathBuf,
    /// Also write the curves, as the devkit's `metrics_details.json`
    #[arg(long, value_name = "FILE.json")]
    details: Option<PathBuf>,
    /// Also write a page with curves, break-downs and the worst errors drawn in the cameras
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Errors of each kind on the page
    #[arg(long, value_name = "N", default_value_t = 60)]
    worst: usize,
    /// Compare two result files: differences with 95 % intervals, scenes drawn with replacement
    #[arg(long, num_args = 2, value_names = ["A.json", "B.json"], conflicts_with_all = ["results", "details", "report"])]
    compare: Option<Vec<PathBuf>>,
    /// How often scenes are drawn for a comparison
    #[arg(long, value_name = "N", default_value_t = 1000)]
    draws: usize,
    /// Seed of the draws
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
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
    pub(super) fn load(&self, results: &Path, kind: ResultKind, cameras: bool) -> Result<Loaded> {
        let root = Root::open(&self.root, self.version.as_deref())?;
        let split = root.split(&self.split)?;
        Loaded::read(&root, split, results, kind, cameras, self.compatible)
    }
}

impl Loaded {
    /// Truth and results of a split.
    pub(super) fn read(root: &Root, split: Split, results: &Path, kind: ResultKind, cameras: bool, compatible: bool) -> Result<Self> {
        let (tables, file) = rayon::join(|| Self::tables(root, &split, cameras, compatible), || read_results(results, kind, compatible));
        let (tables, (file, mut faults)) = (tables?, file?);
        let truth = GroundTruth::new(&tables, &split, kind).map_err(|e| e.at(root.folder().display().to_string()))?;
        let wanted = truth.frames.iter().map(|f| f.token.clone()).collect();
        if !faults.list().iter().any(|f| matches!(f.kind, FaultKind::BadJson) || f.field == "results") {
            file.check_samples(&wanted, !split.official, &results.display().to_string(), &mut faults);
        }
        settle(&faults, "results")?;
        if truth.objects.is_empty() && !tables.annotations.rows().is_empty() {
            let names: BTreeSet<&str> = tables.categories.rows().iter().map(|c| &*c.name).collect();
            let names: Vec<&str> = names.into_iter().take(8).collect();
            tracing::warn!("no annotated object of `{}` counts; the categories here are {}", split.name, names.join(", "));
        }
        Ok(Self { tables, split, truth, file })
    }

    fn tables(root: &Root, split: &Split, cameras: bool, compatible: bool) -> Result<Tables> {
        let mut faults = Faults::default();
        let chosen = |scene: &crate::formats::nuscenes::Scene| split.scenes.contains(&*scene.name);
        let channels = (!cameras).then(|| std::iter::once("LIDAR_TOP").collect());
        let choice = Choice { scene: &chosen, channels, sweeps: false, annotations: true, rest: false };
        let tables = root.tables(&choice, &mut faults)?;
        check_links(&tables, &choice, &mut faults);
        if compatible {
            let mut softened = Faults::default();
            softened.extend(faults.list().iter().cloned().map(|f| if silent(&f) { f.warning() } else { f }));
            faults = softened;
        }
        settle(&faults, &root.folder().display().to_string())?;
        Ok(tables)
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
        if let Some([first, second]) = self.compare.as_deref() {
            return self.compare(first, second);
        }
        let began = Instant::now();
        let results = self.results.as_deref().ok_or_else(|| Error::mismatch("a result file", "none", "--results"))?;
        let loaded = self.task.load(results, ResultKind::Detection, self.report.is_some())?;
        let matches = matched(&loaded);
        let metrics = Detection::new(&matches);
        let mut report = json!({ "version": 1, "kind": "detection", "split": loaded.split.name, "samples": loaded.truth.frames.len() });
        if let (Some(report), Value::Object(summary)) =
            (report.as_object_mut(), metrics.summary(&loaded.file.meta, began.elapsed().as_secs_f64()))
        {
            report.extend(summary);
        }
        if let Some(folder) = &self.report {
            let root = Root::open(&self.task.root, self.task.version.as_deref())?;
            let parts = nuscenes_report::write(folder, &root, &loaded, &metrics, &matches, self.worst)?;
            if let (Some(report), Value::Object(parts)) = (report.as_object_mut(), parts) {
                report.extend(parts);
            }
        }
        write_whole(&self.output, pretty(&report).as_bytes())?;
        if let Some(path) = &self.details {
            write_whole(path, metrics.details().to_string().as_bytes())?;
        }
        Ok(report)
    }

    fn compare(&self, first: &Path, second: &Path) -> Result<Value> {
        let (a, b) = (
            self.task.load(first, ResultKind::Detection, false).map_err(|e| e.at(first.display().to_string()))?,
            self.task.load(second, ResultKind::Detection, false).map_err(|e| e.at(second.display().to_string()))?,
        );
        let (matches_a, matches_b) = (matched(&a), matched(&b));
        let progress = Progress::new("drawing scenes", self.draws);
        let found = Comparison::new(&a.truth, &matches_a, &matches_b, self.draws, self.seed, &|| progress.step());
        let mut report = json!({ "version": 1, "kind": "comparison", "split": a.split.name, "seed": self.seed,
            "first": first.display().to_string(), "second": second.display().to_string() });
        if let (Some(report), Value::Object(rows)) = (report.as_object_mut(), found.json()) {
            report.extend(rows);
        }
        write_whole(&self.output, pretty(&report).as_bytes())?;
        Ok(report)
    }
}

/// A comparison as a table for people.
pub(super) fn comparison_table(report: &Value) -> String {
    let text = |key: &str| report.get(key).and_then(Value::as_str).unwrap_or_default();
    let count = |key: &str| report.get(key).and_then(Value::as_u64).unwrap_or(0);
    let mut out = format!("A {}\nB {}\n{} scenes, drawn {} times\n\n", text("first"), text("second"), count("scenes"), count("draws"));
    out.push_str(&format!("{:<24}{:>8} {:>8} {:>9}  {:<20} {:>8}\n", "", "A", "B", "B - A", "95 % interval", "B higher"));
    for (name, row) in report.get("rows").and_then(Value::as_object).into_iter().flatten() {
        let number = |value: Option<&Value>| value.and_then(Value::as_f64).unwrap_or(f64::NAN);
        let interval = |at: usize| number(row.get("interval_95").and_then(|i| i.get(at)));
        out.push_str(&format!(
            "{name:<24}{:>8.4} {:>8.4} {:>+9.4}  [{:>+8.4}, {:>+8.4}] {:>8.3}\n",
            number(row.get("first")),
            number(row.get("second")),
            number(row.get("difference")),
            interval(0),
            interval(1),
            number(row.get("second_higher"))
        ));
    }
    out
}

/// `sensorium eval tracking`.
#[derive(Debug, Clone, clap::Args)]
pub struct TrackingArgs {
    #[command(flatten)]
    task: Task,
    /// Results in submission form
    #[arg(long, value_name = "FILE.json")]
    results: PathBuf,
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
        let loaded = self.task.load(&self.results, ResultKind::Tracking, false)?;
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
    let number = |value: Option<&Value>| value.and_then(Value::as_f64).map_or_else(|| format!("{:>10}", "-"), |v| format!("{v:>10.4}"));
    let mut text = format!("{:<8}{:>10}", "", "all");
    text.extend(TRACKING_CLASSES.iter().map(|c| format!(" {c:>10}")));
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
