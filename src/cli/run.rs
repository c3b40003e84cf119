//! `sensorium run`: a configuration to a running pipeline to a report.

use super::eval::run_scores;
use super::machine::Machine;
use super::{Ending, Format, Result, output};
use crate::config::{Document, Plan, Problem, Registry, Site};
use crate::runtime::{Report, Stop};
use crate::types::Error;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use toml::{Table, Value};

/// What runs where no configuration is named.
const DEMO: &str = "configs/demo.toml";

/// Arguments of `run`.
#[derive(clap::Args)]
pub struct Args {
    /// The pipeline, a TOML file [default: configs/demo.toml, which needs no data, no network and no GPU]
    config: Option<PathBuf>,
    /// The rerun viewer: none, spawn (a window), web (a page, its URL is printed), or connect=URL
    /// [default: web on a terminal, none otherwise]
    #[arg(long, value_name = "none|spawn|web|connect=URL")]
    viewer: Option<String>,
    /// Also record what the viewer would show
    #[arg(long, value_name = "FILE.rrd")]
    record: Option<PathBuf>,
    /// Stop after this many bundles
    #[arg(long, value_name = "N")]
    frames: Option<u64>,
    /// Also write the report as JSON
    #[arg(long, value_name = "FILE.json")]
    report: Option<PathBuf>,
    /// Who sets the pace, and what may be lost
    #[arg(long, value_name = "live|offline|lockstep", value_parser = ["live", "offline", "lockstep"])]
    mode: Option<String>,
    /// Override one value of the configuration, such as align.window_ms=20
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// How the report is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs a pipeline.
pub(super) fn run(args: &Args) -> Result {
    let registry = Registry::default();
    let path = args.config.clone().unwrap_or_else(|| PathBuf::from(DEMO));
    let mut document = Document::read(&path)?;
    let viewer = overrides(args, &mut document)?;
    let plan = match Plan::of(&document, &registry) {
        Ok(plan) => plan,
        Err(problems) => return Ok(refuse(&problems)),
    };
    let run_dir = claim_folder(Path::new(&plan.top.runs), &plan.top.name)?;
    let configuration =
        toml::to_string_pretty(&plan.effective).map_err(|e| Error::mismatch("TOML", e.to_string(), "effective configuration"))?;
    write(&run_dir.join("config.toml"), &configuration)?;
    let site = Site { run_dir: run_dir.clone(), configuration };
    let pipeline = match plan.build(&document, &registry, &site) {
        Ok(pipeline) => pipeline,
        Err(problems) => return Ok(refuse(&problems)),
    };
    let stop = Stop::default();
    let interrupted = on_interrupt(&stop);
    let (mut printed, mut viewed) = (Ok(()), false);
    let report = pipeline.run_then(&stop, |report| {
        let cut_short = interrupted.load(Ordering::SeqCst);
        // A full disk must not swallow the account: it is printed whether it can be kept or not.
        let kept = keep(&run_dir, args.report.as_deref(), report);
        printed = tell(args.format, report, &plan, &run_dir, cut_short).and(kept);
        output::note(&format!("results: {}", run_dir.display()));
        if viewer == Viewer::Web && !interrupted.load(Ordering::SeqCst) {
            output::note("the viewer stays open; Ctrl-C closes it");
            while !interrupted.load(Ordering::SeqCst) {
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            viewed = true;
        }
    })?;
    printed?;
    Ok(match (interrupted.load(Ordering::SeqCst) && !viewed, report.kept_its_promise()) {
        (true, _) => Ending::Interrupted,
        (false, true) => Ending::Done,
        (false, false) => Ending::No,
    })
}

/// Prints the report, and what the results are worth where the configuration asks.
fn tell(format: Format, report: &Report, plan: &Plan, run_dir: &Path, cut_short: bool) -> Result<()> {
    if format == Format::Text {
        output::result(&report.to_string())?;
    }
    if cut_short && plan.top.evaluate.is_some() {
        output::note("the run was cut short; its results are not evaluated");
    }
    let scores = if cut_short { Ok(None) } else { run_scores::evaluate(plan, run_dir) };
    match (format, scores) {
        (Format::Text, scores) => scores?.map_or(Ok(()), |scores| output::result(&run_scores::table(&scores))),
        (Format::Json, scores) => {
            let mut value = serde_json::to_value(report).map_err(|e| Error::mismatch("JSON", e.to_string(), "report"))?;
            if let (Some(members), Ok(Some(scores))) = (value.as_object_mut(), &scores) {
                members.insert("evaluation".to_owned(), scores.clone());
            }
            output::json(&value)?;
            scores.map(|_| ())
        }
    }
}

fn refuse(problems: &[Problem]) -> Ending {
    problems.iter().for_each(|p| output::error(&p.to_string()));
    Ending::Refused
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Viewer {
    None,
    Web,
    Other,
}

/// Flags become values of the document, so that they are checked and written back like any other.
fn overrides(args: &Args, document: &mut Document) -> Result<Viewer> {
    for assignment in &args.set {
        document.set(assignment)?;
    }
    if let Some(mode) = &args.mode {
        document.set(&format!("mode={mode:?}"))?;
    }
    if let Some(frames) = args.frames {
        document.set(&format!("frames={frames}"))?;
    }
    let terminal = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
    if !has(document, "sink", "console") {
        document.set("sink.console.kind=\"console\"")?;
        document.set(&format!("sink.console.every_s={}", if terminal { 1.0 } else { 10.0 }))?;
    }
    let offered = if terminal && cfg!(feature = "viewer") { "web" } else { "none" };
    let wanted = args.viewer.as_deref().unwrap_or(offered);
    let (viewer, setting) = match (wanted, wanted.strip_prefix("connect=")) {
        ("none", _) => (Viewer::None, None),
        ("spawn", _) => (Viewer::Other, Some("spawn=true".to_owned())),
        ("web", _) => (Viewer::Web, Some("web=true".to_owned())),
        (_, Some(url)) => (Viewer::Other, Some(format!("connect={url:?}"))),
        _ => return Err(Error::mismatch("none, spawn, web or connect=URL", format!("`{wanted}`"), "--viewer")),
    };
    let record = args.record.as_ref().map(|p| format!("record={:?}", p.display().to_string()));
    // The demo without a viewer leaves a recording to look at later.
    let demo = args.config.is_none() && cfg!(feature = "viewer");
    if setting.is_none() && record.is_none() && !demo {
        return Ok(viewer);
    }
    if !cfg!(feature = "viewer") {
        return Err(Error::unavailable("the rerun viewer", "built without feature `viewer`; build with `--features viewer`"));
    }
    if !has(document, "sink", "rerun") {
        document.set("sink.viewer.kind=\"rerun\"")?;
        if setting.is_none() {
            document.set("sink.viewer.edge=\"block(8)\"")?;
        }
    }
    let name = name_of(document, "sink", "rerun").unwrap_or_else(|| "viewer".to_owned());
    for setting in setting.into_iter().chain(record) {
        document.set(&format!("sink.{name}.{setting}"))?;
    }
    Ok(viewer)
}

fn name_of(document: &Document, what: &str, kind: &str) -> Option<String> {
    let nodes = document.table.get(what).and_then(Value::as_table)?;
    let of_kind = |t: &Table| t.get("kind").and_then(Value::as_str) == Some(kind);
    nodes.iter().find(|(_, v)| v.as_table().is_some_and(of_kind)).map(|(name, _)| name.clone())
}
fn has(document: &Document, what: &str, kind: &str) -> bool {
    name_of(document, what, kind).is_some()
}

/// The first free folder `runs/NAME/0001`, and a link `latest` to it.
fn claim_folder(runs: &Path, name: &str) -> Result<PathBuf> {
    let parent = runs.join(name);
    std::fs::create_dir_all(&parent).map_err(|e| Error::io("create", &parent, e))?;
    for number in 1..100_000 {
        let folder = parent.join(format!("{number:04}"));
        match std::fs::create_dir(&folder) {
            Ok(()) => {
                link_latest(&parent, &format!("{number:04}"));
                return Ok(folder);
            }
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(Error::io("create", &folder, e)),
        }
    }
    Err(Error::mismatch("fewer than 100,000 runs", "more", parent.display().to_string()))
}

/// A convenience: where links are not to be had, there is none.
fn link_latest(parent: &Path, number: &str) {
    #[cfg(unix)]
    {
        let link = parent.join("latest");
        let _ = std::fs::remove_file(&link);
        let _ = std::os::unix::fs::symlink(number, link);
    }
    #[cfg(not(unix))]
    let _ = (parent, number);
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|e| Error::io("write", path, e))
}

/// Writes what is needed to repeat the run beside its results.
fn keep(run_dir: &Path, also: Option<&Path>, report: &Report) -> Result<()> {
    let text = json(report)?;
    // First the one that was asked for: it may lie where there is room.
    if let Some(path) = also {
        write(path, &text)?;
    }
    write(&run_dir.join("report.txt"), &report.to_string())?;
    write(&run_dir.join("report.json"), &text)?;
    let weights: Vec<_> = report.nodes.iter().filter_map(|n| n.weights.as_ref().map(|w| (n.name.clone(), w.clone()))).collect();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let run = serde_json::json!({ "version": 1, "machine": Machine::this(), "arguments": arguments, "weights": weights });
    write(&run_dir.join("run.json"), &json(&run)?)
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string_pretty(value).map_err(|e| Error::mismatch("JSON", e.to_string(), "report"))
}

/// The first Ctrl-C ends the run in good order, the second at once.
fn on_interrupt(stop: &Stop) -> std::sync::Arc<AtomicBool> {
    let interrupted = std::sync::Arc::new(AtomicBool::new(false));
    let (flag, stop) = (std::sync::Arc::clone(&interrupted), stop.clone());
    let handler = move || {
        if flag.swap(true, Ordering::SeqCst) {
            #[expect(clippy::exit, reason = "the second Ctrl-C means now")]
            std::process::exit(130);
        }
        stop.stop();
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        tracing::warn!("Ctrl-C will end the run without a report: {error}");
    }
    interrupted
}
