//! A document checked against the registry: either a plan that can be built, or every problem in it.

use super::document::{Document, Origin};
use super::evaluate::Evaluate;
use super::registry::{Fault, Kind, Registry, Site, complete};
use crate::runtime::{ALIGN, Align, Budget, Mode, OnError, Pipeline, Policy, Wiring};
use crate::sources::NuscenesConfig;
use crate::types::{Error, SensorTime, nearest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;
use toml::{Table, Value};

/// The top level of a configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Top {
    /// Name of the pipeline, and of its folder under `runs/`.
    pub name: String,
    /// Who sets the pace, and what may be lost.
    pub mode: Mode,
    /// Files that this one builds on, relative to it; this one overrides them.
    pub include: Vec<String>,
    /// Ends after this many bundles; 0 is without end.
    pub frames: u64,
    /// Live: plays recorded data this many times as fast as it was captured.
    pub speed: f64,
    /// A node that is at one packet for longer than this many seconds is named as hanging.
    pub hang_after_s: f64,
    /// Keeps every core from halting while the pipeline runs (Linux): the least latency, for the power of busy cores.
    pub keep_awake: bool,
    /// Folder of runs.
    pub runs: String,
    /// How frames are brought together.
    pub align: Align,
    /// Sources by name.
    pub source: Table,
    /// Stages by name.
    pub stage: Table,
    /// Sinks by name.
    pub sink: Table,
    /// What is scored when the run is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluate: Option<Evaluate>,
}

impl Default for Top {
    fn default() -> Self {
        Self {
            name: "pipeline".to_owned(),
            mode: Mode::Live,
            include: Vec::new(),
            frames: 0,
            speed: 1.0,
            hang_after_s: 10.0,
            keep_awake: false,
            runs: "runs".to_owned(),
            align: Align::default(),
            source: Table::new(),
            stage: Table::new(),
            sink: Table::new(),
            evaluate: None,
        }
    }
}

/// What every node may say besides its kind's own keys.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Common {
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<Inputs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edge: Option<Policy>,
    on_error: OnError,
    budget: Budget,
    /// Sources: the time that their first frame gets, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    start_at_s: Option<f64>,
}
const COMMON: [&str; 6] = ["kind", "input", "edge", "on_error", "budget", "start_at_s"];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Inputs {
    One(String),
    Several(Vec<String>),
}

/// One problem of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where it stands.
    pub origin: Origin,
    /// Dotted key path; empty for the whole.
    pub key: String,
    /// What was wanted, what was found.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.origin != Origin::Default {
            write!(f, "{}: ", self.origin)?;
        }
        if self.key.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.key, self.message) }
    }
}

struct Node {
    name: String,
    kind: String,
    table: Table,
    common: Common,
}

/// A configuration without faults in its keys.
pub struct Plan {
    /// The top level.
    pub top: Top,
    /// Every value in force, defaults included, as one table.
    pub effective: Table,
    sources: Vec<Node>,
    stages: Vec<Node>,
    sinks: Vec<Node>,
}

struct Checker<'a> {
    document: &'a Document,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn add(&mut self, key: &str, message: impl Into<String>) {
        self.problems.push(Problem { origin: self.document.origin(key), key: key.to_owned(), message: message.into() });
    }
    fn faults(&mut self, prefix: &str, faults: Vec<Fault>) {
        for fault in faults {
            let key = [prefix, &fault.key].iter().filter(|k| !k.is_empty()).copied().collect::<Vec<_>>().join(".");
            self.add(&key, fault.message);
        }
    }
    fn nodes<T: ?Sized + 'static>(&mut self, what: &str, tables: &mut Table, kinds: &[Kind<T>]) -> Vec<Node> {
        let mut nodes = Vec::new();
        for (name, value) in tables.iter_mut() {
            let at = format!("{what}.{name}");
            let Value::Table(table) = value else {
                self.add(&at, format!("wanted a table [{at}], found {}", value.type_str()));
                continue;
            };
            let (common, own): (Table, Table) = table.clone().into_iter().partition(|(k, _)| COMMON.contains(&k.as_str()));
            let (common, faults) = complete::<Common>(&common);
            self.faults(&at, faults);
            let Ok(parsed) = common.clone().try_into::<Common>() else { continue };
            let Some(kind) = kinds.iter().find(|k| k.name == parsed.kind) else {
                let names = || kinds.iter().map(|k| k.name);
                let hint = nearest(&parsed.kind, names()).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
                let list = names().collect::<Vec<_>>().join(", ");
                self.add(&format!("{at}.kind"), format!("wanted one of {list}; found `{}`{hint}", parsed.kind));
                continue;
            };
            let (own, faults) = kind.complete(&own);
            self.faults(&at, faults);
            let mut shown = common;
            shown.entry("edge").or_insert_with(|| Value::String(kind.edge.to_string()));
            shown.extend(own.clone());
            *table = shown;
            nodes.push(Node { name: name.clone(), kind: parsed.kind.clone(), table: own, common: parsed });
        }
        nodes
    }
    fn evaluation(&mut self, evaluate: &Evaluate, [sources, stages, sinks]: [&[Node]; 3]) {
        let names = || stages.iter().map(|n| n.name.as_str());
        for (key, stage) in evaluate.stages().filter(|(_, stage)| !names().any(|n| n == *stage)) {
            let hint = nearest(stage, names()).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
            self.add(&format!("evaluate.{key}"), format!("wanted a stage of this pipeline, found `{stage}`{hint}"));
        }
        if evaluate.stages().next().is_none() {
            self.add("evaluate", "wanted a stage for boxes, tracks or map, found none");
        }
        let roots = sources.iter().filter(|n| n.kind == "nuscenes").count();
        if roots != 1 {
            self.add("evaluate", format!("wanted one source of kind `nuscenes`, whose root holds the truth, found {roots}"));
        }
        if !sinks.iter().any(|n| n.kind == "results") {
            self.add("evaluate", "wanted a sink of kind `results`, whose lines are scored, found none");
        }
    }
}

impl Plan {
    /// The source of kind `nuscenes`, as it is configured.
    ///
    /// # Errors
    /// Where there is none.
    pub fn nuscenes(&self) -> crate::types::Result<NuscenesConfig> {
        let node = self.sources.iter().find(|n| n.kind == "nuscenes");
        let node = node.ok_or_else(|| Error::mismatch("a source of kind `nuscenes`", "none", "evaluate"))?;
        node.table.clone().try_into().map_err(|e: toml::de::Error| Error::mismatch("a nuscenes source", e.message(), node.name.clone()))
    }
    /// Folder of the sink of kind `results`, where it names one of its own.
    pub fn results_folder(&self) -> Option<&str> {
        self.sinks.iter().find(|n| n.kind == "results").and_then(|n| n.table.get("dir")).and_then(Value::as_str)
    }
    /// Checks a document against the registry.
    ///
    /// # Errors
    /// Every problem of it.
    pub fn of(document: &Document, registry: &Registry) -> Result<Self, Vec<Problem>> {
        let mut checker = Checker { document, problems: Vec::new() };
        let (mut effective, faults) = complete::<Top>(&document.table);
        checker.faults("", faults);
        let top: Top = effective.clone().try_into().unwrap_or_default();
        let (_, faults) = complete::<Align>(document.table.get("align").and_then(Value::as_table).unwrap_or(&Table::new()));
        if checker.problems.iter().all(|p| !p.key.starts_with("align")) {
            checker.faults("align", faults);
        }
        if let Some(table) = document.table.get("evaluate").and_then(Value::as_table)
            && checker.problems.iter().all(|p| !p.key.starts_with("evaluate"))
        {
            checker.faults("evaluate", complete::<Evaluate>(table).1);
        }
        let mut tables = |what: &str| effective.get(what).and_then(Value::as_table).cloned().unwrap_or_default();
        let [mut source, mut stage, mut sink] = ["source", "stage", "sink"].map(&mut tables);
        let sources = checker.nodes("source", &mut source, &registry.sources);
        let stages = checker.nodes("stage", &mut stage, &registry.stages);
        let sinks = checker.nodes("sink", &mut sink, &registry.sinks);
        if let Some(evaluate) = &top.evaluate {
            checker.evaluation(evaluate, [&sources, &stages, &sinks]);
        }
        for (what, table) in [("source", source), ("stage", stage), ("sink", sink)] {
            effective.insert(what.to_owned(), Value::Table(table));
        }
        if checker.problems.is_empty() { Ok(Self { top, effective, sources, stages, sinks }) } else { Err(checker.problems) }
    }
    /// Opens sources and builds stages and sinks, and checks the graph that they make.
    ///
    /// # Errors
    /// Every problem found: what cannot be opened, and what does not fit together.
    pub fn build(&self, document: &Document, registry: &Registry, site: &Site) -> Result<Pipeline, Vec<Problem>> {
        let mut checker = Checker { document, problems: Vec::new() };
        let top = &self.top;
        let hang_after = Duration::try_from_secs_f64(top.hang_after_s).unwrap_or(Duration::from_secs(10));
        let limit = (top.frames > 0).then_some(top.frames);
        let mut pipeline = Pipeline::new(&top.name)
            .mode(top.mode)
            .align(top.align.clone())
            .bundles(limit)
            .speed(top.speed)
            .hang_after(hang_after)
            .keep_awake(top.keep_awake);
        for node in &self.sources {
            let Some(kind) = registry.sources.iter().find(|k| k.name == node.kind) else { continue };
            match kind.build(&node.table, site) {
                Ok(source) => {
                    let start_at = node.common.start_at_s.and_then(SensorTime::from_seconds);
                    pipeline.add_source(&node.name, source, node.common.edge.unwrap_or(kind.edge), start_at);
                }
                Err(error) => checker.add(&format!("source.{}", node.name), error.to_string()),
            }
        }
        let taken: BTreeSet<&str> = self
            .stages
            .iter()
            .flat_map(|n| inputs(n, &[ALIGN.to_owned()]))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|s| self.known(&s))
            .collect();
        let leaves: Vec<String> = self.stages.iter().map(|n| n.name.clone()).filter(|n| !taken.contains(n.as_str())).collect();
        let leaves = if leaves.is_empty() { vec![ALIGN.to_owned()] } else { leaves };
        for node in &self.stages {
            let Some(kind) = registry.stages.iter().find(|k| k.name == node.kind) else { continue };
            let wiring = wiring(node, &[ALIGN.to_owned()], kind.edge);
            match kind.build(&node.table, site) {
                Ok(body) => pipeline.add_stage(&node.name, body, wiring, Some(kind.remake(&node.table, site))),
                Err(error) => checker.add(&format!("stage.{}", node.name), error.to_string()),
            }
        }
        for node in &self.sinks {
            let Some(kind) = registry.sinks.iter().find(|k| k.name == node.kind) else { continue };
            let wiring = wiring(node, &leaves, kind.edge);
            match kind.build(&node.table, site) {
                Ok(body) => pipeline.add_sink(&node.name, body, wiring, Some(kind.remake(&node.table, site))),
                Err(error) => checker.add(&format!("sink.{}", node.name), error.to_string()),
            }
        }
        if checker.problems.is_empty() {
            pipeline.check().into_iter().for_each(|p| checker.add("", p));
        }
        if checker.problems.is_empty() { Ok(pipeline) } else { Err(checker.problems) }
    }
    fn known(&self, name: &str) -> &str {
        self.stages.iter().map(|n| n.name.as_str()).find(|n| *n == name).unwrap_or(ALIGN)
    }
    /// Every effective value by key path, with where it came from.
    pub fn explain(&self, document: &Document) -> Vec<(String, String, Origin)> {
        let mut list = Vec::new();
        walk(&Value::Table(self.effective.clone()), String::new(), &mut |path, value| {
            let own = document.origins.get(&path).cloned();
            let around = || {
                path.rfind('.').and_then(|cut| path.get(..cut)).is_some_and(|p| value_at(&document.table, p).is_some_and(|v| !v.is_table()))
            };
            let origin = own.unwrap_or_else(|| if around() { document.origin(&path) } else { Origin::Default });
            list.push((path, value.to_string(), origin));
        });
        list
    }
}

fn value_at<'a>(table: &'a Table, path: &str) -> Option<&'a Value> {
    let mut keys = path.split('.');
    let first = table.get(keys.next()?)?;
    keys.try_fold(first, |value, key| value.get(key))
}

fn walk(value: &Value, path: String, each: &mut impl FnMut(String, &Value)) {
    match value {
        Value::Table(table) if !table.is_empty() => {
            for (key, value) in table {
                walk(value, if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, each);
            }
        }
        other => each(path, other),
    }
}

fn inputs(node: &Node, default: &[String]) -> Vec<String> {
    match &node.common.input {
        Some(Inputs::One(name)) => vec![name.clone()],
        Some(Inputs::Several(names)) => names.clone(),
        None => default.to_vec(),
    }
}

fn wiring(node: &Node, default: &[String], edge: Policy) -> Wiring {
    let policy = node.common.edge.unwrap_or(edge);
    let inputs = inputs(node, default).into_iter().map(|from| (from, policy)).collect();
    Wiring { inputs, on_error: node.common.on_error, budget: node.common.budget }
}
