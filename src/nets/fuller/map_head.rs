//! The map head: the ground's features on the map's grid, then three convolutions to a probability per layer.
//!
//! *In*: `[samples, C, X, Y]`. *Out*: `[samples, 6, map X, map Y]`, logits. *Invariant*: bilinear sampling at the map's cell centres, half-pixel
//! centres, zeros outside; done as two passes along one axis each, since the grid is a product of two axes.

use super::FullerConfig;
use super::config::steps;
use crate::nets::Taps;
use crate::nets::blocks::{Activation, Conv, ConvNorm, ConvShape};
use crate::nets::loader::Loader;
use crate::types::num;
use burn::tensor::{Int, Tensor, TensorData};

/// Names of the map's layers, in the order of its channels.
pub const MAP_CLASSES: [&str; 6] = ["drivable_area", "ped_crossing", "walkway", "stop_line", "carpark_area", "divider"];

/// The head.
#[derive(Debug)]
pub(super) struct MapHead {
    axes: [Sampling; 2],
    blocks: [ConvNorm; 2],
    last: Conv,
}

/// For each output cell of one axis: two input cells and their weights.
#[derive(Debug)]
struct Sampling {
    cells: [Vec<i32>; 2],
    weights: [Vec<f32>; 2],
}

impl Sampling {
    /// `grid` is low, high of the input's `count` cells; `map` low, high, step of the output.
    fn new([low, high]: [f64; 2], count: usize, map: [f64; 3]) -> Self {
        let mut out = Self { cells: [Vec::new(), Vec::new()], weights: [Vec::new(), Vec::new()] };
        for index in 0..steps(map) {
            let centre = map[0] + map[2] * (index as f64 + 0.5);
            let at = (centre - low) / (high - low) * count as f64 - 0.5;
            let floor = at.floor();
            let sides = [(floor, 1.0 - (at - floor)), (floor + 1.0, at - floor)];
            for ((cells, weights), (cell, weight)) in out.cells.iter_mut().zip(&mut out.weights).zip(sides) {
                let inside = num::cell(cell, count);
                cells.push(num::i32(inside.unwrap_or(0)));
                weights.push(if inside.is_some() { num::f32(weight) } else { 0.0 });
            }
        }
        out
    }

    fn apply(&self, x: &Tensor<4>, dim: usize) -> Option<Tensor<4>> {
        let count = self.cells[0].len();
        let mut shape = [1; 4];
        shape.iter_mut().skip(dim).take(1).for_each(|s| *s = count);
        let side = |cells: &Vec<i32>, weights: &Vec<f32>| {
            let cells = Tensor::<1, Int>::from_data(TensorData::new(cells.clone(), [count]), &x.device());
            let weights = Tensor::<4>::from_data(TensorData::new(weights.clone(), shape), &x.device());
            x.clone().select(dim, cells) * weights
        };
        self.cells.iter().zip(&self.weights).map(|(c, w)| side(c, w)).reduce(|a, b| a + b)
    }
}

impl MapHead {
    /// Reads `heads.map.classifier`.
    pub(super) fn load(loader: &mut Loader, config: &FullerConfig) -> Self {
        let e = &config.extents;
        let [nx, ny] = config.bev();
        let low_high = |[low, high, _]: [f64; 3]| [low, high];
        let axes = [Sampling::new(low_high(e.camera_bev_x), nx, e.map_x), Sampling::new(low_high(e.camera_bev_y), ny, e.map_y)];
        let mut block = |at: usize, inputs: usize| {
            let name = |n: usize| format!("heads.map.classifier.{n}");
            let shape = ConvShape::same(inputs, config.map_hidden, 3);
            ConvNorm::load(loader, &name(at), &name(at + 1), shape, false, Activation::Relu)
        };
        let blocks = [block(0, config.head_channels()), block(3, config.map_hidden)];
        let shape = ConvShape::same(config.map_hidden, MAP_CLASSES.len(), 1);
        Self { axes, blocks, last: Conv::load(loader, "heads.map.classifier.6", shape, true) }
    }

    /// The features on the map's grid.
    pub(super) fn grid(&self, x: Tensor<4>) -> Tensor<4> {
        let [along_x, along_y] = &self.axes;
        let x = along_x.apply(&x, 2).unwrap_or(x);
        along_y.apply(&x, 3).unwrap_or(x)
    }

    /// Logits.
    pub(super) fn forward(&self, x: Tensor<4>, taps: &mut Taps, tap: &str) -> Tensor<4> {
        let grid = self.grid(x);
        taps.tap(tap, || grid.clone());
        self.last.forward(self.blocks.iter().fold(grid, |x, block| block.forward(x)))
    }
}
