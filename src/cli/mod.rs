//! The command line: one file per verb.
//!
//! Exit 0: done. 1: it ran, and the answer is no. 2: it could not run. 130: Ctrl-C, after the sinks were finished.
//! Results go to standard output, everything else to standard error, an error as one line that starts with `error:`.

mod agent;
mod bench;
mod bench_eval;
mod check;
mod check_data;
mod convert;
mod doctor;
mod drive;
pub mod eval;
mod forward;
mod fragments;
mod machine;
mod models;
mod output;
mod run;
mod serve;
mod world;

pub use output::Format;

use crate::types::Error;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// How a verb ended, other than by an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Done: exit 0.
    Done,
    /// It ran, and the answer is no: exit 1.
    No,
    /// It could not run, and has said why on standard error: exit 2.
    Refused,
    /// Ctrl-C, after the sinks were finished: exit 130.
    Interrupted,
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        Self::from(match ending {
            Ending::Done => 0,
            Ending::No => 1,
            Ending::Refused => 2,
            Ending::Interrupted => 130,
        })
    }
}

/// Multi-modal perception in one process: sensors through threaded stages into a viewer, recordings and a report.
#[derive(Parser)]
#[command(name = "sensorium", version, propagate_version = true, arg_required_else_help = true, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run a pipeline.
    Run(run::Args),
    /// Validate a pipeline or a data set without running it; every problem is listed at once.
    #[command(disable_version_flag = true)]
    Check(check::Args),
    /// What this build and machine can do, and what would bring the rest.
    Doctor(doctor::Args),
    /// Time the machinery on this machine.
    #[command(subcommand)]
    Bench(bench::Verb),
    /// Score results against truth, or fused pictures against what they were fused from.
    #[command(subcommand)]
    Eval(EvalVerb),
    /// 3D detections from one convention into another: submissions, MMDetection3D, KITTI, COCO.
    #[command(disable_version_flag = true)]
    Convert(convert::Args),
    /// One bare pass of a network: tensors in, named tensors out.
    Forward(forward::Args),
    /// Torn picture fragments: tear a picture, find pairs that fit.
    #[command(subcommand)]
    Fragments(fragments::Verb),
    /// The networks in this build.
    #[command(subcommand)]
    Models(models::Verb),
    /// The embedded world: a CARLA server, data sets with their truth, pictures of it.
    #[command(subcommand)]
    World(world::Verb),
    /// Closed loop against a CARLA server: routes driven and scored as the leaderboard does.
    Drive(drive::Args),
    /// A network as driver for the leaderboard's own loop: answers `tools/leaderboard_agent.py` over a local socket.
    Agent(agent::Args),
}

#[derive(Subcommand)]
enum EvalVerb {
    /// EN, SD, SF, AG, MI, SCD, VIF, Qabf, CC, SSIM, PSNR and MSE of fused pictures
    Fusion(Eval<eval::FusionArgs>),
    /// mIoU, per-class IoU, accuracy and confusion matrix of label pictures
    Segmentation(Eval<eval::SegmentationArgs>),
    /// nuScenes detection: AP, errors of hits and NDS, with the public devkit's numbers and field names
    #[command(disable_version_flag = true)]
    Detection(Eval<eval::nuscenes::DetectionArgs>),
    /// nuScenes tracking: AMOTA, AMOTP and the rest, with the public devkit's numbers and field names
    #[command(disable_version_flag = true)]
    Tracking(Eval<eval::nuscenes::TrackingArgs>),
    /// nuScenes point labels: IoU of 16 classes, its mean, and its mean by points
    #[command(disable_version_flag = true)]
    Lidarseg(Eval<eval::nuscenes_labels::LidarsegArgs>),
    /// nuScenes point labels with objects: panoptic quality of 16 classes, with the public devkit's numbers and field names
    #[command(disable_version_flag = true)]
    Panoptic(Eval<eval::nuscenes_labels::PanopticArgs>),
    /// Segmentation of nuScenes' maps seen from above: IoU of six classes at seven thresholds, as BEVFusion scores it
    #[command(disable_version_flag = true)]
    Map(Eval<eval::nuscenes_map::MapArgs>),
    /// Recall@k, registration recall and assembly scores of torn picture fragments
    Fragments(Eval<eval::FragmentsArgs>),
}

/// What is scored, and how the averages are printed; the file always holds everything.
#[derive(clap::Args)]
struct Eval<A: clap::Args> {
    #[command(flatten)]
    what: A,
    /// How the scores are printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

fn evaluate(verb: &EvalVerb) -> Result {
    let (report, format) = match verb {
        EvalVerb::Fusion(args) => (args.what.run()?, args.format),
        EvalVerb::Segmentation(args) => (args.what.run()?, args.format),
        EvalVerb::Detection(args) => (args.what.run()?, args.format),
        EvalVerb::Tracking(args) => (args.what.run()?, args.format),
        EvalVerb::Lidarseg(args) => (args.what.run()?, args.format),
        EvalVerb::Panoptic(args) => (args.what.run()?, args.format),
        EvalVerb::Map(args) => (args.what.run()?, args.format),
        EvalVerb::Fragments(args) => (args.what.run()?, args.format),
    };
    match format {
        Format::Text => output::result(&eval::table(&report))?,
        Format::Json => output::json(&report)?,
    }
    Ok(Ending::Done)
}

/// Parses the arguments, runs the verb, says what went wrong.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(stop) => return usage(&stop),
    };
    output::log_to_stderr();
    output::quiet_panics();
    let outcome = match cli.verb {
        Verb::Run(args) => run::run(&args),
        Verb::Check(args) => check::check(&args),
        Verb::Doctor(args) => doctor::doctor(&args),
        Verb::Bench(verb) => bench::bench(&verb),
        Verb::Eval(verb) => evaluate(&verb),
        Verb::Convert(args) => convert::convert(&args),
        Verb::Forward(args) => forward::forward(&args),
        Verb::Fragments(verb) => fragments::fragments(&verb),
        Verb::Models(verb) => models::models(&verb),
        Verb::Drive(args) => drive::drive(&args),
        Verb::Agent(args) => agent::agent(&args),
        Verb::World(verb) => world::world(&verb),
    };
    match outcome {
        Ok(ending) => ending.into(),
        Err(error) => {
            output::error(&error.to_string());
            ExitCode::from(2)
        }
    }
}

/// `--help` and `--version` are results; anything else is one line, as every error.
fn usage(stop: &clap::Error) -> ExitCode {
    if !stop.use_stderr() || stop.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return stop.print().map_or(ExitCode::from(2), |()| ExitCode::from(if stop.use_stderr() { 2 } else { 0 }));
    }
    let text = stop.render().to_string();
    let useful =
        text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with("Usage:") && !l.starts_with("For more information"));
    output::error(useful.collect::<Vec<_>>().join("; ").trim_start_matches("error: "));
    ExitCode::from(2)
}

type Result<T = Ending> = std::result::Result<T, Error>;
