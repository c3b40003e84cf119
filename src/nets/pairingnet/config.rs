//! Sizes of PairingNet's two networks, and what a configuration may change of them.
//!
//! *In*: a preset and a table of changes. *Out*: [`PairingNetConfig`]. *Invariant*: heads divide the channels, windows divide the length.

use crate::types::{Error, Result};
use serde::Deserialize;

/// Sizes of both networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairingNetConfig {
    /// Width of a point's features.
    pub channels: usize,
    /// Graph layers of each branch.
    pub graph_layers: usize,
    /// Neighbours on the contour, each side.
    pub radius: usize,
    /// Blocks of each transformer.
    pub transformer_layers: usize,
    /// Heads of attention.
    pub heads: usize,
    /// Of these, how many look at windows.
    pub local_heads: usize,
    /// Rows of a window.
    pub window: usize,
    /// Rows that the searching network reads.
    pub length: usize,
    /// Width of a fragment's vector.
    pub embedding: usize,
}

impl PairingNetConfig {
    /// More neighbours, channels or layers than any network has.
    pub(super) const WIDEST: usize = 4096;
    /// The published sizes.
    pub const BASE: Self = Self {
        channels: 64,
        graph_layers: 14,
        radius: 8,
        transformer_layers: 5,
        heads: 8,
        local_heads: 4,
        window: 128,
        length: 1408,
        embedding: 128,
    };
    /// For live use on a CPU: half as wide, less than half as deep.
    pub const TINY: Self = Self { channels: 32, graph_layers: 6, transformer_layers: 2, embedding: 64, ..Self::BASE };

    /// The same with some sizes changed.
    ///
    /// # Errors
    /// The sizes make no network.
    pub(super) fn changed(mut self, changes: &Changes) -> Result<Self> {
        let pairs = [
            (&mut self.channels, changes.channels),
            (&mut self.graph_layers, changes.graph_layers),
            (&mut self.radius, changes.ring_neighbours_each_side),
            (&mut self.transformer_layers, changes.transformer_layers),
            (&mut self.heads, changes.heads),
            (&mut self.local_heads, changes.local_heads),
            (&mut self.window, changes.window),
            (&mut self.length, changes.transformer_length),
            (&mut self.embedding, changes.embedding),
        ];
        for (size, change) in pairs {
            *size = change.unwrap_or(*size);
        }
        let divides = |part: usize, whole: usize| part > 0 && whole > 0 && whole.is_multiple_of(part);
        let sane = divides(self.heads, self.channels) && divides(2, self.channels) && divides(self.window, self.length);
        let sane = sane && (1..self.heads).contains(&self.local_heads) && self.embedding > 0;
        let bounded =
            [self.channels, self.graph_layers, self.radius, self.transformer_layers, self.embedding].iter().all(|v| *v <= Self::WIDEST);
        if sane && bounded && self.length <= 1 << 20 {
            return Ok(self);
        }
        let wanted = "even channels that heads divide, a length that the window divides, 1 to heads - 1 local heads, nothing above 4096";
        Err(Error::mismatch(wanted, format!("{self:?}"), "configuration of pairingnet"))
    }
}

/// Keys of `--config`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Changes {
    channels: Option<usize>,
    graph_layers: Option<usize>,
    ring_neighbours_each_side: Option<usize>,
    transformer_layers: Option<usize>,
    heads: Option<usize>,
    local_heads: Option<usize>,
    window: Option<usize>,
    transformer_length: Option<usize>,
    embedding: Option<usize>,
}
