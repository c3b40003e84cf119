//! Sensorium: multi-modal perception in one process.
//!
//! ```text
//! sources --Frame--> [edge] --> align --Packet--> [edge] --> stages --Packet--> [edge] --> sinks
//! ```
//!
//! Sources read sensors and data sets, the aligner makes bundles of frames that belong to one instant, stages add
//! outcomes, sinks show and keep them. Every edge is bounded and has a named policy; every frame is accounted for.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::cast_possible_truncation,
        clippy::print_stdout,
        clippy::print_stderr
    )
)]

pub mod types;

pub mod carla;
pub mod drive;
pub mod eval;
pub mod formats;
pub mod heads;
pub mod nets;
pub mod runtime;
pub mod world;

pub mod sinks;
pub mod sources;
pub mod stages;

pub mod cli;
pub mod config;
