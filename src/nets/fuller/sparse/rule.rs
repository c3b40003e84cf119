//! Which input sites each output site of a sparse convolution sees.
//!
//! *In*: active sites and the shape of a convolution. *Out*: the active output sites and a [`Rule`]: per tile of output sites and kernel
//! position the pairs (output row in the tile, input row). *Invariant*: sites are sorted and distinct; a submanifold convolution
//! keeps its sites, any other is active wherever an active input lies in its window.

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
    ///
    /// Sites are sorted, and so are the neighbours of all of them at one offset: a finger that only moves forward finds them.
    pub fn same(sites: &Sites) -> Self {
        let limits = sites.grid.map(num::i32);
        let tiles = sites.keys.par_chunks(TILE).map(|keys| {
            let mut table = vec![[NOBODY; 27]; keys.len()];
            for column in 0..9_usize {
                let [dx, dy] = [column / 3, column % 3].map(|d| num::i32(d) - 1);
                let mut finger = None;
                for (row, own) in table.iter_mut().zip(keys) {
                    let [b, x, y, z] = cell(*own);
                    let [x, y] = [x + dx, y + dy];
                    if !(0..limits[0]).contains(&x) || !(0..limits[1]).contains(&y) {
                        continue;
                    }
                    // Up to three cells lie on top of each other, and next to each other in the list.
                    let (low, middle) = (key([b, x, y, (z - 1).max(0)]), key([b, x, y, z]));
                    let start = finger.unwrap_or_else(|| sites.keys.partition_point(|k| *k < low));
                    let passed = sites.keys.get(start..).unwrap_or_default().iter().take_while(|k| **k < low).count();
                    let at = start + passed;
                    finger = Some(at);
                    let near = sites.keys.iter().enumerate().skip(at).take(3).take_while(|(_, k)| **k <= middle + 1);
                    for (input, found) in near {
                        let position = 3 * column + num::count(found + 1 - middle);
                        row.iter_mut().skip(position).take(1).for_each(|target| *target = num::u32(input));
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
        // Inputs in order give outputs in order, one position of the kernel at a time.
        let windows = Windows { shape, grid };
        let lists: Vec<Vec<(u64, u32)>> =
            (0..shape.volume()).into_par_iter().map(|position| windows.outputs(&sites.keys, position)).collect();
        let mut keys: Vec<u64> = lists.iter().flatten().map(|(out, _)| *out).collect();
        // A stable sort merges runs that are sorted already.
        keys.sort();
        keys.dedup();
        let made = Sites { keys, grid };
        let mut table = vec![[NOBODY; 27]; made.len()];
        for (position, list) in lists.iter().enumerate() {
            let mut rows = table.iter_mut().zip(&made.keys);
            for (out, input) in list {
                if let Some(target) = rows.find(|(_, key)| *key == out).and_then(|(row, _)| row.get_mut(position)) {
                    *target = *input;
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

/// The windows of an ordinary convolution over its input sites.
#[derive(Clone, Copy)]
struct Windows {
    shape: Shape,
    grid: [usize; 3],
}

impl Windows {
    /// At one position of the kernel: the output site of each input that has one, and the input's number; both in order.
    fn outputs(self, keys: &[u64], position: usize) -> Vec<(u64, u32)> {
        let [_, ky, kz] = self.shape.kernel.map(|n| n.max(1));
        let offset = [position / (ky * kz), position / kz % ky, position % kz];
        let mut axes = [[0_i32; 3]; 3];
        let rest = self.shape.stride.iter().zip(self.grid);
        for (axis, ((offset, padding), (stride, size))) in axes.iter_mut().zip(offset.iter().zip(self.shape.padding).zip(rest)) {
            *axis = [num::i32(padding) - num::i32(*offset), num::i32((*stride).max(1)), num::i32(size)];
        }
        let along = |at: i32, [shift, stride, size]: [i32; 3]| {
            let moved = at + shift;
            (moved >= 0 && moved % stride == 0 && moved / stride < size).then_some(moved / stride)
        };
        let [ax, ay, az] = axes;
        let output = |(input, k): (usize, &u64)| {
            let [b, x, y, z] = cell(*k);
            Some((key([b, along(x, ax)?, along(y, ay)?, along(z, az)?]), num::u32(input)))
        };
        keys.iter().enumerate().filter_map(output).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Every pair (output site, kernel position, input site), as the definition says it: out * stride - padding + position = in.
    fn by_definition(sites: &Sites, outputs: &[u64], shape: Shape) -> BTreeSet<(u64, usize, u64)> {
        let known: BTreeSet<u64> = sites.keys.iter().copied().collect();
        let [kx, ky, kz] = shape.kernel;
        let mut pairs = BTreeSet::new();
        for out in outputs {
            let [b, x, y, z] = cell(*out);
            for position in 0..kx * ky * kz {
                let offset = [position / (ky * kz), position / kz % ky, position % kz];
                let mut at = [x, y, z];
                for (axis, value) in at.iter_mut().enumerate() {
                    *value = *value * num::i32(shape.stride[axis]) - num::i32(shape.padding[axis]) + num::i32(offset[axis]);
                }
                let inside = at.iter().zip(sites.grid).all(|(v, n)| (0..num::i32(n)).contains(v));
                let input = key([b, at[0], at[1], at[2]]);
                if inside && known.contains(&input) {
                    pairs.insert((*out, position, input));
                }
            }
        }
        pairs
    }

    fn told(rule: &Rule, sites: &Sites, outputs: &[u64]) -> BTreeSet<(u64, usize, u64)> {
        let mut pairs = BTreeSet::new();
        for (tile, keys) in rule.tiles.iter().zip(outputs.chunks(TILE)) {
            let mut rest = tile.pairs.as_slice();
            for (position, count) in &tile.counts {
                let (now, after) = rest.split_at(*count);
                rest = after;
                pairs.extend(now.iter().map(|(out, input)| (keys[num::usize(*out)], *position, sites.keys[num::usize(*input)])));
            }
            assert!(rest.is_empty());
        }
        pairs
    }

    #[test]
    fn pairs_are_those_of_the_definition_on_any_grid() {
        let mut state = 3_u64;
        let mut draw = |below: i32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            i32::try_from((state >> 33) % u64::from(below.unsigned_abs())).unwrap()
        };
        for round in 0..120 {
            let grid = [1 + draw(8), 1 + draw(8), 1 + draw(12)];
            let count = draw(160);
            let keys: BTreeSet<u64> = (0..count).map(|_| key([draw(2), draw(grid[0]), draw(grid[1]), draw(grid[2])])).collect();
            let sites = Sites::new(keys.into_iter().collect(), grid.map(|n| usize::try_from(n).unwrap()));
            assert_eq!(told(&Rule::same(&sites), &sites, &sites.keys), by_definition(&sites, &sites.keys, Shape::SAME), "{round}");
            for shape in [Shape::DOWN, Shape::DOWN_FLAT, Shape::OUT] {
                let (made, rule) = Rule::strided(&sites, shape);
                let [nx, ny, nz] = made.grid.map(num::i32);
                let all =
                    (0..2).flat_map(|b| (0..nx).flat_map(move |x| (0..ny).flat_map(move |y| (0..nz).map(move |z| key([b, x, y, z])))));
                let wanted = by_definition(&sites, &all.collect::<Vec<u64>>(), shape);
                let active: BTreeSet<u64> = wanted.iter().map(|(out, ..)| *out).collect();
                assert_eq!(made.keys, active.into_iter().collect::<Vec<u64>>(), "{round} {shape:?}");
                assert_eq!((told(&rule, &sites, &made.keys), rule.outputs), (wanted, made.len()), "{round} {shape:?}");
            }
        }
    }
}
