//! The Swin Transformer: attention within windows, every second block with windows moved by half a window.
//!
//! *In*: an image `[batch, 3, H, W]` of any size. *Out*: the normalised maps of the last three stages, strides 8, 16, 32 (rounded up).
//! *Invariant*: maps are zero-padded to whole windows **before** attention and padded tokens are not masked, as in the published
//! mmdetection backbone: they act as keys and values that equal the bias of the projection.
//! Liu et al., "Swin Transformer", ICCV 2021. Patch merging orders the channels c * 4 + (dy * 2 + dx).

use super::{Activation, Conv, ConvShape, Heads, LayerNorm, Linear, Mlp, to_image, to_tokens};
use crate::nets::loader::{Init, Loader};
use burn::tensor::{Tensor, TensorData};

const EPSILON: f64 = 1e-5;
/// What a pair of tokens from different regions of a moved window gets added to its score.
const APART: f32 = -100.0;

/// Sizes of an encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SwinConfig {
    /// Channels of the first stage; each later one has twice as many.
    pub embedding: usize,
    /// Blocks of the four stages.
    pub depths: [usize; 4],
    /// Heads of attention of the four stages.
    pub heads: [usize; 4],
    /// Side of a window.
    pub window: usize,
}

impl SwinConfig {
    /// Swin-T.
    pub const TINY: Self = Self { embedding: 96, depths: [2, 2, 6, 2], heads: [3, 6, 12, 24], window: 7 };

    /// Channels of the four stages.
    pub const fn channels(&self) -> [usize; 4] {
        [self.embedding, 2 * self.embedding, 4 * self.embedding, 8 * self.embedding]
    }
}

/// The encoder.
#[derive(Debug)]
pub struct Swin {
    embed: Conv,
    embed_norm: LayerNorm,
    stages: Vec<Stage>,
}

#[derive(Debug)]
struct Stage {
    blocks: Vec<Block>,
    /// On the stage's output only.
    norm: Option<LayerNorm>,
    merge: Option<(LayerNorm, Linear)>,
}

impl Swin {
    /// Reads the encoder under `prefix` (give the dot), named as mmdetection names it.
    pub fn load(loader: &mut Loader, prefix: &str, config: &SwinConfig) -> Self {
        let embed = Conv::load(
            loader,
            &format!("{prefix}patch_embed.projection"),
            ConvShape::same(3, config.embedding, 4).stride(4).padding(0),
            true,
        );
        let embed_norm = LayerNorm::load(loader, &format!("{prefix}patch_embed.norm"), config.embedding, EPSILON);
        let sizes = config.channels().into_iter().zip(config.depths).zip(config.heads);
        let stages = sizes
            .enumerate()
            .map(|(index, ((channels, depth), heads))| {
                let name = format!("{prefix}stages.{index}");
                let blocks = (0..depth)
                    .map(|b| Block::load(loader, &format!("{name}.blocks.{b}"), channels, heads, config.window, b % 2 == 1))
                    .collect();
                let norm = (index > 0).then(|| LayerNorm::load(loader, &format!("{prefix}norm{index}"), channels, EPSILON));
                let merge = (index < 3).then(|| {
                    let norm = LayerNorm::load(loader, &format!("{name}.downsample.norm"), 4 * channels, EPSILON);
                    (norm, Linear::load(loader, &format!("{name}.downsample.reduction"), 4 * channels, 2 * channels, false))
                });
                Stage { blocks, norm, merge }
            })
            .collect();
        Self { embed, embed_norm, stages }
    }

    /// The maps of stages 1, 2 and 3 after their norms.
    pub fn forward(&self, image: Tensor<4>) -> Vec<Tensor<4>> {
        let [_, _, height, width] = image.dims();
        let image = pad_end(pad_end(image, 2, height.next_multiple_of(4)), 3, width.next_multiple_of(4));
        let image = self.embed.forward(image);
        let [_, _, height, width] = image.dims();
        let mut size = [height, width];
        let mut tokens = self.embed_norm.forward(to_tokens(image));
        let mut outputs = Vec::with_capacity(3);
        for stage in &self.stages {
            let grid = Grid::new(size, stage.blocks.first().map_or(7, |b| b.window), &tokens);
            for block in &stage.blocks {
                tokens = block.forward(tokens, &grid);
            }
            if let Some(norm) = &stage.norm {
                outputs.push(to_image(norm.forward(tokens.clone()), size));
            }
            if let Some((norm, reduce)) = &stage.merge {
                let (merged, next) = merge(tokens, size);
                tokens = reduce.forward(norm.forward(merged));
                size = next;
            }
        }
        outputs
    }
}

/// Zeros at the end of axis `dim`, up to `wanted`.
fn pad_end<const D: usize>(x: Tensor<D>, dim: usize, wanted: usize) -> Tensor<D> {
    let mut shape = x.dims();
    let Some(size) = shape.get_mut(dim) else { return x };
    if *size >= wanted {
        return x;
    }
    *size = wanted - *size;
    let zeros = Tensor::zeros(shape, &x.device());
    Tensor::cat(vec![x, zeros], dim)
}

/// Four neighbours become one token: `[B, tokens, C]` to `[B, tokens / 4, 4 C]`.
fn merge(tokens: Tensor<3>, [height, width]: [usize; 2]) -> (Tensor<3>, [usize; 2]) {
    let [batch, _, channels] = tokens.dims();
    let even = [height.next_multiple_of(2), width.next_multiple_of(2)];
    let map = tokens.reshape([batch, height, width, channels]);
    let map = pad_end(pad_end(map, 1, even[0]), 2, even[1]);
    let next = even.map(|n| n / 2);
    let split = map.reshape([batch, next[0], 2, next[1], 2, channels]).permute([0, 1, 3, 5, 2, 4]);
    (split.reshape([batch, next[0] * next[1], 4 * channels]), next)
}

/// Windows over a map of one size, and which pairs of a moved window are apart.
#[derive(Debug)]
struct Grid {
    size: [usize; 2],
    padded: [usize; 2],
    window: usize,
    /// `[windows, 1, window^2, window^2]`.
    mask: Tensor<4>,
}

impl Grid {
    fn new(size: [usize; 2], window: usize, like: &Tensor<3>) -> Self {
        let padded = size.map(|n| n.next_multiple_of(window));
        // Along an axis: the last window is cut in two by the move, everything before is one region.
        let region = |at: usize, length: usize| usize::from(at + window >= length) + usize::from(at + window / 2 >= length);
        let mut mask = Vec::with_capacity(padded[0] * padded[1] * window * window);
        for top in (0..padded[0]).step_by(window) {
            for left in (0..padded[1]).step_by(window) {
                let cells = (0..window * window).map(|i| (top + i / window, left + i % window));
                let labels: Vec<[usize; 2]> = cells.map(|(y, x)| [region(y, padded[0]), region(x, padded[1])]).collect();
                for a in &labels {
                    mask.extend(labels.iter().map(|b| if a == b { 0.0 } else { APART }));
                }
            }
        }
        let windows = (padded[0] * padded[1]).checked_div(window * window).unwrap_or(0);
        let mask = TensorData::new(mask, [windows, 1, window * window, window * window]);
        Self { size, padded, window, mask: Tensor::from_data(mask, &like.device()) }
    }

    fn windows(&self) -> [usize; 2] {
        self.padded.map(|n| n.checked_div(self.window).unwrap_or(0))
    }

    /// `[B, H W, C]` to `[B windows, window^2, C]`.
    fn cut(&self, tokens: Tensor<3>, shift: usize) -> Tensor<3> {
        let [batch, _, channels] = tokens.dims();
        let map = tokens.reshape([batch, self.size[0], self.size[1], channels]);
        let map = pad_end(pad_end(map, 1, self.padded[0]), 2, self.padded[1]);
        let map = roll(roll(map, 1, shift), 2, shift);
        let [rows, columns] = self.windows();
        let cut = map.reshape([batch, rows, self.window, columns, self.window, channels]).permute([0, 1, 3, 2, 4, 5]);
        cut.reshape([batch * rows * columns, self.window * self.window, channels])
    }

    /// The way back.
    fn join(&self, windows: Tensor<3>, batch: usize, shift: usize) -> Tensor<3> {
        let [_, _, channels] = windows.dims();
        let [rows, columns] = self.windows();
        let map = windows.reshape([batch, rows, columns, self.window, self.window, channels]).permute([0, 1, 3, 2, 4, 5]);
        let map = map.reshape([batch, self.padded[0], self.padded[1], channels]);
        let map = roll(roll(map, 1, self.padded[0] - shift), 2, self.padded[1] - shift);
        let map = map.narrow(1, 0, self.size[0]).narrow(2, 0, self.size[1]);
        map.reshape([batch, self.size[0] * self.size[1], channels])
    }
}

/// Moves everything by `by` towards the start of axis `dim`; what falls off comes in at the end.
fn roll(x: Tensor<4>, dim: usize, by: usize) -> Tensor<4> {
    let length = x.dims().get(dim).copied().unwrap_or(0);
    let by = by.checked_rem(length).unwrap_or(0);
    if by == 0 {
        return x;
    }
    Tensor::cat(vec![x.clone().narrow(dim, by, length - by), x.narrow(dim, 0, by)], dim)
}

#[derive(Debug)]
struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    /// `[1, heads, window^2, window^2]`.
    bias: Tensor<4>,
    project: Linear,
    norm2: LayerNorm,
    mlp: Mlp,
    heads: Heads,
    window: usize,
    shifted: bool,
}

impl Block {
    fn load(loader: &mut Loader, name: &str, channels: usize, heads: usize, window: usize, shifted: bool) -> Self {
        let msa = format!("{name}.attn.w_msa");
        // A constant that checkpoints carry along.
        loader.tolerate(&format!("{msa}.relative_position_index"));
        let side = 2 * window - 1;
        let table = loader.host(&format!("{msa}.relative_position_bias_table"), &[side * side, heads], Init::Normal(0.02));
        let area = window * window;
        let row = |i: usize, j: usize| (i / window + window - 1 - j / window) * side + (i % window + window - 1 - j % window);
        let mut bias = Vec::with_capacity(heads * area * area);
        for head in 0..heads {
            let pairs = (0..area).flat_map(|i| (0..area).map(move |j| (i, j)));
            bias.extend(pairs.map(|(i, j)| table.get(row(i, j) * heads + head).copied().unwrap_or_default()));
        }
        Self {
            norm1: LayerNorm::load(loader, &format!("{name}.norm1"), channels, EPSILON),
            qkv: Linear::load(loader, &format!("{msa}.qkv"), channels, 3 * channels, true),
            bias: loader.upload(bias, [1, heads, area, area]),
            project: Linear::load(loader, &format!("{msa}.proj"), channels, channels, true),
            norm2: LayerNorm::load(loader, &format!("{name}.norm2"), channels, EPSILON),
            mlp: Mlp::load(
                loader,
                [&format!("{name}.ffn.layers.0.0"), &format!("{name}.ffn.layers.1")],
                [channels, 4 * channels, channels],
                Activation::Gelu,
            ),
            heads: Heads::new(heads),
            window,
            shifted,
        }
    }

    fn forward(&self, x: Tensor<3>, grid: &Grid) -> Tensor<3> {
        let [batch, _, _] = x.dims();
        let shift = if self.shifted { self.window / 2 } else { 0 };
        let windows = grid.cut(self.norm1.forward(x.clone()), shift);
        let x = x + grid.join(self.attend(windows, batch, grid), batch, shift);
        x.clone() + self.mlp.forward(self.norm2.forward(x))
    }

    fn attend(&self, windows: Tensor<3>, batch: usize, grid: &Grid) -> Tensor<3> {
        let [count, _, channels] = windows.dims();
        let qkv = self.qkv.forward(windows);
        let [query, key, value] = [0, 1, 2].map(|index| qkv.clone().narrow(2, index * channels, channels));
        if !self.shifted {
            return self.project.forward(self.heads.mix(query, key, value, Some(self.bias.clone())));
        }
        // Every image has the same windows: one bias serves all of them, image by image.
        let (bias, each) = (self.bias.clone() + grid.mask.clone(), count.checked_div(batch).unwrap_or(count));
        let image = |x: &Tensor<3>, index: usize| x.clone().narrow(0, index * each, each);
        let mix = |index: usize| self.heads.mix(image(&query, index), image(&key, index), image(&value, index), Some(bias.clone()));
        self.project.forward(Tensor::cat((0..batch).map(mix).collect(), 0))
    }
}
