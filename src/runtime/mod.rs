//! The machinery that moves packets: threads, bounded edges, alignment, health, the report.
//!
//! *In*: boxed [`Source`]s, [`Stage`]s and [`Sink`]s. *Out*: a report that accounts for every frame.
//! *Invariant*: at every edge, offered = delivered + replaced + refused + in flight. Knows no network and no file format.

mod align;
mod awake;
mod edge;
mod health;
mod intake;
mod metrics;
mod pipeline;
mod policy;
mod report;
mod run;
mod threads;
mod traits;

pub use align::{Align, Aligner, Gap, Tally};
pub use edge::{EdgeStats, Inlet, Received, Sender, Sent, edge};
pub use health::{Budget, NodeStats, OnError, Role};
pub use metrics::{Histogram, Quantiles};
pub use pipeline::{ALIGN, Pipeline, Remake, Wiring};
pub use policy::Policy;
pub use report::{BudgetReport, EdgeReport, NodeReport, Report, SensorReport};
pub use traits::{Cx, Gauge, Layout, Mode, Outlet, Reading, SensorInfo, Sink, Source, Stage, StageInfo, Stop, WeightsInfo};
