//! `sensorium check`: is this pipeline sound, where does each value come from, what does the graph look like.

use super::check_data::{self, DataArgs};
use super::{Ending, Format, Result, output};
use crate::config::{Document, Plan, Problem, Registry, Site};
use crate::runtime::{ALIGN, Pipeline};
use std::fmt::Write as _;
use std::path::PathBuf;

/// Arguments of `check`.
#[derive(clap::Args)]
pub struct Args {
    /// The pipeline, a TOML file
    #[arg(required_unless_present = "data", conflicts_with = "data")]
    config: Option<PathBuf>,
    #[command(flatten)]
    data: DataArgs,
    /// Print each effective value and where it came from
    #[arg(long)]
    explain: bool,
    /// Print the graph: as text, or as DOT for Graphviz
    #[arg(long, value_name = "text|dot", num_args = 0..=1, default_missing_value = "text", value_parser = ["text", "dot"])]
    graph: Option<String>,
    /// Override one value of the configuration
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Checks a pipeline, or a data set.
pub(super) fn check(args: &Args) -> Result {
    if let Some(root) = &args.data.data {
        return check_data::run(root, &args.data, args.format);
    }
    let config = args.config.as_deref().unwrap_or_else(|| "".as_ref());
    let registry = Registry::default();
    let mut document = Document::read(config)?;
    for assignment in &args.set {
        document.set(assignment)?;
    }
    let plan = match Plan::of(&document, &registry) {
        Ok(plan) => plan,
        Err(problems) => return refuse(&problems, args.format),
    };
    if args.explain {
        explain(&plan, &document, args.format)?;
    }
    let pipeline = match plan.build(&document, &registry, &Site::default()) {
        Ok(pipeline) => pipeline,
        Err(problems) => return refuse(&problems, args.format),
    };
    match args.graph.as_deref() {
        Some("dot") => output::result(&dot(&pipeline))?,
        Some(_) => output::result(&text(&pipeline))?,
        None if args.explain => {}
        None if args.format == Format::Json => output::json(&serde_json::json!({ "version": 1, "problems": [] }))?,
        None => output::result(&format!("{}: no problems", config.display()))?,
    }
    Ok(Ending::Done)
}

fn refuse(problems: &[Problem], format: Format) -> Result {
    match format {
        Format::Json => output::json(&serde_json::json!({ "version": 1, "problems": problems }))?,
        Format::Text => output::result(&problems.iter().map(|p| format!("{p}\n")).collect::<String>())?,
    }
    output::error(&format!("wanted a sound configuration, found {} problems", problems.len()));
    Ok(Ending::No)
}

fn explain(plan: &Plan, document: &Document, format: Format) -> Result<()> {
    let values = plan.explain(document);
    if format == Format::Json {
        let list: Vec<_> = values.iter().map(|(k, v, o)| serde_json::json!({ "key": k, "value": v, "origin": o.to_string() })).collect();
        return output::json(&serde_json::json!({ "version": 1, "values": list }));
    }
    let width = values.iter().map(|(k, v, _)| k.len() + v.len() + 3).max().unwrap_or(0).min(72);
    let line = |(k, v, o): &(String, String, crate::config::Origin)| format!("{:<width$}  # {o}\n", format!("{k} = {v}"));
    output::result(&values.iter().map(line).collect::<String>())
}

fn text(pipeline: &Pipeline) -> String {
    let layout = pipeline.layout();
    let mut out = String::from("sensors\n");
    for s in &layout.sensors {
        let _ = writeln!(out, "  {:<20} {:?}", s.id.name(), s.modality);
    }
    out.push_str("edges\n");
    for (from, to, policy) in pipeline.edges() {
        let _ = writeln!(out, "  {from} --{policy}--> {to}");
    }
    out
}

fn dot(pipeline: &Pipeline) -> String {
    let mut out = String::from("digraph pipeline {\n  rankdir=LR;\n  node [shape=box];\n");
    let _ = writeln!(out, "  \"{ALIGN}\" [shape=diamond];");
    for (from, to, policy) in pipeline.edges() {
        let _ = writeln!(out, "  {from:?} -> {to:?} [label=\"{policy}\"];");
    }
    out.push_str("}\n");
    out
}
