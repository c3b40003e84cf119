//! `sensorium forward`: one bare pass of a network, named tensors in, named tensors out.

use super::{Ending, Format, Result, output};
use crate::nets::{self, DeviceChoice, Origin, TapChoice, Weights};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Instant;

/// Arguments of `forward`.
#[derive(clap::Args)]
pub struct Args {
    /// The network, as `models list` names it
    model: String,
    /// `base` is the published configuration
    #[arg(long, default_value = "base")]
    preset: String,
    /// A .safetensors file or a PyTorch state dict; several as fusion=A.pth,seg=B.pth
    #[arg(long, value_name = "FILE")]
    weights: String,
    /// Input tensors by name
    #[arg(long, value_name = "IN.safetensors")]
    inputs: PathBuf,
    /// Where to write the output tensors
    #[arg(long, value_name = "OUT.safetensors")]
    outputs: PathBuf,
    /// Also write intermediate activations: all, or names
    #[arg(long, value_name = "all|A,B")]
    taps: Option<TapChoice>,
    /// Sizes and options as TOML; `models show` lists the keys
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,
    /// Go on although tensors are missing, unexpected or misshapen
    #[arg(long)]
    partial: bool,
    /// Run this often, and print median and spread of the time
    #[arg(long, value_name = "N", default_value_t = 1)]
    repeat: u32,
    /// auto takes CUDA where it is there, else the CPU
    #[arg(long, value_name = "auto|cpu|cuda|wgpu", default_value = "auto")]
    device: DeviceChoice,
    /// How the summary is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What a run of `forward` says.
#[derive(Serialize)]
struct Summary {
    version: u32,
    model: String,
    preset: String,
    device: String,
    outputs: PathBuf,
    /// Names and shapes of what was written.
    tensors: BTreeMap<String, Vec<usize>>,
    /// Time of each pass, in order.
    milliseconds: Vec<f64>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut times = self.milliseconds.clone();
        times.sort_by(f64::total_cmp);
        let at = |i: usize| times.get(i).copied().unwrap_or_default();
        write!(f, "{} tensors in {}; ", self.tensors.len(), self.outputs.display())?;
        let (low, high, passes) = (at(0), at(times.len().saturating_sub(1)), times.len());
        write!(f, "median {:.1} ms, {low:.1} to {high:.1} ms over {passes} passes", at(passes / 2))
    }
}

/// Loads, runs, writes.
pub(super) fn forward(args: &Args) -> Result {
    let (device, what) = nets::pick(args.device)?;
    output::note(&format!("device: {what}"));
    let changes = args.config.as_deref().map(nets::read_options).transpose()?.unwrap_or_default();
    let origin = Origin::File { spec: args.weights.clone(), partial: args.partial };
    let (model, report) = nets::build_with(&args.model, &args.preset, origin, &changes, &device)?;
    output::note(&report.to_string());
    let inputs = Weights::read(&args.inputs)?.tensors;
    let taps = args.taps.clone().unwrap_or(TapChoice::None);
    let (mut times, mut outputs) = (Vec::new(), nets::Named::new());
    for _ in 0..args.repeat.max(1) {
        let began = Instant::now();
        outputs = nets::forward(&*model, &inputs, &taps, &device)?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    nets::weights::save(&args.outputs, &outputs)?;
    output::formatted(
        args.format,
        &Summary {
            version: 1,
            model: args.model.clone(),
            preset: args.preset.clone(),
            device: what,
            outputs: args.outputs.clone(),
            tensors: outputs.iter().map(|(name, data)| (name.clone(), data.shape().iter().copied().collect())).collect(),
            milliseconds: times,
        },
    )?;
    Ok(Ending::Done)
}
