//! Networks: tensors in, tensors out. Knows nothing of packets, files of data sets, or threads.
//!
//! *In*: named tensors ([`Named`]) or typed ones (each network's own functions). *Out*: named tensors. *Invariant*: a network is
//! immutable once built, so one `forward` cannot change the next; wrong inputs are errors that name the tensor and both shapes.
//!
//! [`build`] makes a network of [`card::CARDS`] by name, from a file or a seed; [`forward`] runs one bare pass.

pub mod bench;
pub mod blocks;
pub mod card;
pub mod device;
pub mod fuller;
pub mod letfuser;
pub mod loader;
pub mod multitask;
mod options;
pub mod pairingnet;
pub mod profile;
pub mod segmif;
mod simd;
mod taps;
mod torch;
pub mod weights;

pub use card::{CARDS, Card};
pub use device::{DeviceChoice, pick};
pub use loader::{Init, Leaves, Loader, Misshapen, Report};
pub use options::{options, read as read_options};
pub use simd::vector_unit;
pub use taps::{TapChoice, Taps};
pub use weights::{Named, Weights};

use crate::types::{Error, Result, nearest};
pub use burn::tensor::Device;
use burn::tensor::{DType, Tensor, TensorData};
use std::cell::RefCell;
use std::collections::BTreeSet;
use toml::Table;

/// A network behind one interface: what the command line and the benchmarks need.
pub trait Model: Send {
    /// Sizes, cost, licence and origin.
    fn card(&self) -> &'static Card;

    /// One pass. Puts every output and whatever else `taps` asks for into `taps`.
    ///
    /// # Errors
    /// An input is missing or has the wrong shape.
    fn run(&self, inputs: &Inputs<'_>, taps: &mut Taps) -> Result<()>;

    /// Inputs of a height and a width for timing, if the network is timed by size.
    fn example(&self, _height: usize, _width: usize) -> Option<Named> {
        None
    }
}

/// Where a network's parameters come from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// A file, or several by prefix; see [`Weights::open`]. `partial` lets missing, unexpected and misshapen tensors pass.
    File {
        /// The file or files.
        spec: String,
        /// Whether a file that does not fit exactly is accepted.
        partial: bool,
    },
    /// Tensors already in memory, held to the same rule.
    Memory(Box<Weights>),
    /// No training: random, by this seed.
    Seed(u64),
}

/// Builds a network by name and preset.
///
/// # Errors
/// The name or preset is unknown, or the file does not fit the network.
pub fn build(model: &str, preset: &str, origin: Origin, device: &Device) -> Result<(Box<dyn Model>, Report)> {
    build_with(model, preset, origin, &Table::new(), device)
}

/// Builds a network by name and preset with the changes of a table, whose keys its card documents.
///
/// # Errors
/// As [`build`], or a key or value is none that the network has.
pub fn build_with(model: &str, preset: &str, origin: Origin, changes: &Table, device: &Device) -> Result<(Box<dyn Model>, Report)> {
    let card = card::find(model, preset)?;
    match card.name {
        letfuser::NAME => {
            let (network, report) = letfuser::LetFuser::load_with(preset, origin, changes, device)?;
            Ok((Box::new(network), report))
        }
        segmif::NAME => {
            let (network, report) = segmif::SegMif::load_with(preset, origin, changes, device)?;
            Ok((Box::new(network), report))
        }
        pairingnet::NAME => {
            let (network, report) = pairingnet::PairingNet::load_with(preset, origin, changes, device)?;
            Ok((Box::new(network), report))
        }
        fuller::NAME if preset == fuller::CARD_FIXTURE.preset => {
            let (network, report) = fuller::FixtureNet::load(changes, origin, device)?;
            Ok((Box::new(network), report))
        }
        fuller::NAME => {
            let (network, report) = fuller::Fuller::load(preset, changes, origin, device)?;
            Ok((Box::new(network), report))
        }
        other => Err(Error::unavailable(format!("network `{other}`"), "nothing builds it yet")),
    }
}

impl Origin {
    /// The loader for this origin, and whether a file may fit only in part.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn open(self, device: &Device) -> Result<(Loader, bool)> {
        Ok(match self {
            Self::File { spec, partial } => (Loader::from_weights(Weights::open(&spec)?, device), partial),
            Self::Memory(weights) => (Loader::from_weights(*weights, device), false),
            Self::Seed(seed) => (Loader::from_seed(seed, device), true),
        })
    }
}

/// Named inputs with the device they go to, and an account of the names that were asked for.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    named: &'a Named,
    device: &'a Device,
    asked: &'a RefCell<BTreeSet<String>>,
}

impl<'a> Inputs<'a> {
    fn get(&self, name: &str) -> Option<&'a TensorData> {
        self.asked.borrow_mut().insert(name.to_owned());
        self.named.get(name)
    }

    /// Says which inputs nobody asked for: a slip in the name of one that may be left out would pass in silence.
    fn tell_unread(&self, place: &str) {
        let asked = self.asked.borrow();
        let unread = self.named.keys().filter(|name| !asked.contains(*name)).map(|name| {
            let hint = nearest(name, asked.iter().map(String::as_str).filter(|known| !self.named.contains_key(*known)));
            hint.map_or_else(|| format!("`{name}`"), |known| format!("`{name}` (did you mean `{known}`?)"))
        });
        let unread: Vec<String> = unread.collect();
        if !unread.is_empty() {
            tracing::warn!("{place}: inputs that this pass did not read: {}", unread.join(", "));
        }
    }

    /// Whether there is an input `name`.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The shape of the input `name`, if it is there.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.get(name).map(|data| data.shape().iter().copied().collect())
    }

    /// The input `name` with `D` axes, as `f32`.
    ///
    /// # Errors
    /// It is missing, has another number of axes, or is not made of floats.
    pub fn tensor<const D: usize>(&self, name: &str) -> Result<Tensor<D>> {
        let place = format!("input `{name}`");
        let Some(data) = self.get(name) else {
            let known: Vec<&str> = self.named.keys().map(String::as_str).collect();
            return Err(Error::mismatch(format!("a tensor `{name}`"), format!("only {}", known.join(", ")), "inputs"));
        };
        let shape: Vec<usize> = data.shape().iter().copied().collect();
        if data.dtype() != DType::F32 || shape.len() != D || shape.contains(&0) {
            return Err(Error::mismatch(format!("f32 with {D} non-empty axes"), format!("{:?} {shape:?}", data.dtype()), place));
        }
        if data.as_slice::<f32>().is_ok_and(|values| values.iter().any(|v| !v.is_finite())) {
            return Err(Error::mismatch("finite numbers", "NaN or infinity", place));
        }
        Ok(Tensor::from_data(data.clone(), self.device))
    }

    /// The values of the input `name`, of whatever kind of number; `None` where there is no such input.
    ///
    /// # Errors
    /// A value is not finite, or the input is not made of numbers.
    pub fn numbers(&self, name: &str) -> Result<Option<Vec<f64>>> {
        let Some(data) = self.get(name) else { return Ok(None) };
        let values = data.clone().convert::<f64>().try_into_vec::<f64>().unwrap_or_default();
        if values.is_empty() || values.iter().any(|v| !v.is_finite()) {
            return Err(Error::mismatch("finite numbers", format!("{:?}", data.dtype()), format!("input `{name}`")));
        }
        Ok(Some(values))
    }

    /// The one value of the input `name`, if it is there.
    ///
    /// # Errors
    /// It does not hold exactly one finite number.
    pub fn number(&self, name: &str) -> Result<Option<f64>> {
        match self.numbers(name)?.as_deref() {
            None => Ok(None),
            Some([one]) => Ok(Some(*one)),
            Some(many) => Err(Error::mismatch("one number", many.len().to_string(), format!("input `{name}`"))),
        }
    }

    /// The values of the input `name`, where they must be whole and 0 or more.
    ///
    /// # Errors
    /// They are not.
    pub fn counts(&self, name: &str) -> Result<Option<Vec<usize>>> {
        let Some(values) = self.numbers(name)? else { return Ok(None) };
        let whole = |value: f64| {
            let count = usize::try_from(crate::types::num::round_i64(value)).ok().filter(|_| value.fract() == 0.0);
            count.ok_or_else(|| Error::mismatch("whole numbers of 0 or more", value.to_string(), format!("input `{name}`")))
        };
        values.into_iter().map(whole).collect::<Result<_>>().map(Some)
    }

    /// The one value of the input `name`, where it must be whole and 0 or more.
    ///
    /// # Errors
    /// It is not.
    pub fn count(&self, name: &str) -> Result<Option<usize>> {
        match self.counts(name)?.as_deref() {
            None => Ok(None),
            Some([one]) => Ok(Some(*one)),
            Some(many) => Err(Error::mismatch("one number", many.len().to_string(), format!("input `{name}`"))),
        }
    }

    /// How many axes the input `name` has.
    pub fn axes(&self, name: &str) -> Option<usize> {
        self.get(name).map(|data| data.shape().iter().count())
    }

    /// The input `name` as whole numbers, from integers or from floats that are whole.
    ///
    /// # Errors
    /// It is missing, empty, or holds something else.
    pub fn whole_numbers(&self, name: &str) -> Result<Vec<i64>> {
        let place = format!("input `{name}`");
        let Some(data) = self.get(name) else {
            return Err(Error::mismatch(format!("a tensor `{name}`"), "none", "inputs"));
        };
        let exact = data.clone().convert::<f64>();
        let values = exact.as_slice::<f64>().unwrap_or_default();
        if values.is_empty() || values.iter().any(|v| v.fract() != 0.0 || v.abs() > 1e15) {
            return Err(Error::mismatch(
                "whole numbers",
                format!("{:?} {:?}", data.dtype(), values.iter().take(4).collect::<Vec<_>>()),
                place,
            ));
        }
        Ok(values.iter().map(|v| crate::types::num::round_i64(*v)).collect())
    }
}

/// One bare pass: tensors in, the outputs and the chosen taps out; all of them finite. Inputs that the network does not read are passed over with a warning.
///
/// # Errors
/// An input or the name of a tap is wrong, the device fails, or numbers grew beyond 32 bits.
pub fn forward(model: &dyn Model, inputs: &Named, taps: &TapChoice, device: &Device) -> Result<Named> {
    let mut out = Taps::new(taps.clone());
    let asked = RefCell::default();
    let inputs = Inputs { named: inputs, device, asked: &asked };
    let place = || format!("{} {}", model.card().name, model.card().preset);
    device::quietly(|| model.run(&inputs, &mut out))
        .unwrap_or_else(|cause| Err(Error::unavailable("the forward pass", cause)))
        .map_err(|e| e.at(place()))?;
    inputs.tell_unread(&place());
    let found = out.finish()?;
    let broken = |data: &TensorData| data.as_slice::<f32>().is_ok_and(|values| values.iter().any(|v| !v.is_finite()));
    match found.iter().find(|(_, data)| broken(data)) {
        Some((name, _)) => {
            let cause = "inputs or parameters so large that 32 bits do not hold what follows from them";
            Err(Error::mismatch("finite results", format!("NaN or infinity in `{name}`"), cause).at(place()))
        }
        None => Ok(found),
    }
}

/// Reads a tensor back to the host.
///
/// # Errors
/// The device fails.
pub fn to_host<const D: usize>(tensor: Tensor<D>) -> Result<TensorData> {
    let failed = |cause: String| Error::unavailable("a result", cause);
    device::quietly(|| tensor.try_into_data()).map_err(failed)?.map_err(|e| failed(e.to_string()))
}
