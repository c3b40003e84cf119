//! What is counted of every source, stage and sink while the pipeline runs.
//!
//! *Invariant*: fixed memory; written by the node's own thread without locks (errors excepted), read by anyone.

use super::metrics::Histogram;
use crate::types::{HostTime, num};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Gives frames.
    Source,
    /// Packet to packet.
    Stage,
    /// Takes packets.
    Sink,
}

/// What happens when a stage or sink fails on a packet, or a source cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// Count it; the packet goes on without this stage's result.
    #[default]
    Ignore,
    /// Count it; the bundle goes no further on this way.
    Abort,
    /// Count it, drop the packet, build the node anew (three times, then shut down).
    Restart,
    /// Count it and end the run in good order.
    Shutdown,
}

/// What a node promises; broken promises are named in the report.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Work on a packet, 99th percentile, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_ms: Option<f64>,
    /// Age of the oldest frame when the node is done, 99th percentile, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age_ms: Option<f64>,
    /// Packets a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_hz: Option<f64>,
}

/// The counters of one node.
#[derive(Debug)]
pub struct NodeStats {
    /// Its name in the pipeline.
    pub name: String,
    /// What it is.
    pub role: Role,
    pub(super) handled: AtomicU64,
    pub(super) skipped: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) restarts: AtomicU64,
    pub(super) work: Histogram,
    pub(super) jitter: Histogram,
    pub(super) age: Histogram,
    pub(super) skew: Histogram,
    pub(super) hung: AtomicBool,
    pub(super) done: AtomicBool,
    busy_since: AtomicI64,
    last_done: AtomicI64,
    first_done: AtomicI64,
    last_gap: AtomicU64,
    errors: Mutex<BTreeMap<String, u64>>,
}

const IDLE: i64 = i64::MIN;

impl NodeStats {
    /// Nothing counted yet.
    pub fn new(name: &str, role: Role) -> Self {
        Self {
            name: name.to_owned(),
            role,
            handled: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            restarts: AtomicU64::new(0),
            work: Histogram::default(),
            jitter: Histogram::default(),
            age: Histogram::default(),
            skew: Histogram::default(),
            hung: AtomicBool::new(false),
            done: AtomicBool::new(false),
            busy_since: AtomicI64::new(IDLE),
            last_done: AtomicI64::new(IDLE),
            first_done: AtomicI64::new(IDLE),
            last_gap: AtomicU64::new(0),
            errors: Mutex::new(BTreeMap::new()),
        }
    }
    pub(super) fn begin(&self) -> HostTime {
        let now = HostTime::now();
        self.busy_since.store(now.nanos(), Ordering::Relaxed);
        now
    }
    /// Ends the work begun at `since`; gives its duration.
    pub(super) fn end(&self, since: HostTime) -> Duration {
        let now = HostTime::now();
        self.busy_since.store(IDLE, Ordering::Relaxed);
        let work = now.since(since);
        self.work.record(work);
        self.handled.fetch_add(1, Ordering::Relaxed);
        let last = self.last_done.swap(now.nanos(), Ordering::Relaxed);
        if last == IDLE {
            self.first_done.store(now.nanos(), Ordering::Relaxed);
        } else {
            let gap = num::nanos(now.since(HostTime::from_nanos(last)));
            let before = self.last_gap.swap(gap, Ordering::Relaxed);
            if before > 0 {
                self.jitter.record(Duration::from_nanos(gap.abs_diff(before)));
            }
        }
        work
    }
    /// Marks the thread as waiting for somebody else (a full edge, its own pace), so that this is no hang.
    pub(super) fn pause(&self) {
        self.busy_since.store(IDLE, Ordering::Relaxed);
    }
    pub(super) fn fail(&self, error: &str) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let first = errors.is_empty();
        let key = if errors.len() < 16 || errors.contains_key(error) { error } else { "other errors" };
        *errors.entry(key.to_owned()).or_default() += 1;
        drop(errors);
        if first {
            tracing::warn!("{}: {error}", self.name);
        } else {
            tracing::debug!("{}: {error}", self.name);
        }
    }
    /// What went wrong, and how often.
    pub fn errors(&self) -> BTreeMap<String, u64> {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// How long it has been at one packet.
    pub(super) fn busy_for(&self, now: HostTime) -> Duration {
        match self.busy_since.load(Ordering::Relaxed) {
            IDLE => Duration::ZERO,
            since => now.since(HostTime::from_nanos(since)),
        }
    }
    /// Packets a second between the first and the last one done.
    pub(super) fn rate(&self) -> f64 {
        let (first, last) = (self.first_done.load(Ordering::Relaxed), self.last_done.load(Ordering::Relaxed));
        let span = HostTime::from_nanos(last).since(HostTime::from_nanos(first)).as_secs_f64();
        let n = self.handled.load(Ordering::Relaxed);
        if first == IDLE || span <= 0.0 { 0.0 } else { n.saturating_sub(1) as f64 / span }
    }
}
