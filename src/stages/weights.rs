//! What every stage with a network says of its parameters, so that report, viewer and console treat all networks alike.
//!
//! *In*: the configuration's `weights` and `seed`, the loader's report. *Out*: an [`Origin`] to build from, a [`WeightsInfo`] to show.
//! *Invariant*: parameters that no file brought are never passed off as trained.

use crate::nets::{Origin, Report};
use crate::runtime::WeightsInfo;

/// The named file or files, which must fit exactly; without, random parameters by the seed.
pub fn origin(weights: Option<&str>, seed: u64) -> Origin {
    match weights {
        Some(spec) => Origin::File { spec: spec.to_owned(), partial: false },
        None => Origin::Seed(seed),
    }
}

/// What [`crate::runtime::StageInfo::weights`] says after loading.
pub fn info(report: &Report) -> WeightsInfo {
    WeightsInfo { origin: report.origin.as_str().into(), digest: report.digest.as_str().into(), trained: report.is_trained() }
}
