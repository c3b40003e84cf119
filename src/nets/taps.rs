//! Named results of a pass: the outputs always, intermediate activations only when somebody asked for them.
//!
//! *In*: tensors on a device while a network runs. *Out*: [`Named`] tensors on the host. *Invariant*: an intermediate that nobody asked
//! for is never computed (its closure is not called) nor copied.

use super::weights::Named;
use crate::types::{Error, Result, nearest};
use burn::tensor::{Tensor, TensorData};
use std::collections::BTreeSet;

/// Which intermediate activations are wanted beside the outputs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TapChoice {
    /// None.
    #[default]
    None,
    /// These.
    Some(BTreeSet<String>),
    /// All.
    All,
}

impl std::str::FromStr for TapChoice {
    type Err = Error;
    /// `all`, or names separated by commas; the empty text is none.
    fn from_str(text: &str) -> Result<Self> {
        let names: BTreeSet<String> = text.split(',').map(str::trim).filter(|n| !n.is_empty()).map(str::to_owned).collect();
        Ok(match (text.trim(), names.is_empty()) {
            ("all", _) => Self::All,
            (_, true) => Self::None,
            _ => Self::Some(names),
        })
    }
}

/// Collects the named results of one pass.
#[derive(Debug, Default)]
pub struct Taps {
    choice: TapChoice,
    all: bool,
    offered: BTreeSet<String>,
    kept: Named,
    failure: Option<Error>,
}

impl Taps {
    /// An empty collection for this choice.
    pub fn new(choice: TapChoice) -> Self {
        Self { choice, ..Self::default() }
    }

    /// Whether somebody asked for the intermediate `name`.
    pub fn wants(&self, name: &str) -> bool {
        match &self.choice {
            _ if self.all => true,
            TapChoice::None => false,
            TapChoice::All => true,
            TapChoice::Some(names) => names.contains(name),
        }
    }

    /// Keeps an output.
    pub fn output<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) {
        self.offered.insert(name.to_owned());
        match super::to_host(tensor) {
            Ok(data) => {
                self.kept.insert(name.to_owned(), data);
            }
            Err(e) => self.failure = Some(e),
        }
    }

    /// From now on every intermediate is kept, wanted or not.
    pub const fn keep_all(&mut self) {
        self.all = true;
    }

    /// Keeps an output that is on the host already.
    pub fn keep(&mut self, name: &str, data: TensorData) {
        self.offered.insert(name.to_owned());
        self.kept.insert(name.to_owned(), data);
    }

    /// Keeps an intermediate that is on the host already, if it is wanted.
    pub fn host(&mut self, name: &str, data: TensorData) {
        self.offered.insert(name.to_owned());
        if self.wants(name) {
            self.kept.insert(name.to_owned(), data);
        }
    }

    /// Says that the intermediate `name` exists, although this pass does not compute it.
    pub fn offer(&mut self, name: &str) {
        self.offered.insert(name.to_owned());
    }

    /// Keeps an intermediate if it is wanted; `make` runs only then.
    pub fn tap<const D: usize>(&mut self, name: &str, make: impl FnOnce() -> Tensor<D>) {
        if matches!(self.choice, TapChoice::None) && !self.all {
            return;
        }
        if self.wants(name) {
            self.output(name, make());
        } else {
            self.offered.insert(name.to_owned());
        }
    }

    /// An empty collection with the same choice, for one item of a batch.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { all: self.all, ..Self::new(self.choice.clone()) }
    }

    /// Takes in what the items of a batch brought: of one item as it is, of several stacked along a new first axis. Tensors that differ
    /// in shape from item to item stay apart, as `NAME.0`, `NAME.1` and so on.
    pub fn stack(&mut self, items: Vec<Self>) {
        let single = items.len() == 1;
        let mut gathered: std::collections::BTreeMap<String, Vec<TensorData>> = std::collections::BTreeMap::new();
        for item in items {
            self.offered.extend(item.offered);
            self.failure = self.failure.take().or(item.failure);
            for (name, data) in item.kept {
                gathered.entry(name).or_default().push(data);
            }
        }
        for (name, mut list) in gathered {
            let same = list.windows(2).all(|two| matches!(two, [a, b] if a.shape() == b.shape()));
            if single {
                self.kept.extend(list.pop().map(|data| (name, data)));
            } else if same {
                let shape: Vec<usize> = list.first().into_iter().flat_map(|d| d.shape().iter().copied()).collect();
                let values: Vec<f32> = list.iter().flat_map(|d| d.as_slice::<f32>().unwrap_or_default().iter().copied()).collect();
                let shape: Vec<usize> = std::iter::once(list.len()).chain(shape).collect();
                self.kept.insert(name, TensorData::new(values, shape));
            } else {
                self.kept.extend(list.into_iter().enumerate().map(|(index, data)| (format!("{name}.{index}"), data)));
            }
        }
    }

    /// The results.
    ///
    /// # Errors
    /// A tap was asked for that the network does not have, or the device failed.
    pub fn finish(self) -> Result<Named> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        if let TapChoice::Some(names) = &self.choice
            && let Some(unknown) = names.difference(&self.offered).next()
        {
            let hint = nearest(unknown, self.offered.iter().map(String::as_str));
            let hint = hint.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
            return Err(Error::mismatch("the name of an activation", format!("`{unknown}`{hint}"), "taps"));
        }
        Ok(self.kept)
    }
}
