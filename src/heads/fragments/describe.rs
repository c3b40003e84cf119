//! PairingNet on fragments: features of the contour points, a vector for each piece, similarity of two borders.
//!
//! *In*: [`Shape`]s. *Out*: [`Described`], matrices. *Invariant*: vectors have length 1; what comes out is finite, or it is an error.

use super::fit::Shape;
use super::patches::{Patches, patches};
use crate::nets::pairingnet::{self, Extent, PairingNet};
use crate::nets::{Device, to_host};
use crate::types::{Error, Result, num};
use burn::tensor::{Tensor, TensorData};
use ndarray::Array2;

/// A fragment as the network knows it.
#[derive(Debug, Clone)]
pub struct Described {
    fused: Tensor<2>,
    /// Points of the contour.
    pub count: usize,
    /// Its vector, of length 1.
    pub embedding: Vec<f32>,
}

impl Described {
    /// Cosine of two vectors.
    pub fn cosine(&self, other: &Self) -> f32 {
        self.embedding.iter().zip(&other.embedding).map(|(a, b)| a * b).sum()
    }
}

/// A network on its device.
#[derive(Debug)]
pub struct Describer {
    network: PairingNet,
    device: Device,
}

impl Describer {
    /// Runs `network`, which lives on `device`.
    pub const fn new(network: PairingNet, device: Device) -> Self {
        Self { network, device }
    }

    /// Features and vector of a fragment.
    ///
    /// # Errors
    /// The device fails, or the weights turn the fragment into numbers that are not finite.
    pub fn describe(&self, shape: &Shape) -> Result<Described> {
        let name = || format!("fragment `{}`", shape.fragment.name);
        let read = patches(&shape.fragment, &shape.outline);
        let extent = Extent { points: read.points, padded: read.padded };
        let points = self.network.describe(self.upload(read), extent).map_err(|e| e.at(name()))?;
        let norm = norm(values(to_host(self.network.embed(&points))?)?).ok_or_else(|| not_finite(name()))?;
        Ok(Described { fused: points.fused, count: extent.points, embedding: norm })
    }

    /// Similarity of every point of the source (rows) to every point of the target (columns).
    ///
    /// # Errors
    /// The device fails.
    pub fn similarity(&self, source: &Described, target: &Described) -> Result<Array2<f32>> {
        let cells = self.network.similarity([&source.fused, &target.fused], [source.count, target.count]);
        let values = values(to_host(cells)?)?;
        if values.iter().any(|v| !v.is_finite()) {
            return Err(not_finite("a pair of fragments".to_owned()));
        }
        let size = (source.count, target.count);
        Array2::from_shape_vec(size, values)
            .map_err(|e| Error::mismatch(format!("{size:?} similarities"), e.to_string(), "a pair of fragments"))
    }

    fn upload(&self, read: Patches) -> pairingnet::Patches {
        let rows = read.rows();
        pairingnet::Patches {
            contour: Tensor::from_data(TensorData::new(read.contour, [rows, 2]), &self.device),
            line: Tensor::from_data(TensorData::new(read.line, [rows, 1, 7, 7]), &self.device),
            colour: Tensor::from_data(TensorData::new(read.colour, [rows, 3, 7, 7]), &self.device),
        }
    }
}

fn not_finite(place: String) -> Error {
    Error::mismatch("finite features", "NaN or infinity; are the weights sound?", place)
}

fn values(data: TensorData) -> Result<Vec<f32>> {
    data.try_into_vec::<f32>().map_err(|e| Error::mismatch("f32 results", format!("{e:?}"), "pairingnet"))
}

/// The vector over its length; `None` where that is not finite. A vector of zeros stays.
fn norm(vector: Vec<f32>) -> Option<Vec<f32>> {
    let length = vector.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    length.is_finite().then(|| vector.iter().map(|v| num::f32(f64::from(*v) / length.max(1e-30))).collect())
}
