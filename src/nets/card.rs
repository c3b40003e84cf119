//! What is known about each network, without building it: sizes, cost, licence, paper, training.
//!
//! *In*: nothing. *Out*: [`CARDS`], for `models list` and `models show`. *Invariant*: the numbers of a card are those of the network that
//! [`super::build`] makes (a test counts the parameters).

use crate::types::{Error, Result, nearest};

/// One preset of one network.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Card {
    /// The network.
    pub name: &'static str,
    /// `base` is the published configuration, `tiny` ours for live use.
    pub preset: &'static str,
    /// What it does.
    pub summary: &'static str,
    /// Values that take part in a pass, BatchNorm statistics left out.
    pub parameters: usize,
    /// Multiply-adds of one pass, in thousands of millions, by input height and width.
    pub gigamacs: &'static [(usize, usize, f64)],
    /// Name, shape and meaning of each input.
    pub inputs: &'static [(&'static str, &'static str, &'static str)],
    /// Name, shape and meaning of each output.
    pub outputs: &'static [(&'static str, &'static str, &'static str)],
    /// Sizes and options that a configuration may change: key, default, meaning.
    pub keys: &'static [(&'static str, &'static str, &'static str)],
    /// Terms of the published code and weights, and of this implementation.
    pub licence: &'static str,
    /// The paper.
    pub paper: &'static str,
    /// How the weights came to be.
    pub training: &'static str,
}

/// Every network and preset of this build.
pub static CARDS: &[Card] = &[
    super::letfuser::CARD_BASE,
    super::letfuser::CARD_TINY,
    super::segmif::CARD_BASE,
    super::segmif::CARD_TINY,
    super::fuller::CARD_BASE,
    super::fuller::CARD_TINY,
    super::fuller::CARD_FIXTURE,
    super::pairingnet::CARD_BASE,
    super::pairingnet::CARD_TINY,
];

/// The card of a network's preset.
///
/// # Errors
/// There is no such network or preset.
pub fn find(name: &str, preset: &str) -> Result<&'static Card> {
    let hint = |found: Option<&str>| found.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
    if !CARDS.iter().any(|c| c.name == name) {
        let close = nearest(name, CARDS.iter().map(|c| c.name));
        let mut names: Vec<&str> = CARDS.iter().map(|c| c.name).collect();
        names.dedup();
        return Err(Error::mismatch(format!("a network: {}", names.join(", ")), format!("`{name}`{}", hint(close)), "model"));
    }
    let presets: Vec<&str> = CARDS.iter().filter(|c| c.name == name).map(|c| c.preset).collect();
    CARDS.iter().find(|c| c.name == name && c.preset == preset).ok_or_else(|| {
        let close = nearest(preset, presets.iter().copied());
        Error::mismatch(format!("a preset of {name}: {}", presets.join(", ")), format!("`{preset}`{}", hint(close)), "preset")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_in_a_name_gets_a_hint() {
        assert_eq!(find("segmif", "tiny").unwrap().preset, "tiny");
        assert!(find("segmiff", "tiny").unwrap_err().to_string().contains("did you mean `segmif`"));
        assert!(find("segmif", "tinny").unwrap_err().to_string().contains("did you mean `tiny`"));
    }
}
