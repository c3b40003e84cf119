//! A sink that counts and forgets: for measurements of everything before it.
//!
//! *In*: packets. *Out*: two counts. *Invariant*: touches no payload.

use crate::runtime::{Cx, Sink};
use crate::types::{Packet, Result};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A sink that only counts; nothing to choose.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NullConfig {}

impl NullConfig {
    /// The sink.
    ///
    /// # Errors
    /// Never.
    pub fn build(self) -> Result<NullSink> {
        Ok(NullSink::default())
    }
}

/// Counts packets and outcomes; a clone shares the counts.
#[derive(Debug, Clone, Default)]
pub struct NullSink {
    packets: Arc<AtomicU64>,
    outcomes: Arc<AtomicU64>,
}

impl NullSink {
    /// Packets taken so far.
    pub fn packets(&self) -> u64 {
        self.packets.load(Ordering::Relaxed)
    }
    /// Outcomes in them.
    pub fn outcomes(&self) -> u64 {
        self.outcomes.load(Ordering::Relaxed)
    }
}

impl Sink for NullSink {
    fn accept(&mut self, packet: &Packet, _cx: &Cx) -> Result<()> {
        self.packets.fetch_add(1, Ordering::Relaxed);
        self.outcomes.fetch_add(u64::try_from(packet.outcomes.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        Ok(())
    }
}
