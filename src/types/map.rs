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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    probabilities: Option<Vec<f32>>,
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
        Ok(Self { layers, origin, cell, nx, ny, cells, probabilities: None })
    }
    /// The cells, `[ix * ny + iy]`, bit `i` for layer `i`.
    pub fn cells(&self) -> &[u32] {
        &self.cells
    }
    /// The same, with the probabilities that the cells were set by: `[layer][ix * ny + iy]`, each in 0..=1.
    ///
    /// # Errors
    /// Where there is another number of them, or one is outside of 0..=1.
    pub fn with_probabilities(mut self, probabilities: Vec<f32>) -> Result<Self> {
        let wanted = self.layers.len() * self.cells.len();
        let outside = probabilities.iter().filter(|p| !(0.0..=1.0).contains(*p)).count();
        if probabilities.len() != wanted || outside > 0 {
            let found = format!("{}, {outside} of them outside", probabilities.len());
            return Err(Error::mismatch(format!("{wanted} probabilities in 0..=1"), found, "map"));
        }
        self.probabilities = Some(probabilities);
        Ok(self)
    }
    /// Probabilities `[layer][ix * ny + iy]`, where whoever made the map knew them.
    pub fn probabilities(&self) -> Option<&[f32]> {
        self.probabilities.as_deref()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_takes_a_probability_for_each_layer_of_each_cell_and_no_other() {
        let map = BevMap::new(Arc::new(vec!["a".into(), "b".into()]), [0.0; 2], 1.0, 1, 2, vec![1, 2]).unwrap();
        assert_eq!(map.probabilities(), None);
        for wrong in [vec![0.5; 3], vec![0.0, 0.5, 1.0, 1.1], vec![0.0, 0.5, 1.0, f32::NAN]] {
            assert!(map.clone().with_probabilities(wrong).is_err());
        }
        assert_eq!(map.with_probabilities(vec![0.0, 0.5, 0.25, 1.0]).unwrap().probabilities().map(<[f32]>::len), Some(4));
    }
}
