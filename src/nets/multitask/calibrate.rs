//! FULLER's two calibrations over a graph that is cut in two places.
//!
//! *In*: the features of each modality's branch, the shared trunk, one head with its loss per task. *Out*: [`Calibrated`] gradients. *Invariant*:
//! with both levels off the sum of what comes out is the plain gradient of the sum of the losses; weights and factors are constants, no
//! derivative flows through them; reported losses are untouched.
//!
//! Known from the paper's abstract: task gradients are calibrated on the last shared layer, modality gradients are then brought to one
//! level. Chosen here, where the paper could not be read: IMTL-G between tasks, the mean as the common level, the branches'
//! outputs as the layer for modalities, plain gradients of its own loss for each head.

use super::rules::{self, Inter, TINY};
use crate::types::{Error, Result};
use burn::tensor::{Gradients, Tensor};
use serde::{Deserialize, Serialize};

/// The common level of the modalities' gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intra {
    /// Not calibrated.
    None,
    /// Their mean norm.
    #[default]
    Mean,
    /// The least.
    Min,
    /// The largest.
    Max,
}

/// Which calibrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Between tasks.
    pub inter: Inter,
    /// Between modalities.
    pub intra: Intra,
}

/// Factor per modality that brings gradients of these norms to one level.
pub fn levels(intra: Intra, norms: &[f64]) -> Vec<f64> {
    let common = match intra {
        Intra::None => return vec![1.0; norms.len()],
        Intra::Mean => norms.iter().sum::<f64>() / norms.len().max(1) as f64,
        Intra::Min => norms.iter().copied().fold(f64::INFINITY, f64::min),
        Intra::Max => norms.iter().copied().fold(0.0, f64::max),
    };
    norms.iter().map(|n| common / n.max(TINY)).collect()
}

/// What comes out of a step.
pub struct Calibrated {
    /// Loss of each task.
    pub losses: Vec<f64>,
    /// Gradient of each task at the last shared layer, flat.
    pub shared: Vec<Vec<f64>>,
    /// Weight of each task for everything from that layer down.
    pub weights: Vec<f64>,
    /// Norm of the weighted gradient at each modality's features.
    pub norms: Vec<f64>,
    /// Factor of each modality.
    pub factors: Vec<f64>,
    /// Of each task: its own, unweighted, for its head's parameters.
    pub heads: Vec<Gradients>,
    /// Of each task, unweighted, for the trunk's parameters: their sum with `weights` is the trunk's gradient.
    pub trunk: Vec<Gradients>,
    /// Of each modality, weighted and calibrated, for its branch's parameters.
    pub branches: Vec<Gradients>,
}

/// A task: from the trunk's output to its loss.
pub type Head<'a, const E: usize> = &'a dyn Fn(Tensor<E>) -> Tensor<1>;

/// One backward pass over `features` (still attached to their branches), `trunk` and `heads`, all on an autodiff device. `shared` reads
/// the gradient at the last shared layer, flat; the trunk is run once per task.
///
/// # Errors
/// There is no task or no modality, a gradient does not reach the features, or the device fails.
pub fn calibrate<const D: usize, const E: usize>(
    settings: Settings,
    features: &[Tensor<D>],
    trunk: impl Fn(&[Tensor<D>]) -> Tensor<E>,
    heads: &[Head<'_, E>],
    shared: impl Fn(&Gradients) -> Result<Vec<f64>>,
) -> Result<Calibrated> {
    if features.is_empty() || heads.is_empty() {
        return Err(Error::mismatch(
            "at least one task and one modality",
            format!("{} and {}", heads.len(), features.len()),
            "calibration",
        ));
    }
    let cut = |what: &str| Error::mismatch("a gradient", "none", what.to_owned());
    let mut out = Calibrated {
        losses: Vec::new(),
        shared: Vec::new(),
        weights: Vec::new(),
        norms: Vec::new(),
        factors: Vec::new(),
        heads: Vec::new(),
        trunk: Vec::new(),
        branches: Vec::new(),
    };
    let mut at_features: Vec<Vec<Tensor<D>>> = Vec::with_capacity(heads.len());
    for head in heads {
        let leaves: Vec<Tensor<D>> = features.iter().map(|f| f.clone().detach().require_grad()).collect();
        let output = trunk(&leaves);
        let leaf = output.clone().detach().require_grad();
        let loss = head(leaf.clone());
        out.losses.extend(flat(loss.clone())?.first());
        let of_head = loss.backward();
        let arriving = leaf.grad(&of_head).ok_or_else(|| cut("the output of the trunk"))?;
        let of_trunk = (output * Tensor::from_inner(arriving)).sum().backward();
        out.shared.push(shared(&of_trunk)?);
        let reached = leaves.iter().map(|leaf| leaf.grad(&of_trunk).ok_or_else(|| cut("the features of a modality")));
        at_features.push(reached.collect::<Result<_>>()?);
        out.heads.push(of_head);
        out.trunk.push(of_trunk);
    }
    out.weights = rules::weights(settings.inter, &out.shared);
    let mut arriving = Vec::with_capacity(features.len());
    for modality in 0..features.len() {
        let parts = at_features.iter().zip(&out.weights).filter_map(|(task, w)| task.get(modality).map(|g| g.clone() * *w));
        let sum = parts.reduce(|a, b| a + b).ok_or_else(|| cut("the features of a modality"))?;
        out.norms.push(flat(sum.clone())?.iter().map(|v| v * v).sum::<f64>().sqrt());
        arriving.push(sum);
    }
    out.factors = levels(settings.intra, &out.norms);
    for ((feature, gradient), factor) in features.iter().zip(arriving).zip(&out.factors) {
        out.branches.push((feature.clone() * Tensor::from_inner(gradient * *factor)).sum().backward());
    }
    Ok(out)
}

/// A tensor's values in a row.
///
/// # Errors
/// The device fails.
pub fn flat<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f64>> {
    let data = crate::nets::to_host(tensor)?.convert::<f64>();
    data.as_slice::<f64>().map(<[f64]>::to_vec).map_err(|e| Error::unavailable("a gradient", e.to_string()))
}
