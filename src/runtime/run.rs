//! Runs a pipeline: one thread per node, a watch over all of them, and the report at the end.

use super::align::Aligner;
use super::awake::Awake;
use super::edge::{EdgeStats, Inlet, Sender, edge};
use super::health::{Budget, NodeStats, OnError, Role};
use super::intake::{Intake, Parcel};
use super::pipeline::{ALIGN, Pipeline};
use super::policy::Policy;
use super::report::{EdgeReport, NodeReport, Report, SensorReport};
use super::threads::{AlignThread, SinkThread, SourceThread, StageThread, Tallies};
use super::traits::{Cx, Gauge, Mode, Sink, Source, Stage, Stop, WeightsInfo};
use crate::types::{Error, Frame, HostTime, Result, SensorId};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the watch looks at every node.
const WATCH: Duration = Duration::from_millis(20);

/// Everything that is counted, for gauges, watch and report.
#[derive(Default)]
struct Board {
    nodes: Vec<Watched>,
    edges: Vec<Arc<EdgeStats>>,
}

struct Watched {
    stats: Arc<NodeStats>,
    on_error: OnError,
    budget: Budget,
    weights: Option<WeightsInfo>,
    inputs: Vec<Arc<EdgeStats>>,
    outputs: Vec<Arc<EdgeStats>>,
}

impl Board {
    fn gauges(&self) -> Vec<Gauge> {
        let mut list = Vec::new();
        for node in self.nodes.iter().map(|n| &n.stats) {
            let (q, age) = (node.work.quantiles(), node.age.quantiles());
            list.push(Gauge { name: format!("stages/{}/latency_ms", node.name), value: q.p50 });
            if age.count > 0 {
                list.push(Gauge { name: format!("stages/{}/age_ms", node.name), value: age.p50 });
            }
        }
        for edge in &self.edges {
            list.push(Gauge { name: format!("edges/{}/depth", edge.name), value: edge.depth.load(Relaxed) as f64 });
        }
        list
    }
}

/// A thread, and what it gives back.
type Thread = JoinHandle<Ended>;
enum Ended {
    Source(Arc<str>, Box<dyn Source>),
    Align(u64, u64),
    Stage(Arc<str>, Box<dyn Stage>),
    Sink(#[expect(dead_code, reason = "kept until the account was read")] Box<dyn Sink>),
}

fn spawn(name: &str, body: impl FnOnce() -> Ended + Send + 'static) -> Result<Thread> {
    let failed = |e: std::io::Error| Error::unavailable(format!("a thread for `{name}`"), e.to_string());
    std::thread::Builder::new().name(name.chars().take(15).collect()).spawn(body).map_err(failed)
}

/// The ends of all edges, by the node that holds them.
#[derive(Default)]
struct Wires {
    frames_out: Vec<Sender<Frame>>,
    frames_in: Vec<(Inlet<Frame>, Vec<SensorId>)>,
    out: BTreeMap<String, Vec<Sender<Parcel>>>,
    inlets: BTreeMap<String, Vec<Inlet<Parcel>>>,
    stats: Vec<Arc<EdgeStats>>,
}

fn wire(pipeline: &Pipeline) -> Wires {
    let mut wires = Wires::default();
    for feed in &pipeline.sources {
        let (tx, rx, stats) = edge(format!("{}->{ALIGN}", feed.name), pipeline.effective(feed.policy));
        wires.frames_out.push(tx);
        wires.frames_in.push((rx, feed.source.sensors().into_iter().map(|s| s.id).collect()));
        wires.stats.push(stats);
    }
    let nodes = pipeline.stages.iter().map(|n| (&n.name, &n.wiring)).chain(pipeline.sinks.iter().map(|n| (&n.name, &n.wiring)));
    for (name, wiring) in nodes {
        for (from, policy) in &wiring.inputs {
            let (tx, rx, stats) = edge(format!("{from}->{name}"), pipeline.effective(*policy));
            wires.out.entry(from.clone()).or_default().push(tx);
            wires.inlets.entry(name.to_string()).or_default().push(rx);
            wires.stats.push(stats);
        }
    }
    wires
}

fn stats_of<T>(ends: &[T], stats: impl Fn(&T) -> &Arc<EdgeStats>) -> Vec<Arc<EdgeStats>> {
    ends.iter().map(|e| Arc::clone(stats(e))).collect()
}

impl Pipeline {
    /// Runs to the end of the sources, the limit of bundles, or `stop`; finishes every sink; gives the account.
    ///
    /// # Errors
    /// Where the graph has problems (all of them, see [`check`](Self::check)), a sink cannot be started, or the system
    /// gives no thread. What goes wrong later is in the report.
    pub fn run(self, stop: &Stop) -> Result<Report> {
        self.run_then(stop, |_| {})
    }

    /// Likewise; `after` is called with the account while the sinks still exist, so that a viewer's server stays up.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_then(mut self, stop: &Stop, after: impl FnOnce(&Report)) -> Result<Report> {
        let problems = self.check();
        if !problems.is_empty() {
            return Err(Error::mismatch("a sound pipeline", problems.join("; "), format!("pipeline `{}`", self.name)));
        }
        let began = HostTime::now();
        let mut wires = wire(&self);
        let mut board = self.board(&wires);
        board.edges = wires.stats.clone();
        let board = Arc::new(board);
        let shown = Arc::clone(&board);
        let cx = Cx::new(self.mode, stop.clone(), Arc::new(move || shown.gauges()));
        let layout = self.layout();
        for sink in &mut self.sinks {
            sink.body.start(&layout, &cx).map_err(|e| e.at(format!("sink `{}`", sink.name)))?;
        }
        let tallies = Tallies::default();
        layout.sensors.iter().for_each(|s| super::threads::tally(&tallies, s.id, |_| ()));
        let awake = self.keep_awake.then(Awake::start).transpose()?;
        let threads = self.launch(&mut wires, &board, &tallies, &cx, &layout)?;
        drop(wires);
        let ended = watch(threads, &board, &cx, self.hang_after);
        drop(awake);
        let report = self.account(&ended, &board, &tallies, &layout, HostTime::now().since(began));
        after(&report);
        Ok(report)
    }

    fn board(&self, wires: &Wires) -> Board {
        let mut board = Board::default();
        let out = |name: &str| wires.out.get(name).map(|o| stats_of(o, Sender::stats)).unwrap_or_default();
        let into = |name: &str| wires.inlets.get(name).map(|i| stats_of(i, Inlet::stats)).unwrap_or_default();
        for (feed, tx) in self.sources.iter().zip(&wires.frames_out) {
            let stats = Arc::new(NodeStats::new(&feed.name, Role::Source));
            board.nodes.push(Watched {
                stats,
                on_error: OnError::Ignore,
                budget: Budget::default(),
                weights: None,
                inputs: Vec::new(),
                outputs: vec![Arc::clone(tx.stats())],
            });
        }
        for n in &self.stages {
            let stats = Arc::new(NodeStats::new(&n.name, Role::Stage));
            let weights = n.body.info().weights;
            board.nodes.push(Watched {
                stats,
                on_error: n.wiring.on_error,
                budget: n.wiring.budget,
                weights,
                inputs: into(&n.name),
                outputs: out(&n.name),
            });
        }
        for n in &self.sinks {
            let stats = Arc::new(NodeStats::new(&n.name, Role::Sink));
            board.nodes.push(Watched {
                stats,
                on_error: n.wiring.on_error,
                budget: n.wiring.budget,
                weights: None,
                inputs: into(&n.name),
                outputs: Vec::new(),
            });
        }
        board
    }

    fn launch(
        &mut self,
        wires: &mut Wires,
        board: &Board,
        tallies: &Tallies,
        cx: &Cx,
        layout: &super::traits::Layout,
    ) -> Result<Vec<Thread>> {
        let mut threads = Vec::new();
        let mut stats = board.nodes.iter().map(|n| Arc::clone(&n.stats));
        let joined =
            |inlets: &[Inlet<Parcel>]| cx.mode != Mode::Live && inlets.iter().all(|i| !matches!(i.stats().policy, Policy::Sample(_)));
        let sources: Vec<_> = self.sources.drain(..).zip(wires.frames_out.drain(..)).zip(stats.by_ref()).collect();
        for ((feed, out), stats) in sources {
            let (name, tallies) = (feed.name, Arc::clone(tallies));
            let thread =
                SourceThread { source: feed.source, start_at: feed.start_at, out, stats, tallies, speed: self.speed, cx: cx.clone() };
            threads.push(spawn(&name.clone(), move || Ended::Source(name, thread.run()))?);
        }
        let sensors: Vec<SensorId> = layout.sensors.iter().map(|s| s.id).collect();
        let align = AlignThread {
            inlets: wires.frames_in.drain(..).collect(),
            aligner: Aligner::new(&sensors, &self.align),
            outs: wires.out.remove(ALIGN).unwrap_or_default(),
            limit: self.bundles,
            tallies: Arc::clone(tallies),
            cx: cx.clone(),
        };
        threads.push(spawn(ALIGN, move || {
            let (made, incomplete) = align.run();
            Ended::Align(made, incomplete)
        })?);
        for (node, stats) in self.stages.drain(..).zip(stats.by_ref()) {
            let inlets = wires.inlets.remove(&*node.name).unwrap_or_default();
            let outs = wires.out.remove(&*node.name).unwrap_or_default();
            let intake = {
                let joined = joined(&inlets);
                Intake::new(inlets, joined)
            };
            let (name, stage, remake, on_error) = (Arc::clone(&node.name), node.body, node.remake, node.wiring.on_error);
            let thread = StageThread { name, stage, remake, on_error, intake, outs, stats, cx: cx.clone() };
            let name = Arc::clone(&node.name);
            threads.push(spawn(&node.name, move || Ended::Stage(name, thread.run()))?);
        }
        for (node, stats) in self.sinks.drain(..).zip(stats) {
            let inlets = wires.inlets.remove(&*node.name).unwrap_or_default();
            let intake = {
                let joined = joined(&inlets);
                Intake::new(inlets, joined)
            };
            let (sink, remake, on_error) = (node.body, node.remake, node.wiring.on_error);
            let thread = SinkThread { sink, remake, on_error, intake, stats, cx: cx.clone(), layout: layout.clone() };
            threads.push(spawn(&node.name, move || Ended::Sink(thread.run()))?);
        }
        Ok(threads)
    }

    fn account(&self, ended: &[Ended], board: &Board, tallies: &Tallies, layout: &super::traits::Layout, wall: Duration) -> Report {
        let (mut bundles, mut incomplete, mut pools) = (0, 0, Vec::new());
        for end in ended {
            match end {
                Ended::Source(name, source) => pools.extend(source.pools().into_iter().map(|(p, fill)| (format!("{name}/{p}"), fill))),
                Ended::Stage(name, stage) => pools.extend(stage.pools().into_iter().map(|(p, fill)| (format!("{name}/{p}"), fill))),
                Ended::Align(made, lacked) => (bundles, incomplete) = (*made, *lacked),
                Ended::Sink(_) => {}
            }
        }
        let tallies = tallies.lock().unwrap_or_else(PoisonError::into_inner);
        let sensor = |id: SensorId| SensorReport { sensor: id, tally: tallies.get(&id).cloned().unwrap_or_default() };
        let nodes: Vec<NodeReport> = board.nodes.iter().map(|n| NodeReport::of(&n.stats, n.weights.clone())).collect();
        let judged: Vec<_> = nodes.iter().zip(&board.nodes).map(|(r, n)| r.budgets(&n.budget)).collect();
        let problems = nodes.iter().zip(&judged).flat_map(|(r, budgets)| r.problems(budgets)).collect();
        let report = Report {
            version: 1,
            pipeline: self.name.clone(),
            mode: self.mode,
            seconds: wall.as_secs_f64(),
            bundles,
            incomplete,
            sensors: layout.sensors.iter().map(|s| sensor(s.id)).collect(),
            edges: board.edges.iter().map(|e| EdgeReport::of(e)).collect(),
            nodes,
            budgets: judged.concat(),
            pools,
            adds_up: false,
            lost: 0,
            problems,
        };
        report.settle()
    }
}

/// Waits for every thread; names those that hang, cuts them off, and leaves them behind.
fn watch(mut threads: Vec<Thread>, board: &Board, cx: &Cx, hang_after: Duration) -> Vec<Ended> {
    let mut ended = Vec::new();
    let hung = Mutex::new(Vec::<String>::new());
    loop {
        let mut rest = Vec::with_capacity(threads.len());
        for thread in threads {
            if thread.is_finished() {
                ended.extend(thread.join().ok());
            } else {
                rest.push(thread);
            }
        }
        threads = rest;
        let now = HostTime::now();
        for node in board.nodes.iter().filter(|n| !n.stats.done.load(Relaxed)) {
            let stuck = node.stats.busy_for(now) > hang_after;
            if stuck && !node.stats.hung.swap(true, Relaxed) {
                tracing::error!("{}: hangs, at one packet for more than {:.1} s", node.stats.name, hang_after.as_secs_f64());
                hung.lock().unwrap_or_else(PoisonError::into_inner).push(node.stats.name.chars().take(15).collect());
                if node.on_error == OnError::Shutdown {
                    cx.stop.stop();
                }
            }
            let cut = node.stats.role != Role::Source || cx.mode != Mode::Live || cx.stop.stopped();
            if stuck && cut {
                node.inputs.iter().for_each(|e| e.close());
                node.outputs.iter().for_each(|e| e.abandon());
            }
        }
        let hung = hung.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = threads.iter().any(|t| !hung.iter().any(|h| t.thread().name() == Some(h)));
        drop(hung);
        if !waiting {
            return ended;
        }
        std::thread::sleep(WATCH);
    }
}
