//! `sensorium models`: the networks in this build.

use super::{Ending, Format, Result, output};
use crate::nets::card::{CARDS, Card, find};
use std::fmt::Write as _;

/// What can be asked.
#[derive(clap::Subcommand)]
pub enum Verb {
    /// Every network and preset, a line each
    List(List),
    /// One network: sizes, inputs, outputs, keys, licence
    Show(Show),
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
        let _ = writeln!(out, "  {gmac:.2} GMAC at {w}x{h}");
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
