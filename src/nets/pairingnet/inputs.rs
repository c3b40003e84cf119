//! What a bare pass reads beside weights: one or two sides of fragments, and a few numbers.
//!
//! *In*: named tensors. *Out*: [`Side`] and [`Options`]. *Invariant*: a side's three tensors agree in fragments and rows.

use super::PairingNetConfig;
use super::matching::Patches;
use crate::nets::Inputs;
use crate::types::{Error, Result};
use burn::tensor::Tensor;

/// What a bare pass may be told beside the tensors.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) padded: Option<usize>,
    pub(super) radius: Option<usize>,
    pub(super) length: Option<usize>,
    pub(super) temperature: Option<f64>,
    pub(super) pairs: Option<Vec<[usize; 2]>>,
}

impl Options {
    pub(super) fn read(inputs: &Inputs<'_>) -> Result<Self> {
        let whole = |name: &str| inputs.count(name);
        let temperature = inputs.number("matching_temperature")?;
        if let Some(bad) = temperature.filter(|t| *t <= 0.0) {
            return Err(Error::mismatch("a temperature above zero", bad.to_string(), "input `matching_temperature`"));
        }
        let pairs = match inputs.counts("gt_pairs")? {
            Some(values) => {
                let (pairs, []) = values.as_chunks::<2>() else {
                    return Err(Error::mismatch("two numbers a pair", values.len().to_string(), "input `gt_pairs`"));
                };
                Some(pairs.to_vec())
            }
            None => {
                let run = [whole("gt_pairs.source_start")?, whole("gt_pairs.target_start")?, whole("gt_pairs.count")?];
                match run {
                    [Some(source), Some(target), Some(count)] => Some(
                        (0..count.min(target.saturating_add(1)))
                            .filter_map(|k| Some([source.checked_add(k)?, target.checked_sub(k)?]))
                            .collect(),
                    ),
                    _ => None,
                }
            }
        };
        let [padded, radius, length] = ["padded_points", "ring_neighbours_each_side", "transformer_length"].map(whole);
        let radius = radius?;
        if let Some(bad) = radius.filter(|r| *r > PairingNetConfig::WIDEST) {
            let wanted = format!("at most {}", PairingNetConfig::WIDEST);
            return Err(Error::mismatch(wanted, bad.to_string(), "input `ring_neighbours_each_side`"));
        }
        Ok(Self { padded: padded?, radius, length: length?, temperature, pairs })
    }

    /// Rows that the searching network reads: a multiple of its window, at most what there is.
    pub(super) fn length(&self, config: &PairingNetConfig, rows: usize) -> Result<usize> {
        if rows < config.window {
            let wanted =
                format!("at least {} rows; a shorter contour is padded with the point (0, 0), see `models show pairingnet`", config.window);
            return Err(Error::mismatch(wanted, rows.to_string(), "input `pcd`"));
        }
        let wanted = self.length.unwrap_or_else(|| config.length.min(rows - rows % config.window));
        if wanted == 0 || !wanted.is_multiple_of(config.window) || wanted > rows {
            let rule = format!("a multiple of {}, at most the {rows} rows of `pcd`", config.window);
            return Err(Error::mismatch(rule, wanted.to_string(), "input `transformer_length`"));
        }
        Ok(wanted)
    }
}

/// One side's inputs, a fragment for each item of the batch.
#[derive(Debug)]
pub(super) struct Side {
    contour: Tensor<3>,
    line: Tensor<4>,
    colour: Tensor<5>,
    counts: Vec<usize>,
}

impl Side {
    pub(super) fn read(inputs: &Inputs<'_>, side: &str) -> Result<Self> {
        let contour = inputs.tensor::<3>(&format!("{side}.pcd"))?;
        let line = inputs.tensor::<4>(&format!("{side}.c_input"))?;
        let colour = inputs.tensor::<5>(&format!("{side}.t_input"))?;
        let [batch, rows, _] = contour.dims();
        let found = [line.dims()[0], line.dims()[1], colour.dims()[0], colour.dims()[1]];
        if found != [batch, rows, batch, rows] {
            let wanted = format!("{batch} x {rows} patches as `{side}.pcd`");
            return Err(Error::mismatch(
                wanted,
                format!("{:?} and {:?}", line.dims(), colour.dims()),
                format!("`{side}.c_input`, `{side}.t_input`"),
            ));
        }
        let name = format!("{side}_points");
        let counts = match inputs.counts(&name)? {
            None => vec![rows; batch],
            Some(counts) => match *counts.as_slice() {
                [one] => vec![one; batch],
                _ if counts.len() == batch => counts,
                _ => return Err(Error::mismatch(format!("1 or {batch} counts"), counts.len().to_string(), format!("input `{name}`"))),
            },
        };
        Ok(Self { contour, line, colour, counts })
    }

    pub(super) fn batch(&self) -> usize {
        self.counts.len()
    }

    pub(super) fn points(&self, item: usize) -> usize {
        self.counts.get(item).copied().unwrap_or(0)
    }

    pub(super) fn item(&self, item: usize) -> Patches {
        let [_, rows, height, width] = self.line.dims();
        let line = self.line.clone().narrow(0, item, 1).reshape([rows, 1, height, width]);
        Patches {
            contour: self.contour.clone().narrow(0, item, 1).squeeze_dim(0),
            line,
            colour: self.colour.clone().narrow(0, item, 1).squeeze_dim(0),
        }
    }
}
