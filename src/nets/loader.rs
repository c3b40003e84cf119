//! Builds a network's parameters from named tensors, or from a seed, and keeps the customs report.
//!
//! *In*: [`Weights`] or a seed. *Out*: tensors on a device, then a [`Report`]. *Invariant*: every tensor asked for has the shape asked
//! for, so building never stops half-way; what was wrong is said once, at the end, all of it.

use super::weights::Weights;
use crate::types::{Error, Result, num};
use burn::tensor::{DType, Device, Tensor, TensorData};
use std::collections::BTreeMap;

/// How a parameter starts when no file brings it.
#[derive(Debug, Clone, Copy)]
pub enum Init {
    /// The same value everywhere.
    Constant(f32),
    /// Normal, mean 0, with this standard deviation.
    Normal(f64),
    /// Uniform in plus or minus this bound.
    Uniform(f64),
}

/// A tensor that the network cannot take as the file has it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Misshapen {
    /// The parameter.
    pub name: String,
    /// The network's shape.
    pub wanted: Vec<usize>,
    /// What the file has: another shape, another kind of numbers, or values that are not finite.
    pub found: String,
}

/// What loading did: every name of the network and of the file is in one of the last four lists, or was known to be unused.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// The file or files, or the seed.
    pub origin: String,
    /// Digest of names and values of all parameters in use, 16 hexadecimal digits.
    pub digest: String,
    /// Name and shape of every parameter of the network.
    pub parameters: Vec<(String, Vec<usize>)>,
    /// Taken from the file.
    pub applied: Vec<String>,
    /// In the network, not in the file.
    pub missing: Vec<String>,
    /// In the file, not in the network.
    pub unexpected: Vec<String>,
    /// In both, with different shapes, not numbers of the right kind, or not finite.
    pub misshapen: Vec<Misshapen>,
}

impl Report {
    /// Whether file and network agree.
    pub const fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.misshapen.is_empty()
    }

    /// Whether a file brought every parameter, so that none is random.
    pub const fn is_trained(&self) -> bool {
        !self.applied.is_empty() && self.missing.is_empty() && self.misshapen.is_empty()
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let some = |names: &[String]| {
            let first: Vec<&str> = names.iter().take(5).map(String::as_str).collect();
            let more = names.len().saturating_sub(first.len());
            let more = if more > 0 { format!(", and {more} more") } else { String::new() };
            if first.is_empty() { String::new() } else { format!(" ({}{more})", first.join(", ")) }
        };
        let shapes: Vec<String> = self.misshapen.iter().map(|m| format!("{}: wanted {:?}, found {}", m.name, m.wanted, m.found)).collect();
        write!(f, "{} applied, {} missing{}, ", self.applied.len(), self.missing.len(), some(&self.missing))?;
        write!(f, "{} unexpected{}, {} misshapen{}", self.unexpected.len(), some(&self.unexpected), shapes.len(), some(&shapes))
    }
}

/// Parameters as leaves of a gradient, flat, by name.
pub type Leaves = BTreeMap<String, Tensor<1>>;

/// Hands out parameters by name while a network is built.
///
/// For training, [`Loader::from_leaves`] on an autodiff device: blocks may slice, transpose and fold what they get, since all of that is
/// tracked; after a step of the optimiser the network is assembled anew from the changed leaves, which moves no data.
#[derive(Debug)]
pub struct Loader {
    weights: Option<Weights>,
    seed: u64,
    device: Device,
    report: Report,
    parameters: usize,
    digest: u64,
    leaves: Option<Leaves>,
}

impl Loader {
    /// Parameters that gradients are wanted for: these leaves; what is missing is drawn by the seed and becomes a leaf.
    pub fn from_leaves(leaves: Leaves, seed: u64, device: &Device) -> Self {
        Self { leaves: Some(leaves), ..Self::from_seed(seed, device) }
    }

    /// The leaves that parameters were made of; empty unless the loader was made from leaves.
    pub fn into_leaves(self) -> Leaves {
        self.leaves.unwrap_or_default()
    }

    /// Parameters from a file.
    pub fn from_weights(weights: Weights, device: &Device) -> Self {
        let report = Report { origin: weights.place.clone(), ..Report::default() };
        Self { weights: Some(weights), seed: 0, device: device.clone(), report, parameters: 0, digest: 0, leaves: None }
    }

    /// Untrained parameters; the same seed gives the same ones, whatever the order in which they are asked for.
    pub fn from_seed(seed: u64, device: &Device) -> Self {
        let report = Report { origin: format!("seed {seed}"), ..Report::default() };
        Self { weights: None, seed, device: device.clone(), report, parameters: 0, digest: 0, leaves: None }
    }

    /// The device that the network is built on.
    pub const fn device(&self) -> &Device {
        &self.device
    }

    /// The shape of the tensor `name` in the file, if it is there and not taken yet.
    pub fn shape_of(&self, name: &str) -> Option<Vec<usize>> {
        let data = self.weights.as_ref()?.tensors.get(name)?;
        Some(data.shape().iter().copied().collect())
    }

    /// How many values were asked for so far, BatchNorm statistics left out.
    pub const fn parameters(&self) -> usize {
        self.parameters
    }

    /// The parameter `name`, row-major, on the host.
    pub fn host(&mut self, name: &str, shape: &[usize], init: Init) -> Vec<f32> {
        let values = self.take(name, shape, init);
        self.digest = digest(self.digest, name, &values);
        self.report.parameters.push((name.to_owned(), shape.to_vec()));
        values
    }

    fn take(&mut self, name: &str, shape: &[usize], init: Init) -> Vec<f32> {
        let count = shape.iter().product();
        if !name.contains(".running_") {
            self.parameters += count;
        }
        let Some(weights) = &mut self.weights else {
            return fresh(name, self.seed, count, init);
        };
        match weights.tensors.remove(name) {
            None => self.report.missing.push(name.to_owned()),
            Some(data) => {
                let (found, kind): (Vec<usize>, DType) = (data.shape().iter().copied().collect(), data.dtype());
                let values = data.try_into_vec::<f32>().ok().filter(|values| values.iter().all(|v| v.is_finite()));
                let found = match values {
                    Some(values) if found == shape => {
                        self.report.applied.push(name.to_owned());
                        return values;
                    }
                    _ if found != shape => format!("{found:?}"),
                    None if kind == DType::F32 => format!("NaN or infinity in {found:?}"),
                    _ => format!("{kind:?} {found:?}"),
                };
                self.report.misshapen.push(Misshapen { name: name.to_owned(), wanted: shape.to_vec(), found });
            }
        }
        fresh(name, self.seed, count, init)
    }

    /// The parameter `name` on the device.
    pub fn tensor<const D: usize>(&mut self, name: &str, shape: [usize; D], init: Init) -> Tensor<D> {
        let fits = |leaf: &&Tensor<1>| leaf.shape().num_elements() == shape.iter().product::<usize>();
        let known = self.leaves.as_ref().and_then(|leaves| leaves.get(name)).filter(fits);
        if let Some(leaf) = known {
            return leaf.clone().reshape(shape);
        }
        let values = self.host(name, &shape, init);
        let tracked = !name.contains(".running_");
        match self.leaves.is_some() && tracked {
            false => self.upload(values, shape),
            true => {
                let count = values.len();
                let leaf = self.upload(values, [count]).require_grad();
                if let Some(leaves) = &mut self.leaves {
                    leaves.insert(name.to_owned(), leaf.clone());
                }
                leaf.reshape(shape)
            }
        }
    }

    /// Host values on the device.
    pub fn upload<const D: usize>(&self, values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
        Tensor::from_data(TensorData::new(values, shape), &self.device)
    }

    /// Says that names with this prefix may be in the file although the network does not use them.
    pub fn tolerate(&mut self, prefix: &str) {
        if let Some(weights) = &mut self.weights {
            weights.tensors.retain(|name, _| !name.starts_with(prefix));
        }
    }

    /// Ends loading.
    ///
    /// # Errors
    /// File and network differ, unless `partial` allows it.
    pub fn finish(mut self, partial: bool) -> Result<Report> {
        self.report.digest = format!("{:016x}", self.digest);
        let Some(weights) = self.weights else { return Ok(self.report) };
        self.report.unexpected = weights.tensors.into_keys().collect();
        if self.report.is_complete() || partial {
            return Ok(self.report);
        }
        Err(Error::mismatch("exactly the network's parameters", self.report.to_string(), weights.place))
    }
}

const fn splitmix64(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// `before`, and this parameter after it: a number that changes with every name, value and order.
fn digest(before: u64, name: &str, values: &[f32]) -> u64 {
    let start = name.bytes().fold(before, |state, byte| splitmix64(state ^ u64::from(byte)));
    let word = |pair: &[f32]| pair.iter().fold(0, |word, value| word << 32 | u64::from(value.to_bits()));
    values.chunks(2).fold(start, |state, pair| splitmix64(state ^ word(pair)))
}

/// Numbers in -1..1 that follow from a seed, for trials.
pub(super) fn spread(count: usize, seed: u64) -> Vec<f32> {
    fresh("spread", seed, count, Init::Uniform(1.0))
}

/// A fresh parameter: a pure function of its name, the seed and the rule.
fn fresh(name: &str, seed: u64, count: usize, init: Init) -> Vec<f32> {
    let hash = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3));
    let mut state = hash ^ splitmix64(seed);
    let mut unit = || {
        state = splitmix64(state);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut next = || match init {
        Init::Constant(value) => value,
        Init::Uniform(bound) => num::f32(bound * (2.0 * unit() - 1.0)),
        Init::Normal(deviation) => {
            let radius = (-2.0 * (1.0 - unit()).ln()).sqrt();
            num::f32(deviation * radius * (std::f64::consts::TAU * unit()).cos())
        }
    };
    (0..count).map(|_| next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Weights {
        let tensors = [("a", vec![2, 2]), ("extra", vec![1]), ("odd", vec![3]), ("unused.x", vec![1])];
        let tensors = tensors.into_iter().map(|(n, s)| (n.to_owned(), TensorData::new(vec![1.0_f32; s.iter().product()], s))).collect();
        Weights { tensors, place: "f".to_owned() }
    }

    #[test]
    fn the_report_names_everything_that_differs() {
        let load = |partial| {
            let mut loader = Loader::from_weights(file(), &Device::flex());
            loader.tolerate("unused.");
            loader.tensor("a", [2, 2], Init::Constant(0.0));
            loader.tensor("odd", [4], Init::Constant(0.0));
            loader.tensor("gone", [1], Init::Constant(0.0));
            loader.finish(partial)
        };
        let report = load(true).unwrap();
        assert_eq!((report.applied.len(), report.missing.len(), report.unexpected.len(), report.misshapen.len()), (1, 1, 1, 1));
        let mut bad = file();
        let values = |values: Vec<f32>| TensorData::new(values, [2, 2]);
        for (data, said) in
            [(values(vec![0.0, f32::NAN, 0.0, 0.0]), "NaN or infinity in [2, 2]"), (TensorData::from([[1_i64; 2]; 2]), "I64 [2, 2]")]
        {
            bad.tensors.insert("a".to_owned(), data);
            let mut loader = Loader::from_weights(bad.clone(), &Device::flex());
            loader.tensor("a", [2, 2], Init::Constant(0.0));
            assert!(loader.finish(false).unwrap_err().to_string().contains(said), "{said}");
        }
        let text = load(false).unwrap_err().to_string();
        assert!(text.contains("1 missing (gone)") && text.contains("1 unexpected (extra)") && text.contains("wanted [4], found [3]"));
    }

    #[test]
    fn the_digest_tells_parameters_apart_and_only_a_whole_file_counts_as_trained() {
        let report = |names: [&str; 2], change: f32| {
            let tensors = names.iter().map(|n| ((*n).to_owned(), TensorData::new(vec![1.0_f32, change], [2]))).collect();
            let mut loader = Loader::from_weights(Weights { tensors, place: "f".to_owned() }, &Device::flex());
            for name in ["a", "b"] {
                loader.tensor(name, [2], Init::Constant(0.0));
            }
            loader.finish(true).unwrap()
        };
        let whole = report(["a", "b"], 2.0);
        assert_eq!(whole, report(["a", "b"], 2.0));
        assert_ne!(whole.digest, report(["a", "b"], 3.0).digest);
        assert!(whole.is_trained() && !report(["a", "c"], 2.0).is_trained());
        let mut seeded = Loader::from_seed(4, &Device::flex());
        seeded.tensor("a", [2], Init::Normal(1.0));
        let seeded = seeded.finish(true).unwrap();
        assert!(!seeded.is_trained() && seeded.origin == "seed 4" && seeded.digest.len() == 16);
    }

    #[test]
    fn a_seed_gives_the_same_numbers_and_the_deviation_asked_for() {
        let draw = |seed| fresh("w", seed, 10_000, Init::Normal(0.02));
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let variance = draw(1).iter().map(|v| f64::from(v * v)).sum::<f64>() / 1e4;
        assert!((variance.sqrt() - 0.02).abs() < 1e-3);
    }
}
