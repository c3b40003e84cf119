//! Two ways to compare fragments behind one interface: by PairingNet, or by borders and colours alone.
//!
//! *In*: [`Shape`]s. *Out*: [`Known`], order of likelihood, similarity matrices. *Invariant*: what one way knows is never read by the other.

use super::describe::{Described, Describer};
use super::fit::Shape;
use super::signature::{signatures, similarity};
use crate::types::{Error, Result};
use ndarray::Array2;

/// How fragments are compared.
#[derive(Debug)]
pub enum Compare {
    /// By the network: searched by one vector a piece, matched by its points' features.
    Network(Box<Describer>),
    /// By the course of the border and the colours along it; nothing to search by.
    Borders,
}

/// What is known of a fragment beside its shape.
#[derive(Debug, Clone)]
pub enum Known {
    /// Features and vector.
    Network(Box<Described>),
    /// Signatures of the border, read forwards (as a source) and backwards (as a target).
    Border {
        /// Forwards.
        source: Vec<f32>,
        /// Backwards.
        target: Vec<f32>,
    },
}

impl Compare {
    /// Finds out what is to be known.
    ///
    /// # Errors
    /// The device fails, or the weights are not sound.
    pub fn know(&self, shape: &Shape) -> Result<Known> {
        Ok(match self {
            Self::Network(network) => Known::Network(Box::new(network.describe(shape)?)),
            Self::Borders => Known::Border { source: signatures(shape, false), target: signatures(shape, true) },
        })
    }

    /// Similarity of the source's points (rows) to the target's (columns).
    ///
    /// # Errors
    /// The device fails, or the pieces were described in another way.
    pub fn similarity(&self, source: &Known, target: &Known) -> Result<Array2<f32>> {
        match (self, source, target) {
            (Self::Network(network), Known::Network(source), Known::Network(target)) => network.similarity(source, target),
            (Self::Borders, Known::Border { source, .. }, Known::Border { target, .. }) => Ok(similarity(source, target)),
            _ => Err(Error::mismatch("fragments described in this way", "others", "a pair of fragments")),
        }
    }
}

impl Known {
    /// How likely two fragments are neighbours, -1..=1; 0 where there is nothing to tell by.
    pub fn likely(&self, other: &Self) -> f32 {
        match (self, other) {
            (Self::Network(a), Self::Network(b)) => a.cosine(b),
            _ => 0.0,
        }
    }
}
