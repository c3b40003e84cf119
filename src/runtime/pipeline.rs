//! A pipeline before it runs: sources, stages and sinks by name, the edges between them, and the checks.

use super::align::Align;
use super::health::{Budget, OnError};
use super::policy::Policy;
use super::traits::{Layout, Mode, Sink, Source, Stage};
use crate::types::{Result, SensorTime, nearest};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// The name under which stages and sinks take the aligner's bundles.
pub const ALIGN: &str = "align";

/// Builds a node anew after a failure.
pub type Remake<T> = Box<dyn FnMut() -> Result<Box<T>> + Send>;

/// How a stage or sink is connected and held to account.
#[derive(Debug, Clone, Default)]
pub struct Wiring {
    /// Where packets come from (`align` or a stage), and the policy of that edge in `live` mode.
    pub inputs: Vec<(String, Policy)>,
    /// What happens when it fails.
    pub on_error: OnError,
    /// What it promises.
    pub budget: Budget,
}

impl Wiring {
    /// Takes from one place.
    pub fn from(input: &str, policy: Policy) -> Self {
        Self { inputs: vec![(input.to_owned(), policy)], ..Self::default() }
    }
    /// Takes from one more place.
    #[must_use]
    pub fn and(mut self, input: &str, policy: Policy) -> Self {
        self.inputs.push((input.to_owned(), policy));
        self
    }
    /// Does this when it fails.
    #[must_use]
    pub const fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = on_error;
        self
    }
    /// Promises this.
    #[must_use]
    pub const fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }
}

pub(super) struct Node<T: ?Sized> {
    pub(super) name: Arc<str>,
    pub(super) body: Box<T>,
    pub(super) wiring: Wiring,
    pub(super) remake: Option<Remake<T>>,
}

pub(super) struct Feed {
    pub(super) name: Arc<str>,
    pub(super) source: Box<dyn Source>,
    pub(super) policy: Policy,
    pub(super) start_at: Option<SensorTime>,
}

/// Sources, stages and sinks by name, in the order they were added. See [`Pipeline::check`] and [`Pipeline::run`].
pub struct Pipeline {
    pub(super) name: String,
    pub(super) mode: Mode,
    pub(super) align: Align,
    pub(super) sources: Vec<Feed>,
    pub(super) stages: Vec<Node<dyn Stage>>,
    pub(super) sinks: Vec<Node<dyn Sink>>,
    pub(super) bundles: Option<u64>,
    pub(super) speed: f64,
    pub(super) hang_after: Duration,
    pub(super) keep_awake: bool,
}

impl Pipeline {
    /// An empty pipeline in `live` mode.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            mode: Mode::Live,
            align: Align::default(),
            sources: Vec::new(),
            stages: Vec::new(),
            sinks: Vec::new(),
            bundles: None,
            speed: 1.0,
            hang_after: Duration::from_secs(10),
            keep_awake: false,
        }
    }
    /// Who sets the pace, and what may be lost.
    #[must_use]
    pub const fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }
    /// How frames are brought together.
    #[must_use]
    pub fn align(mut self, align: Align) -> Self {
        self.align = align;
        self
    }
    /// Ends after this many bundles.
    #[must_use]
    pub const fn bundles(mut self, limit: Option<u64>) -> Self {
        self.bundles = limit;
        self
    }
    /// Live: plays recorded data this many times as fast as it was captured.
    #[must_use]
    pub const fn speed(mut self, speed: f64) -> Self {
        self.speed = speed;
        self
    }
    /// A node that is at one packet for longer than this is named as hanging.
    #[must_use]
    pub const fn hang_after(mut self, limit: Duration) -> Self {
        self.hang_after = limit;
        self
    }
    /// Keeps every core from halting while the pipeline runs: the least latency between threads, for the power of busy cores.
    #[must_use]
    pub const fn keep_awake(mut self, on: bool) -> Self {
        self.keep_awake = on;
        self
    }
    /// Adds a source; `policy` is that of the edge to the aligner in `live` mode.
    #[must_use]
    pub fn source(mut self, name: &str, source: impl Source + 'static, policy: Policy) -> Self {
        self.add_source(name, Box::new(source), policy, None);
        self
    }
    /// Adds a boxed source; with `start_at`, its clock is shifted so that its first frame has this time, which lets
    /// recordings of different days play side by side.
    pub fn add_source(&mut self, name: &str, source: Box<dyn Source>, policy: Policy, start_at: Option<SensorTime>) {
        self.sources.push(Feed { name: name.into(), source, policy, start_at });
    }
    /// Adds a stage.
    #[must_use]
    pub fn stage(mut self, name: &str, stage: impl Stage + 'static, wiring: Wiring) -> Self {
        self.add_stage(name, Box::new(stage), wiring, None);
        self
    }
    /// Adds a boxed stage, with how to build it anew.
    pub fn add_stage(&mut self, name: &str, body: Box<dyn Stage>, wiring: Wiring, remake: Option<Remake<dyn Stage>>) {
        self.stages.push(Node { name: name.into(), body, wiring, remake });
    }
    /// Adds a sink.
    #[must_use]
    pub fn sink(mut self, name: &str, sink: impl Sink + 'static, wiring: Wiring) -> Self {
        self.add_sink(name, Box::new(sink), wiring, None);
        self
    }
    /// Adds a boxed sink, with how to build it anew.
    pub fn add_sink(&mut self, name: &str, body: Box<dyn Sink>, wiring: Wiring, remake: Option<Remake<dyn Sink>>) {
        self.sinks.push(Node { name: name.into(), body, wiring, remake });
    }
    /// What sinks are told before the first packet.
    pub fn layout(&self) -> Layout {
        let sensors = self.sources.iter().flat_map(|f| f.source.sensors()).collect();
        let stages = self.stages.iter().map(|n| (Arc::clone(&n.name), n.body.info())).collect();
        Layout { name: self.name.clone(), sensors, stages }
    }
    /// Every edge as (from, to, policy in this run's mode).
    pub fn edges(&self) -> Vec<(String, String, Policy)> {
        let into = self.sources.iter().map(|f| (f.name.to_string(), ALIGN.to_owned(), f.policy));
        let wirings = self.stages.iter().map(|n| (&n.name, &n.wiring)).chain(self.sinks.iter().map(|n| (&n.name, &n.wiring)));
        let out = wirings.flat_map(|(name, w)| w.inputs.iter().map(move |(from, p)| (from.clone(), name.to_string(), *p)));
        into.chain(out).map(|(from, to, p)| (from, to, self.effective(p))).collect()
    }
    pub(super) const fn effective(&self, policy: Policy) -> Policy {
        match self.mode {
            Mode::Live => policy,
            Mode::Offline | Mode::Lockstep => policy.lossless(),
        }
    }
    /// Every problem of the graph, one line each; empty where it can run.
    pub fn check(&self) -> Vec<String> {
        let mut problems = Vec::new();
        self.check_names(&mut problems);
        self.check_sensors(&mut problems);
        self.check_flow(&mut problems);
        problems
    }
    fn node_names(&self) -> impl Iterator<Item = &str> {
        let sources = self.sources.iter().map(|f| &*f.name);
        sources.chain(self.stages.iter().map(|n| &*n.name)).chain(self.sinks.iter().map(|n| &*n.name))
    }
    fn check_names(&self, problems: &mut Vec<String>) {
        let mut seen = BTreeSet::from([ALIGN]);
        problems.extend(self.node_names().filter(|n| !seen.insert(n)).map(|n| format!("name `{n}`: wanted once, found again")));
        if self.sources.is_empty() {
            problems.push("sources: wanted at least one, found none".to_owned());
        }
        for (bad, what, found) in [
            (
                !(self.align.window_ms.is_finite() && self.align.window_ms >= 0.0),
                "align.window_ms: wanted zero or more",
                self.align.window_ms,
            ),
            (
                !(self.align.deadline_ms.is_finite() && self.align.deadline_ms > 0.0),
                "align.deadline_ms: wanted more than zero",
                self.align.deadline_ms,
            ),
            (!(self.speed.is_finite() && self.speed > 0.0), "speed: wanted more than zero", self.speed),
        ] {
            if bad {
                problems.push(format!("{what}, found {found}"));
            }
        }
    }
    fn check_sensors(&self, problems: &mut Vec<String>) {
        let sensors: Vec<_> = self.sources.iter().flat_map(|f| f.source.sensors().into_iter().map(move |i| (i.id, &f.name))).collect();
        let mut seen = BTreeSet::new();
        for (id, source) in &sensors {
            if !seen.insert(*id) {
                problems.push(format!("sensor `{id}` of source `{source}`: wanted a name of its own, found it in another source too"));
            }
        }
        let names = || sensors.iter().map(|(id, _)| id.name());
        let mut need = |place: String, wanted: &str| {
            if !names().any(|n| n == wanted) {
                let hint = nearest(wanted, names()).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
                problems.push(format!("{place}: no source gives sensor `{wanted}`{hint}"));
            }
        };
        if let Some(reference) = &self.align.reference {
            need("align.reference".to_owned(), reference);
        }
        self.align.offset_ms.keys().for_each(|s| need("align.offset_ms".to_owned(), s));
        for stage in &self.stages {
            stage.body.info().requires.iter().for_each(|s| need(format!("stage `{}`", stage.name), s.name()));
        }
    }
    fn check_flow(&self, problems: &mut Vec<String>) {
        let givers = || std::iter::once(ALIGN).chain(self.stages.iter().map(|n| &*n.name));
        let wirings = self.stages.iter().map(|n| (&n.name, &n.wiring)).chain(self.sinks.iter().map(|n| (&n.name, &n.wiring)));
        for (name, wiring) in wirings {
            if wiring.inputs.is_empty() {
                problems.push(format!("`{name}`: wanted an input, found none"));
            }
            for (from, _) in wiring.inputs.iter().filter(|(from, _)| !givers().any(|g| g == from)) {
                let hint = nearest(from, givers()).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
                problems.push(format!("`{name}`: wanted `align` or a stage as input, found `{from}`{hint}"));
            }
        }
        let mut reached = BTreeSet::from([ALIGN]);
        loop {
            let before = reached.len();
            reached.extend(
                self.stages
                    .iter()
                    .filter(|n| n.wiring.inputs.iter().all(|(f, _)| reached.contains(f.as_str())))
                    .map(|n| &*n.name)
                    .collect::<Vec<_>>(),
            );
            if reached.len() == before {
                break;
            }
        }
        let stuck: Vec<_> = self.stages.iter().map(|n| &*n.name).filter(|n| !reached.contains(n)).collect();
        if problems.is_empty() && !stuck.is_empty() {
            problems.push(format!("stages {}: wanted a graph without cycles, found one", stuck.join(", ")));
        }
    }
}
