//! `sensorium check --data`: everything that is wrong with a data set and, if given, a result file.
//!
//! *In*: a nuScenes root. *Out*: the list of faults; exit 1 where an error is among them (warnings alone are exit 0).
//! *Invariant*: all problems are listed at once, each with file, record, field and value.

use super::eval::Progress;
use super::{Ending, Format, Result, output};
use crate::cli::eval::nuscenes::read_results;
use crate::formats::nuscenes::{Fault, FaultKind, Faults, ResultKind, Severity, Tables};
use crate::sources::nuscenes::{Root, check, versions};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// What is checked beside the root.
#[derive(Debug, clap::Args)]
pub struct DataArgs {
    /// A nuScenes root to check: tables, links, files, labels, maps
    #[arg(long, value_name = "ROOT")]
    pub data: Option<PathBuf>,
    /// Folder of the tables; left out: all that the root holds
    #[arg(long, value_name = "V", requires = "data")]
    version: Option<String>,
    /// Also a result file in submission form
    #[arg(long, value_name = "FILE.json", requires = "data")]
    results: Option<PathBuf>,
    /// Split that the result file must cover
    #[arg(long, value_name = "S", requires = "results")]
    split: Option<String>,
    /// Task of the result file
    #[arg(long, value_name = "TASK", requires = "results", default_value = "detection", value_parser = ["detection", "tracking"])]
    task: String,
    /// Take what the public devkit takes in silence in a result file as a warning
    #[arg(long, requires = "results")]
    compatible: bool,
}

/// Checks a root.
pub(super) fn run(folder: &Path, args: &DataArgs, format: Format) -> Result {
    let names = match &args.version {
        Some(version) => vec![version.clone()],
        None => versions(folder)?,
    };
    let mut faults = Faults::default();
    let mut counts = serde_json::Map::new();
    for name in names {
        let root = Root::open(folder, Some(&name))?;
        let progress = OnceLock::new();
        let step = || {
            let _: Option<()> = progress.get().map(Progress::step);
        };
        let (tables, found) = check::check(&root, |n| drop(progress.set(Progress::new("checking", n))), &step)?;
        faults.merge(found);
        counts.insert(name, sizes(&tables));
        if let Some(path) = &args.results {
            results(path, args, &root, &tables, &mut faults)?;
        }
    }
    let errors = faults.count(Severity::Error);
    match format {
        Format::Json => output::json(&json!({
            "version": 1, "kind": "data", "root": folder.display().to_string(), "errors": errors,
            "warnings": faults.count(Severity::Warning), "tables": counts,
            "counts": faults.by_kind().iter().map(|(k, n)| (format!("{k:?}"), json!(n))).collect::<serde_json::Map<_, _>>(),
            "problems": faults.list(),
        }))?,
        Format::Text => output::result(&text(folder, &faults, &counts))?,
    }
    if errors > 0 {
        output::error(&format!("wanted a sound data set, found {errors} problems"));
        return Ok(Ending::No);
    }
    Ok(Ending::Done)
}

fn results(path: &Path, args: &DataArgs, root: &Root, tables: &Tables, faults: &mut Faults) -> Result<()> {
    let kind = if args.task == "tracking" { ResultKind::Tracking } else { ResultKind::Detection };
    let (file, found) = read_results(path, kind, args.compatible)?;
    let whole = !found.list().iter().any(|f: &Fault| f.kind == FaultKind::BadJson || f.field == "results");
    faults.merge(found);
    if let Some(split) = args.split.as_deref().filter(|_| whole) {
        let split = root.split(split)?;
        let chosen = |s: &&crate::formats::nuscenes::Sample| {
            tables.scenes.get(&s.scene_token).is_some_and(|scene| split.scenes.contains(&*scene.name))
        };
        let wanted = tables.samples.rows().iter().filter(chosen).map(|s| s.token.clone()).collect();
        file.check_samples(&wanted, !split.official, &path.display().to_string(), faults);
    }
    Ok(())
}

fn sizes(tables: &Tables) -> Value {
    json!({
        "category": tables.categories.rows().len(), "attribute": tables.attributes.rows().len(),
        "visibility": tables.visibilities.rows().len(), "instance": tables.instances.rows().len(),
        "sensor": tables.sensors.rows().len(), "calibrated_sensor": tables.calibrated.rows().len(),
        "ego_pose": tables.ego_poses.rows().len(), "log": tables.logs.rows().len(), "scene": tables.scenes.rows().len(),
        "sample": tables.samples.rows().len(), "sample_data": tables.sample_data.rows().len(),
        "sample_annotation": tables.annotations.rows().len(), "map": tables.maps.rows().len(),
        "lidarseg": tables.lidarseg.rows().len(), "panoptic": tables.panoptic.rows().len(),
    })
}

fn text(folder: &Path, faults: &Faults, counts: &serde_json::Map<String, Value>) -> String {
    let mut text = String::new();
    for (name, sizes) in counts {
        let size = |table: &str| sizes.get(table).and_then(Value::as_u64).unwrap_or(0);
        text.push_str(&format!(
            "{}/{name}: {} scenes, {} samples, {} files, {} annotations\n",
            folder.display(),
            size("scene"),
            size("sample"),
            size("sample_data"),
            size("sample_annotation")
        ));
    }
    text.extend(faults.list().iter().map(|f| format!("{f}\n")));
    for (kind, count) in faults.by_kind() {
        let listed = faults.list().iter().filter(|f| f.kind == kind).count();
        if listed < count {
            text.push_str(&format!("{kind:?}: {} more\n", count - listed));
        }
    }
    if faults.list().is_empty() {
        text.push_str("no problems\n");
    }
    text
}
