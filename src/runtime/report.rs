//! The account of a run: every frame, every edge, every stage; as text and as JSON (`"version": 1`).

use super::align::Tally;
use super::edge::EdgeStats;
use super::health::{Budget, NodeStats, Role};
use super::metrics::Quantiles;
use super::policy::Policy;
use super::traits::{Mode, WeightsInfo};
use crate::types::{PoolFill, SensorId};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::atomic::Ordering::Relaxed;

/// One sensor's frames.
#[derive(Debug, Clone, Serialize)]
pub struct SensorReport {
    /// Its name.
    pub sensor: SensorId,
    /// Where its frames went.
    #[serde(flatten)]
    pub tally: Tally,
}

/// One edge's packets: offered = delivered + replaced + refused + in flight.
#[derive(Debug, Clone, Serialize)]
pub struct EdgeReport {
    /// For example `align->fuse`.
    pub edge: String,
    /// Its policy in this run.
    pub policy: Policy,
    /// Brought to the entrance.
    pub offered: u64,
    /// Taken by the consumer.
    pub delivered: u64,
    /// Pushed out by a newer one, or sampled away.
    pub replaced: u64,
    /// Nobody was there to take them any more.
    pub refused: u64,
    /// Inside when the run ended.
    pub in_flight: u64,
    /// Most that ever waited.
    pub peak_depth: usize,
    /// Time in the queue, milliseconds.
    pub wait_ms: Quantiles,
}

/// One source, stage or sink.
#[derive(Debug, Clone, Serialize)]
pub struct NodeReport {
    /// Its name.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Packets handled (a source: readings).
    pub handled: u64,
    /// Passed untouched because a sensor it requires was missing.
    pub skipped: u64,
    /// Failed on.
    pub failed: u64,
    /// Built anew.
    pub restarts: u64,
    /// It stopped answering.
    pub hung: bool,
    /// Packets a second.
    pub hz: f64,
    /// Work on a packet, milliseconds.
    pub work_ms: Quantiles,
    /// Change between successive intervals, milliseconds.
    pub jitter_ms: Quantiles,
    /// Age of the oldest frame when it was done, milliseconds.
    pub age_ms: Quantiles,
    /// Distance of a bundle's frames from its instant, milliseconds (sinks).
    pub skew_ms: Quantiles,
    /// What went wrong, and how often.
    pub errors: BTreeMap<String, u64>,
    /// Its parameters: whence, digest, and whether they are trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightsInfo>,
}

/// What a node promised, and what it did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BudgetReport {
    /// The node's name.
    pub node: String,
    /// `p99_ms`, `max_age_ms` or `min_hz`.
    pub what: &'static str,
    /// The limit: milliseconds, or packets a second.
    pub promised: f64,
    /// What was measured, in the same unit.
    pub found: f64,
    /// Whether it was kept; a node that never got a packet broke nothing.
    pub kept: bool,
}

/// The account of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Of this format: 1.
    pub version: u32,
    /// The pipeline's name.
    pub pipeline: String,
    /// Who set the pace.
    pub mode: Mode,
    /// Wall time.
    pub seconds: f64,
    /// Bundles made.
    pub bundles: u64,
    /// Bundles that lacked at least one sensor.
    pub incomplete: u64,
    /// Frames, sensor by sensor.
    pub sensors: Vec<SensorReport>,
    /// Packets, edge by edge.
    pub edges: Vec<EdgeReport>,
    /// Work, node by node.
    pub nodes: Vec<NodeReport>,
    /// Promises, node by node.
    pub budgets: Vec<BudgetReport>,
    /// Buffer pools by name.
    pub pools: Vec<(String, PoolFill)>,
    /// Whether every frame and packet is accounted for.
    pub adds_up: bool,
    /// Frames and packets that a lossless run may not lose: replaced, late, refused, failed on.
    pub lost: u64,
    /// Broken budgets, hanging and failing nodes, one line each.
    pub problems: Vec<String>,
}

impl EdgeReport {
    pub(super) fn of(s: &EdgeStats) -> Self {
        let [offered, delivered, replaced, refused] = [&s.offered, &s.delivered, &s.replaced, &s.refused].map(|c| c.load(Relaxed));
        let in_flight = offered.saturating_sub(delivered + replaced + refused);
        let (edge, policy) = (s.name.clone(), s.policy);
        Self {
            edge,
            policy,
            offered,
            delivered,
            replaced,
            refused,
            in_flight,
            peak_depth: s.peak.load(Relaxed),
            wait_ms: s.wait.quantiles(),
        }
    }
    fn adds_up(&self) -> bool {
        self.offered == self.delivered + self.replaced + self.refused + self.in_flight && self.in_flight <= self.policy.capacity() as u64
    }
}

impl NodeReport {
    pub(super) fn of(s: &NodeStats, weights: Option<WeightsInfo>) -> Self {
        Self {
            name: s.name.clone(),
            role: s.role,
            handled: s.handled.load(Relaxed),
            skipped: s.skipped.load(Relaxed),
            failed: s.failed.load(Relaxed),
            restarts: s.restarts.load(Relaxed),
            hung: s.hung.load(Relaxed),
            hz: s.rate(),
            work_ms: s.work.quantiles(),
            jitter_ms: s.jitter.quantiles(),
            age_ms: s.age.quantiles(),
            skew_ms: s.skew.quantiles(),
            errors: s.errors(),
            weights,
        }
    }
    pub(super) fn budgets(&self, budget: &Budget) -> Vec<BudgetReport> {
        let limits = [
            ("p99_ms", budget.p99_ms, self.work_ms.p99, false),
            ("max_age_ms", budget.max_age_ms, self.age_ms.p99, false),
            ("min_hz", budget.min_hz, self.hz, true),
        ];
        let one = |(what, promised, found, least): (&'static str, Option<f64>, f64, bool)| {
            let promised = promised?;
            let kept = self.handled == 0 || if least { found >= promised } else { found <= promised };
            Some(BudgetReport { node: self.name.clone(), what, promised, found, kept })
        };
        limits.into_iter().filter_map(one).collect()
    }
    pub(super) fn problems(&self, budgets: &[BudgetReport]) -> Vec<String> {
        let mut list = Vec::new();
        let name = &self.name;
        if self.hung {
            list.push(format!("{name}: hangs"));
        }
        if self.failed > 0 {
            let first = self.errors.keys().next().map(String::as_str).unwrap_or_default();
            list.push(format!("{name}: failed {} times; {first}", self.failed));
        }
        let broken = budgets.iter().filter(|b| !b.kept);
        list.extend(broken.map(|b| format!("{name}: budget {} {} broken: {:.1}", b.what, b.promised, b.found)));
        list
    }
}

impl Report {
    pub(super) fn settle(mut self) -> Self {
        let sampled = |p: Policy| matches!(p, Policy::Sample(_));
        let edges: u64 = self.edges.iter().filter(|e| !sampled(e.policy)).map(|e| e.replaced + e.refused).sum();
        let sensors: u64 = self.sensors.iter().map(|s| s.tally.late).sum();
        // Who hangs has lost at least what it had in hand.
        let nodes: u64 = self.nodes.iter().map(|n| n.failed + u64::from(n.hung)).sum();
        self.lost = edges + sensors + nodes;
        self.adds_up = self.sensors.iter().all(|s| s.tally.adds_up()) && self.edges.iter().all(EdgeReport::adds_up);
        self
    }
    /// Whether the run did what its mode promises: the account adds up, and nothing is lost where nothing may be.
    pub fn kept_its_promise(&self) -> bool {
        self.adds_up && (self.mode == Mode::Live || self.lost == 0)
    }
}

/// A table with a heading over each column, which says the unit; columns are as wide as what is in them.
fn table(f: &mut fmt::Formatter<'_>, name: &str, heads: &[&str], rows: &[(String, Vec<String>)]) -> fmt::Result {
    let first = rows.iter().map(|(n, _)| n.chars().count() + 2).chain([24]).max().unwrap_or(0);
    let width = |at: usize, head: &str| {
        let cells = rows.iter().filter_map(|(_, cells)| cells.get(at)).map(String::len);
        cells.chain([head.len(), 8]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = heads.iter().enumerate().map(|(at, head)| width(at, head)).collect();
    let line = |f: &mut fmt::Formatter<'_>, name: &str, cells: &mut dyn Iterator<Item = &str>| {
        let mut line = format!("{name:<first$}");
        for (cell, width) in cells.zip(&widths) {
            write!(line, "  {cell:>width$}")?;
        }
        writeln!(f, "{}", line.trim_end())
    };
    writeln!(f)?;
    line(f, name, &mut heads.iter().copied())?;
    rows.iter().try_for_each(|(name, cells)| line(f, &format!("  {name}"), &mut cells.iter().map(String::as_str)))
}
/// A number in a column; a dash where nothing was measured.
fn measured(q: &Quantiles, value: f64) -> String {
    if q.count == 0 { "-".to_owned() } else { ms(value) }
}
fn ms(value: f64) -> String {
    if value < 10.0 { format!("{value:.2}") } else { format!("{value:.1}") }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match self.mode {
            Mode::Live => "live",
            Mode::Offline => "offline",
            Mode::Lockstep => "lockstep",
        };
        writeln!(f, "{}: {} bundles ({} incomplete) in {:.2} s, {mode}", self.pipeline, self.bundles, self.incomplete, self.seconds)?;
        let counts = |list: &[u64]| list.iter().map(u64::to_string).collect::<Vec<_>>();
        let frames = self.sensors.iter().map(|s| {
            let t = &s.tally;
            (s.sensor.name().to_owned(), counts(&[t.captured, t.used, t.replaced, t.late, t.rejected, t.in_flight]))
        });
        table(f, "frames", &["captured", "used", "replaced", "late", "rejected", "in flight"], &frames.collect::<Vec<_>>())?;
        for s in &self.sensors {
            for (reason, n) in &s.tally.reasons {
                writeln!(f, "    {}: {n} rejected: {reason}", s.sensor)?;
            }
        }
        let edges = self.edges.iter().map(|e| {
            let mut cells = counts(&[e.offered, e.delivered, e.replaced, e.refused, e.in_flight, e.peak_depth as u64]);
            cells.push(measured(&e.wait_ms, e.wait_ms.p99));
            (format!("{} {}", e.edge, e.policy), cells)
        });
        let heads = ["offered", "delivered", "replaced", "refused", "in flight", "peak", "wait p99 ms"];
        table(f, "edges", &heads, &edges.collect::<Vec<_>>())?;
        let work = self.nodes.iter().map(|n| {
            let q = &n.work_ms;
            let mut cells = counts(&[n.handled, n.failed]);
            cells.extend([q.p50, q.p95, q.p99, q.max].map(|v| measured(q, v)));
            cells.push(measured(&n.jitter_ms, n.jitter_ms.p50));
            cells.extend([&n.age_ms, &n.skew_ms].map(|q| measured(q, q.p99)));
            cells.push(format!("{:.1}", n.hz));
            (n.name.clone(), cells)
        });
        let heads = ["handled", "failed", "p50 ms", "p95 ms", "p99 ms", "max ms", "jitter ms", "age p99 ms", "skew p99 ms", "Hz"];
        table(f, "work", &heads, &work.collect::<Vec<_>>())?;
        for (name, p) in &self.pools {
            writeln!(f, "  pool {name}: {} in use, peak {}, {} taken, {} allocated", p.in_use, p.peak, p.taken, p.misses)?;
        }
        if !self.budgets.is_empty() {
            let budgets = self.budgets.iter().map(|b| {
                let verdict = if b.kept { "kept" } else { "broken" };
                (format!("{} {}", b.node, b.what), vec![b.promised.to_string(), ms(b.found), verdict.to_owned()])
            });
            table(f, "budgets", &["promised", "found", ""], &budgets.collect::<Vec<_>>())?;
        }
        writeln!(f)?;
        for (node, weights) in self.nodes.iter().filter_map(|n| Some((&n.name, n.weights.as_ref()?))) {
            match weights.notice() {
                Some(notice) => writeln!(f, "notice: {node}: {notice}")?,
                None => writeln!(f, "{node}: weights {} (digest {})", weights.origin, weights.digest)?,
            }
        }
        for problem in &self.problems {
            writeln!(f, "problem: {problem}")?;
        }
        let verdict = match (self.adds_up, self.lost) {
            (false, _) => "the account does NOT add up".to_owned(),
            (true, 0) => "every frame is accounted for, none lost".to_owned(),
            (true, n) => format!("every frame is accounted for; {n} lost (replaced, late, refused or failed on)"),
        };
        writeln!(f, "{verdict}")
    }
}
