//! `sensorium models`: the networks in this build.

use super::{Ending, Format, Result, output};
use crate::nets::card::{CARDS, Card, find};
use crate::nets::{Weights, weights};
use crate::types::Error;
use std::fmt::Write as _;
use std::path::PathBuf;

/// What can be asked.
#[derive(clap::Subcommand)]
pub enum Verb {
    /// Every network and preset, a line each
    List(List),
    /// One network: sizes, inputs, outputs, keys, licence
    Show(Show),
    /// Weights from one kind of file to another: .safetensors, .pth, .pt
    Convert(Convert),
}

/// Arguments of `models convert`.
#[derive(clap::Args)]
pub struct Convert {
    /// A .safetensors file or a PyTorch state dict; several as fusion=A.pth,seg=B.pth
    #[arg(value_name = "IN")]
    input: String,
    /// The file to write; its kind follows from its name
    #[arg(value_name = "OUT")]
    output: PathBuf,
}

/// Arguments of `models list`.
#[derive(clap::Args)]
pub struct List {
    /// How the list is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Arguments of `models show`.
#[derive(clap::Args)]
pub struct Show {
    /// The network
    model: String,
    /// Its preset
    #[arg(long, default_value = "base")]
    preset: String,
    /// How the card is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Lists or shows.
pub(super) fn models(verb: &Verb) -> Result {
    match verb {
        Verb::List(args) if args.format == Format::Json => output::json(&serde_json::json!({ "version": 1, "models": CARDS }))?,
        Verb::List(_) => output::result(&list())?,
        Verb::Convert(args) => convert(args)?,
        Verb::Show(args) => {
            let card = find(&args.model, &args.preset)?;
            match args.format {
                Format::Json => output::json(&serde_json::json!({ "version": 1, "model": card }))?,
                Format::Text => output::result(&show(card))?,
            }
        }
    }
    Ok(Ending::Done)
}

/// Wrappers and `module.` come off, halves and doubles become `f32`, BatchNorm's counters stay.
fn convert(args: &Convert) -> Result<()> {
    let extension = args.output.extension().and_then(|e| e.to_str()).unwrap_or_default();
    if !["safetensors", "pth", "pt"].contains(&extension) {
        return Err(Error::mismatch(".safetensors, .pth or .pt", format!("`.{extension}`"), args.output.display().to_string()));
    }
    let read = Weights::open_all(&args.input)?;
    weights::save(&args.output, &read.tensors)?;
    let values: usize = read.tensors.values().map(|data| data.shape().iter().product::<usize>()).sum();
    output::result(&format!("{} tensors, {values} values in {}", read.tensors.len(), args.output.display()))
}

fn list() -> String {
    let mut out = format!("{:<12} {:<8} {:>11}  {}\n", "network", "preset", "parameters", "what it does");
    for c in CARDS {
        let _ = writeln!(out, "{:<12} {:<8} {:>9.2} M  {}", c.name, c.preset, c.parameters as f64 / 1e6, c.summary);
    }
    out
}

fn show(c: &Card) -> String {
    let mut out = format!("{} ({})\n  {}\n  {:.3} M parameters\n", c.name, c.preset, c.summary, c.parameters as f64 / 1e6);
    for (h, w, gmac) in c.gigamacs {
        let size = if *h == 1 { format!("{w} points") } else { format!("{w}x{h}") };
        let _ = writeln!(out, "  {gmac:.2} GMAC at {size}");
    }
    for (title, rows) in [("inputs", c.inputs), ("outputs", c.outputs), ("keys of --config", c.keys)] {
        let _ = writeln!(out, "{title}");
        for (name, shape, meaning) in rows {
            let _ = writeln!(out, "  {name:<24} {shape:<24} {meaning}");
        }
    }
    let _ = writeln!(out, "licence   {}\npaper     {}\ntraining  {}", c.licence, c.paper, c.training);
    out
}
