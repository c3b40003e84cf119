//! The machinery that moves packets: threads, bounded edges, alignment, health, the report.
//!
//! *In*: boxed [`Source`]s, [`Stage`]s and [`Sink`]s. *Out*: a report that accounts for every frame.
//! *Invariant*: at every edge, offered = delivered + replaced + refused + in flight. Knows no network and no file format.

mod traits;

pub use traits::{Cx, Gauge, Layout, Mode, Outlet, Reading, SensorInfo, Sink, Source, Stage, StageInfo, Stop};
