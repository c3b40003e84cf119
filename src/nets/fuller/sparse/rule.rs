//! Which input sites each output site of a sparse convolution sees.
//!
//! *In*: active sites and the shape of a convolution. *Out*: the active output sites and a [`Rule`]: per tile of output sites and kernel
//! position the pairs (output row in the tile, input row). *Invariant*: sites are sorted and distinct; a submanifold convolution
//! keeps its sites, any other is active wherever an active input lies in its window.

use super::super::hash::Slots;
use super::super::voxel::{cell, key};
use crate::types::num;
use rayon::prelude::*;

/// Output sites that one task makes; their sums stay in the cache.
pub const TILE: usize = 64;
const NOBODY: u32 = u32::MAX;

/// Kernel, stride and padding along x, y, z.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    pub kernel: [usize; 3],
    pub stride: [usize; 3],
    pub padding: [usize; 3],
}

impl Shape {
    /// 3x3x3 that keeps its sites.
    pub const SAME: Self = Self { kernel: [3; 3], stride: [1; 3], padding: [1; 3] };
    /// 3x3x3 that halves.
    pub const DOWN: Self = Self { kernel: [3; 3], stride: [2; 3], padding: [1; 3] };
    /// The same without padding along z.
    pub const DOWN_FLAT: Self = Self { kernel: [3; 3], stride: [2; 3], padding: [1, 1, 0] };
    /// Three cells along z to one.
    pub const OUT: Self = Self { kernel: [1, 1, 3], stride: [1, 1, 2], padding: [0; 3] };

    /// Positions of the kernel.
    pub fn volume(&self) -> usize {
        self.kernel.iter().product()
    }
}

/// Active sites in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sites {
    keys: Vec<u64>,
    grid: [usize; 3],
}

impl Sites {
    /// From sorted, distinct keys.
    pub const fn new(keys: Vec<u64>, grid: [usize; 3]) -> Self {
        Self { keys, grid }
    }
    /// How many.
    pub const fn len(&self) -> usize {
        self.keys.len()
    }
    /// The sites.
    pub fn keys(&self) -> &[u64] {
        &self.keys
    }
    /// Cells along x, y, z.
    pub const fn grid(&self) -> [usize; 3] {
        self.grid
    }
    fn slots(&self) -> Slots {
        let mut slots = Slots::new(self.keys.len());
        for (number, key) in self.keys.iter().enumerate() {
            slots.insert(*key, num::u32(number));
        }
        slots
    }
}

/// Pairs of one tile.
#[derive(Debug, Clone, Default)]
pub struct Tile {
    /// For each kernel position that has pairs: its number and how many.
    pub counts: Vec<(usize, usize)>,
    /// Output row within the tile and input row, kernel position by kernel position.
    pub pairs: Vec<(u32, u32)>,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Output sites in runs of [`TILE`].
    pub tiles: Vec<Tile>,
    /// Output sites.
    pub outputs: usize,
}

impl Rule {
    /// Of a submanifold convolution.
    pub fn same(sites: &Sites) -> Self {
        let slots = sites.slots();
        let limits = sites.grid.map(num::i32);
        let tiles = sites.keys.par_chunks(TILE).map(|keys| {
            let mut table = vec![[NOBODY; 27]; keys.len()];
            for (row, key) in table.iter_mut().zip(keys) {
                let [b, x, y, z] = cell(*key);
                for (position, target) in row.iter_mut().enumerate() {
                    let [dx, dy, dz] = [position / 9, position / 3 % 3, position % 3].map(|d| num::i32(d) - 1);
                    let at = [x + dx, y + dy, z + dz];
                    if at.iter().zip(&limits).all(|(v, n)| (0..*n).contains(v)) {
                        *target = slots.get(super::super::voxel::key([b, at[0], at[1], at[2]])).unwrap_or(NOBODY);
                    }
                }
            }
            Tile::from_table(&table, 27)
        });
        Self { tiles: tiles.collect(), outputs: sites.len() }
    }

    /// Of an ordinary convolution, with the sites that it makes.
    pub fn strided(sites: &Sites, shape: Shape) -> (Sites, Self) {
        let mut grid = [0; 3];
        let along = sites.grid.iter().zip(shape.kernel).zip(shape.padding.iter().zip(shape.stride));
        for (target, ((size, kernel), (padding, stride))) in grid.iter_mut().zip(along) {
            *target = (size + 2 * padding).checked_sub(kernel).map_or(0, |n| n / stride.max(1) + 1);
        }
        let windows = Windows { shape, grid };
        let mut keys: Vec<u64> = sites.keys.par_iter().flat_map_iter(|k| windows.of(*k).map(|(_, out)| out)).collect();
        keys.par_sort_unstable();
        keys.dedup();
        let made = Sites { keys, grid };
        let slots = made.slots();
        let mut table = vec![[NOBODY; 27]; made.len()];
        for (input, k) in sites.keys.iter().enumerate() {
            for (position, out) in windows.of(*k) {
                let row = slots.get(out).and_then(|n| table.get_mut(num::usize(n)));
                if let Some(target) = row.and_then(|r| r.get_mut(position)) {
                    *target = num::u32(input);
                }
            }
        }
        let tiles = table.par_chunks(TILE).map(|rows| Tile::from_table(rows, shape.volume())).collect();
        let outputs = made.len();
        (made, Self { tiles, outputs })
    }

    /// Pairs in all.
    pub fn pairs(&self) -> u64 {
        self.tiles.iter().map(|t| t.pairs.len() as u64).sum()
    }
}

impl Tile {
    fn from_table(rows: &[[u32; 27]], positions: usize) -> Self {
        let mut tile = Self::default();
        for position in 0..positions {
            let before = tile.pairs.len();
            let inputs = rows.iter().enumerate().filter_map(|(row, r)| r.get(position).map(|input| (num::u32(row), *input)));
            tile.pairs.extend(inputs.filter(|(_, input)| *input != NOBODY));
            let count = tile.pairs.len() - before;
            if count > 0 {
                tile.counts.push((position, count));
            }
        }
        tile
    }
}

/// The windows that an input site lies in.
#[derive(Clone, Copy)]
struct Windows {
    shape: Shape,
    grid: [usize; 3],
}

impl Windows {
    /// Kernel position and output site of each.
    fn of(self, input: u64) -> impl Iterator<Item = (usize, u64)> {
        let [b, x, y, z] = cell(input);
        let along = move |axis: usize, at: i32| {
            let pick = |values: [usize; 3]| values.get(axis).copied().unwrap_or(1);
            let (kernel, stride, padding, size) =
                (pick(self.shape.kernel), pick(self.shape.stride), pick(self.shape.padding), pick(self.grid));
            (0..kernel).filter_map(move |k| {
                let moved = at + num::i32(padding) - num::i32(k);
                let stride = num::i32(stride.max(1));
                let out = moved / stride;
                (moved >= 0 && moved % stride == 0 && out < num::i32(size)).then_some((k, out))
            })
        };
        let [_, ky, kz] = self.shape.kernel;
        along(0, x).flat_map(move |(i, ox)| {
            along(1, y).flat_map(move |(j, oy)| along(2, z).map(move |(k, oz)| ((i * ky + j) * kz + k, key([b, ox, oy, oz]))))
        })
    }
}
