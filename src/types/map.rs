//! Maps seen from above, paths in the plane, and pairs of fragments.

use super::{Error, Result};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Map layers on a grid in the vehicle frame; a cell may be in several layers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BevMap {
    /// Names of the layers, at most 32.
    pub layers: Arc<Vec<String>>,
    /// Low corner x, y of the grid, metres, vehicle frame.
    pub origin: [f64; 2],
    /// Side of a cell, metres.
    pub cell: f64,
    /// Cells along x (forward).
    pub nx: usize,
    /// Cells along y (left).
    pub ny: usize,
    cells: Vec<u32>,
}

impl BevMap {
    /// From cells `[ix * ny + iy]`, bit `i` for layer `i`.
    ///
    /// # Errors
    /// Where there are more than 32 layers, no cells, another number than `nx * ny`, or a side that is not positive.
    pub fn new(layers: Arc<Vec<String>>, origin: [f64; 2], cell: f64, nx: usize, ny: usize, cells: Vec<u32>) -> Result<Self> {
        let sane = layers.len() <= 32 && cell > 0.0 && cell.is_finite() && origin.iter().all(|v| v.is_finite());
        if !sane || cells.is_empty() || nx.checked_mul(ny) != Some(cells.len()) {
            let found = format!("{} layers, {} cells of {cell} m for {nx} x {ny}", layers.len(), cells.len());
            return Err(Error::mismatch("at most 32 layers and nx * ny > 0 cells of positive side", found, "map"));
        }
        Ok(Self { layers, origin, cell, nx, ny, cells })
    }
    /// The cells, `[ix * ny + iy]`, bit `i` for layer `i`.
    pub fn cells(&self) -> &[u32] {
        &self.cells
    }
}

/// A path: where to go, or where somebody will be.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Trajectory {
    /// x, y, z in metres, vehicle frame.
    pub points: Vec<[f64; 3]>,
    /// Seconds from now at each point; empty where the path has no times (a route).
    pub times: Vec<f64>,
}

/// Two torn pieces that fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FragmentMatch {
    /// Name of the piece that stays.
    pub target: String,
    /// Name of the piece that moves.
    pub source: String,
    /// Target pixels from source pixels (column, row): the two upper rows of a rigid 3x3 matrix.
    pub transform: [[f64; 3]; 2],
    /// Confidence in 0..=1.
    pub score: f32,
}
