//! What a pipeline is made of: three traits, the context they are called with, and what they say of themselves.
//!
//! The runtime gives each implementor a thread of its own, catches its panics and counts its errors; an implementor
//! never spawns, never sleeps for pacing and never drops a packet in silence.

use crate::types::{Calibration, Frame, Modality, OutcomeKind, Packet, Result, SensorId, SensorTime};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Who sets the pace, and what may be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The sensors set the pace; edges drop by their policies, and every drop is counted.
    #[default]
    Live,
    /// The slowest stage sets the pace; nothing is lost, or the run answers no.
    Offline,
    /// As `offline`, with one bundle in flight at a time.
    Lockstep,
}

/// What a source says of one sensor before the first frame.
#[derive(Debug, Clone, PartialEq)]
pub struct SensorInfo {
    /// Name, unique in the pipeline.
    pub id: SensorId,
    /// What it measures.
    pub modality: Modality,
    /// How it sees and where it sits.
    pub calibration: Arc<Calibration>,
}

/// What a source found when asked for its next reading.
#[derive(Debug)]
pub enum Reading {
    /// A frame.
    Frame(Frame),
    /// A frame that could not be used. It is counted for its sensor, with the reason, and the run goes on.
    Rejected {
        /// Whose frame.
        sensor: SensorId,
        /// When it was captured, where that is known: then frames of other sensors at that time need not be lost with it.
        at: Option<SensorTime>,
        /// What was wanted, what was found, where; one line.
        reason: String,
    },
    /// No more frames.
    End,
}

/// A sensor rig, a data set or a recording.
pub trait Source: Send {
    /// The sensors it will give frames of, known once it is built.
    fn sensors(&self) -> Vec<SensorInfo>;
    /// The next reading, frames in the order of their capture across all its sensors. The runtime stamps `arrived`,
    /// and in `live` mode paces a source that is not [`live`](Self::live) by the capture times.
    ///
    /// # Errors
    /// Where the source cannot go on; a single bad frame is a [`Reading::Rejected`].
    fn next(&mut self, cx: &Cx) -> Result<Reading>;
    /// Whether the world sets its pace (a camera, a simulator), so that the runtime must not.
    fn live(&self) -> bool {
        false
    }
    /// How full its buffer pools are, for the report.
    fn pools(&self) -> Vec<(String, crate::types::PoolFill)> {
        Vec::new()
    }
}

/// What a stage says of itself before the first packet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StageInfo {
    /// Sensors it cannot do without: a bundle that lacks one passes it untouched, and that is counted.
    pub requires: Vec<SensorId>,
    /// Results it adds, with the sensor whose picture they lie in, if any.
    pub outcomes: Vec<(OutcomeKind, Option<SensorId>)>,
    /// Its parameters, if it has any.
    pub weights: Option<WeightsInfo>,
}

/// A network's parameters, as its stage tells of them to report, viewer and console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WeightsInfo {
    /// The file or files, or the seed.
    pub origin: Arc<str>,
    /// Digest of all parameters in use.
    pub digest: Arc<str>,
    /// Whether a file brought every parameter. If not, some are random, and whoever shows the results must say so.
    pub trained: bool,
}

impl WeightsInfo {
    /// What must be said beside results of untrained parameters; `None` where there is nothing to say.
    pub fn notice(&self) -> Option<String> {
        (!self.trained).then(|| format!("untrained weights ({}): the results show that it runs, not what it can see", self.origin))
    }
}

/// Packet to packet.
pub trait Stage: Send {
    /// What it needs and gives.
    fn info(&self) -> StageInfo;
    /// Handles one packet: sends none, one or several to `out`. Results are appended with [`Outlet::stage`] as their name.
    ///
    /// # Errors
    /// Where this packet cannot be handled; the runtime counts it and follows the stage's `on_error`.
    fn process(&mut self, packet: Packet, out: &mut Outlet<'_>, cx: &Cx) -> Result<()>;
    /// After the last packet.
    ///
    /// # Errors
    /// Where what was held back cannot be sent.
    fn finish(&mut self, _out: &mut Outlet<'_>, _cx: &Cx) -> Result<()> {
        Ok(())
    }
    /// How full its buffer pools are, for the report.
    fn pools(&self) -> Vec<(String, crate::types::PoolFill)> {
        Vec::new()
    }
}

/// What a sink may want to know of the whole pipeline before the first packet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Layout {
    /// The pipeline's name.
    pub name: String,
    /// Every sensor.
    pub sensors: Vec<SensorInfo>,
    /// Every stage by name, in the order of the data's flow.
    pub stages: Vec<(Arc<str>, StageInfo)>,
}

/// The outside: a viewer, a file, a simulator.
pub trait Sink: Send {
    /// Before the first packet.
    ///
    /// # Errors
    /// Where the outside cannot be reached; the run does not start.
    fn start(&mut self, _layout: &Layout, _cx: &Cx) -> Result<()> {
        Ok(())
    }
    /// Takes one packet.
    ///
    /// # Errors
    /// Where this packet cannot be taken; the runtime counts it and follows the sink's `on_error`.
    fn accept(&mut self, packet: &Packet, cx: &Cx) -> Result<()>;
    /// After the last packet, also on Ctrl-C: flushes and closes.
    ///
    /// # Errors
    /// Where what was taken cannot be kept.
    fn finish(&mut self, _cx: &Cx) -> Result<()> {
        Ok(())
    }
}

/// Where a stage sends its packets.
pub struct Outlet<'a> {
    stage: Arc<str>,
    send: &'a mut dyn FnMut(Packet),
}

impl<'a> Outlet<'a> {
    /// An outlet that hands packets to `send`; the runtime makes them, and tests may.
    pub fn new(stage: Arc<str>, send: &'a mut dyn FnMut(Packet)) -> Self {
        Self { stage, send }
    }
    /// The stage's name in the pipeline, under which its outcomes go.
    pub fn stage(&self) -> Arc<str> {
        Arc::clone(&self.stage)
    }
    /// Sends a packet on; blocks or replaces as the edges' policies say.
    pub fn send(&mut self, packet: Packet) {
        (self.send)(packet);
    }
}

/// One measured number of the running pipeline, for viewers and consoles.
#[derive(Debug, Clone, PartialEq)]
pub struct Gauge {
    /// For example `stages/fuse/latency_ms`, `stages/fuse/age_ms`, `edges/align->fuse/depth`.
    pub name: String,
    /// Now.
    pub value: f64,
}

/// Tells everybody to stop. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Ask for the end.
    pub fn stop(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
    /// Whether somebody asked.
    pub fn stopped(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// The context a source, stage or sink is called with.
#[derive(Clone)]
pub struct Cx {
    /// The run's mode.
    pub mode: Mode,
    /// Asked to stop?
    pub stop: Stop,
    gauges: Arc<dyn Fn() -> Vec<Gauge> + Send + Sync>,
}

impl Cx {
    /// A context; the runtime makes one per run.
    pub fn new(mode: Mode, stop: Stop, gauges: Arc<dyn Fn() -> Vec<Gauge> + Send + Sync>) -> Self {
        Self { mode, stop, gauges }
    }
    /// A context without a pipeline around it, for tests and tools.
    pub fn alone(mode: Mode) -> Self {
        Self::new(mode, Stop::default(), Arc::new(Vec::new))
    }
    /// Latencies, queue depths and ages now.
    pub fn gauges(&self) -> Vec<Gauge> {
        (self.gauges)()
    }
}
