//! TOML to a validated plan to a pipeline.
//!
//! *In*: files, includes, `--set`. *Out*: a [`crate::runtime::Pipeline`], or every problem at once, each with file, line,
//! key path and the nearest valid name. *Invariant*: nothing runs on a configuration with a fault.

mod document;
mod evaluate;
pub mod fields;
mod plan;
mod registry;

pub use document::{Document, Origin};
pub use evaluate::Evaluate;
pub use plan::{Plan, Problem, Top};
pub use registry::{Fault, Kind, Registry, Site};
