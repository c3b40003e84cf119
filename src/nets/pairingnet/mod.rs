//! PairingNet: which torn pieces belong together, and where their borders meet.
//!
//! *In*: for one or two fragments the ordered contour and the patches around its points (see [`Patches`]). *Out*: a vector per contour point
//! (matching), a vector per fragment (searching), and for two fragments the similarity of every pair of points. *Invariant*: float32
//! results agree with the published networks within the parity test's tolerances; points of padding are never computed twice.
//! Zhou et al., "PairingNet: A Learning-based Pair-searching and -matching Network for Image Fragments", ECCV 2024, arXiv 2312.08704.

mod cards;
mod config;
mod contrast;
mod gate;
mod graph;
mod inputs;
mod matching;
mod searching;
mod similarity;
mod transformer;

pub use cards::{CARD_BASE, CARD_TINY};
pub use config::PairingNetConfig;
pub use contrast::{InfoNce, info_nce, normalised};
pub use matching::{Extent, Patches, Points};
pub use similarity::{FocalLoss, focal_loss, logits, similarity};

use super::loader::{Loader, Report};
use super::{Card, Inputs, Model, Named, Origin, Taps};
use crate::types::{Error, Result, num};
use burn::tensor::{Device, Tensor, TensorData};
use inputs::{Options, Side};
use matching::MatchingNet;
use searching::SearchingNet;
use toml::Table;

/// The name on the command line.
pub const NAME: &str = "pairingnet";

/// Both networks.
#[derive(Debug)]
pub struct PairingNet {
    card: &'static Card,
    config: PairingNetConfig,
    matching: MatchingNet,
    searching: SearchingNet,
}

impl PairingNet {
    /// Builds a preset (`base`, `tiny`).
    ///
    /// # Errors
    /// The preset is unknown or the weights do not fit.
    pub fn load(preset: &str, origin: Origin, device: &Device) -> Result<(Self, Report)> {
        Self::load_with(preset, origin, &Table::new(), device)
    }

    /// Builds a preset with the sizes that a table changes; its keys are those of the card.
    ///
    /// # Errors
    /// As [`PairingNet::load`], or a key is unknown or a size makes no network.
    pub fn load_with(preset: &str, origin: Origin, changes: &Table, device: &Device) -> Result<(Self, Report)> {
        let card = super::card::find(NAME, preset)?;
        let config = if card.preset == CARD_TINY.preset { PairingNetConfig::TINY } else { PairingNetConfig::BASE };
        let config = config.changed(&super::options(changes, card)?)?;
        let (mut loader, partial) = origin.open(device)?;
        let network = Self::assemble(&mut loader, card, config);
        Ok((network, loader.finish(partial)?))
    }

    fn assemble(loader: &mut Loader, card: &'static Card, config: PairingNetConfig) -> Self {
        let matching = MatchingNet::load(loader, "matching.", &config);
        let searching = SearchingNet::load(loader, "searching.", &config);
        Self { card, config, matching, searching }
    }

    /// How many parameters these sizes have; BatchNorm statistics and stored but unused tensors left out.
    pub fn count(config: PairingNetConfig, device: &Device) -> usize {
        let mut loader = Loader::from_seed(0, device);
        let _ = Self::assemble(&mut loader, &CARD_BASE, config);
        loader.parameters()
    }

    /// The sizes.
    pub const fn config(&self) -> &PairingNetConfig {
        &self.config
    }

    /// Square root of the channels: what dot products of features are divided by.
    pub fn temperature(&self) -> f64 {
        (self.config.channels as f64).sqrt()
    }

    /// Features of a fragment's contour points. One row of padding may stand for all of them, see [`Extent`].
    ///
    /// # Errors
    /// The shapes do not fit each other or the extent.
    pub fn describe(&self, input: Patches, extent: Extent) -> Result<Points> {
        check(&input, extent, "fragment")?;
        Ok(self.matching.forward(input, extent, None, "", &mut Taps::default()))
    }

    /// The vector of a whole fragment, not normalised. Where there are fewer rows than it reads, the last one (of padding) is repeated.
    pub fn embed(&self, points: &Points) -> Tensor<1> {
        let length = self.config.length;
        let rows = |x: &Tensor<2>| {
            let [have, channels] = x.dims();
            if have >= length {
                return x.clone().narrow(0, 0, length);
            }
            let last = x.clone().narrow(0, have.saturating_sub(1), 1).expand([length - have, channels]);
            Tensor::cat(vec![x.clone(), last], 0)
        };
        self.searching.forward(rows(&points.contour), rows(&points.texture), "", &mut Taps::default())
    }

    /// Similarity of every true point of one fragment to every true point of another, `[n, m]`, from their fused features.
    pub fn similarity(&self, [a, b]: [&Tensor<2>; 2], [n, m]: [usize; 2]) -> Tensor<2> {
        let crop = |x: &Tensor<2>, count: usize| x.clone().narrow(0, 0, count.min(x.dims()[0]));
        similarity(logits(crop(a, n), crop(b, m), self.temperature()))
    }

    /// One fragment of a bare pass: its features and vector into `taps`, its fused features and vector to the caller.
    fn fragment(&self, side: &str, input: Patches, options: &Options, points: usize, taps: &mut Taps) -> Result<(Tensor<2>, Tensor<1>)> {
        let [rows, _] = input.contour.dims();
        let extent = Extent { points, padded: options.padded.unwrap_or(rows) };
        check(&input, extent, side)?;
        let found = self.matching.forward(input, extent, options.radius, side, taps);
        let length = options.length(&self.config, rows)?;
        let head = |x: &Tensor<2>| x.clone().narrow(0, 0, length);
        let global = self.searching.forward(head(&found.contour), head(&found.texture), side, taps);
        taps.output(&format!("{side}.contour"), found.contour);
        taps.output(&format!("{side}.texture"), found.texture);
        taps.output(&format!("{side}.gate"), found.gate);
        taps.output(&format!("{side}.fused"), found.fused.clone());
        taps.output(&format!("{side}.global"), global.clone());
        Ok((found.fused, global))
    }

    fn pair(&self, item: usize, sides: [&Side; 2], options: &Options, taps: &mut Taps) -> Result<()> {
        let [source, target] = sides;
        let [n, m] = [source.points(item), target.points(item)];
        let (a, global_a) = self.fragment("source", source.item(item), options, n, taps)?;
        let (b, global_b) = self.fragment("target", target.item(item), options, m, taps)?;
        let cosine = normalised(global_a.unsqueeze()).matmul(normalised(global_b.unsqueeze()).transpose());
        taps.output("cosine_source_target", cosine.reshape([1]));
        let temperature = options.temperature.unwrap_or_else(|| self.temperature());
        let cells = similarity(logits(a.clone().narrow(0, 0, n), b.clone().narrow(0, 0, m), temperature));
        taps.output("logits", logits(a, b, temperature));
        if let Some(pairs) = &options.pairs {
            let loss = focal_loss(cells.clone(), pairs);
            taps.output("loss_focal", loss.total);
            taps.output("loss_focal_positive", loss.positive);
            let flat: Vec<i64> =
                pairs.iter().filter(|[r, c]| *r < n && *c < m).map(|[r, c]| i64::try_from(r * m + c).unwrap_or(0)).collect();
            if !flat.is_empty() {
                let at = Tensor::from_data(TensorData::new(flat.clone(), [flat.len()]), &cells.device());
                taps.output("similarity_at_gt", cells.clone().reshape([n * m]).select(0, at));
            }
        }
        taps.output("similarity", cells);
        Ok(())
    }
}

impl Model for PairingNet {
    fn card(&self) -> &'static Card {
        self.card
    }

    /// A leading axis of one fragment (or pair) is left out of the outputs' shapes, as in the published numbers; a larger one stays.
    fn run(&self, inputs: &Inputs<'_>, taps: &mut Taps) -> Result<()> {
        let options = Options::read(inputs)?;
        let source = Side::read(inputs, "source")?;
        let target = if inputs.has("target.pcd") { Some(Side::read(inputs, "target")?) } else { None };
        if let Some(target) = &target
            && target.batch() != source.batch()
        {
            let wanted = format!("{} fragments as in `source.pcd`", source.batch());
            return Err(Error::mismatch(wanted, target.batch().to_string(), "input `target.pcd`"));
        }
        let mut items = Vec::with_capacity(source.batch());
        for item in 0..source.batch() {
            let mut own = taps.child();
            match &target {
                Some(target) => self.pair(item, [&source, target], &options, &mut own)?,
                None => {
                    self.fragment("source", source.item(item), &options, source.points(item), &mut own)?;
                }
            }
            items.push(own);
        }
        taps.stack(items);
        contrast_outputs(inputs, taps)
    }

    /// One fragment of `width` points; the height plays no part.
    fn example(&self, _height: usize, width: usize) -> Option<Named> {
        let tensor = |name: &str, shape: &[usize]| {
            let wave = |i: usize| num::f32(0.5 + 0.5 * (i as f64 * 0.618_034).sin());
            (name.to_owned(), TensorData::new((0..shape.iter().product()).map(wave).collect::<Vec<f32>>(), shape.to_vec()))
        };
        let patches = [tensor("source.c_input", &[1, width, 7, 7]), tensor("source.t_input", &[1, width, 3, 7, 7])];
        Some([tensor("source.pcd", &[1, width, 2])].into_iter().chain(patches).collect())
    }
}

/// The searching loss on given embeddings, where there are some.
fn contrast_outputs(inputs: &Inputs<'_>, taps: &mut Taps) -> Result<()> {
    if !inputs.has("nce.s") {
        return Ok(());
    }
    let (s, t) = (inputs.tensor::<2>("nce.s")?, inputs.tensor::<2>("nce.t")?);
    if s.dims() != t.dims() {
        return Err(Error::mismatch(format!("{:?} as `nce.s`", s.dims()), format!("{:?}", t.dims()), "input `nce.t`"));
    }
    let numbers = |side: &str| -> Result<Option<Vec<u64>>> {
        let name = format!("nce_fragment_ids.{side}");
        let Some(values) = inputs.numbers(&name)? else { return Ok(None) };
        let numbers: Vec<u64> = values.iter().filter_map(|v| u64::try_from(num::round_i64(*v)).ok()).collect();
        if numbers.len() != s.dims()[0] {
            return Err(Error::mismatch(format!("{} fragment numbers", s.dims()[0]), numbers.len().to_string(), format!("input `{name}`")));
        }
        Ok(Some(numbers))
    };
    let Some((of_s, of_t)) = numbers("s")?.zip(numbers("t")?) else { return Ok(()) };
    let temperature = inputs.number("nce_temperature")?.unwrap_or(0.12);
    if temperature <= 0.0 {
        return Err(Error::mismatch("a temperature above zero", temperature.to_string(), "input `nce_temperature`"));
    }
    let loss = info_nce(s, t, [&of_s, &of_t], temperature);
    taps.output("nce_st", loss.st);
    taps.output("nce_ss", loss.ss);
    taps.output("nce_tt", loss.tt);
    taps.output("nce_total", loss.total);
    Ok(())
}

fn check(input: &Patches, extent: Extent, side: &str) -> Result<()> {
    let [rows, axes] = input.contour.dims();
    let place = |name: &str| format!("`{side}.{name}`");
    if axes != 2 {
        return Err(Error::mismatch("row and column of each point", format!("{axes} numbers"), place("pcd")));
    }
    if input.line.dims() != [rows, 1, 7, 7] {
        return Err(Error::mismatch(format!("{rows} patches of 7x7"), format!("{:?}", input.line.dims()), place("c_input")));
    }
    if input.colour.dims() != [rows, 3, 7, 7] {
        return Err(Error::mismatch(format!("{rows} patches of 3x7x7"), format!("{:?}", input.colour.dims()), place("t_input")));
    }
    if extent.points == 0 || extent.points > rows || extent.padded < rows {
        let found = format!("{} points of {} padded", extent.points, extent.padded);
        return Err(Error::mismatch(format!("1 to {rows} points, padded to {rows} or more"), found, place("points")));
    }
    Ok(())
}
