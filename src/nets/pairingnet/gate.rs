//! The fusion gate: how much of each channel comes from the contour, how much from the texture.
//!
//! *In*: two branches `[rows, C]`. *Out*: the weight w of the contour, `[rows, C]`, in 0..1. *Invariant*: w = sigmoid(fc1(ELU(fc(both)))).

use crate::nets::blocks::Linear;
use crate::nets::loader::Loader;
use burn::tensor::Tensor;
use burn::tensor::activation::{elu, sigmoid};

/// The gate.
#[derive(Debug)]
pub(super) struct Gate {
    join: Linear,
    weigh: Linear,
}

impl Gate {
    /// Reads `NAME.fc` and `NAME.fc1`.
    pub(super) fn load(loader: &mut Loader, name: &str, channels: usize) -> Self {
        Self {
            join: Linear::load(loader, &format!("{name}.fc"), 2 * channels, channels, true),
            weigh: Linear::load(loader, &format!("{name}.fc1"), channels, channels, true),
        }
    }

    pub(super) fn forward(&self, contour: Tensor<2>, texture: Tensor<2>) -> Tensor<2> {
        let both = Tensor::cat(vec![contour, texture], 1);
        sigmoid(self.weigh.forward(elu(self.join.forward(both), 1.0)))
    }
}

/// `w a + (1 - w) b`, each branch by itself.
pub(super) fn blend(weight: &Tensor<2>, a: Tensor<2>, b: Tensor<2>) -> [Tensor<2>; 2] {
    [weight.clone() * a, (weight.clone().neg() + 1.0) * b]
}
