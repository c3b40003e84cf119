//! `sensorium fragments`: pictures torn into fragments, and fragments laid side by side.

mod match_pairs;
mod published;
pub(super) mod set;
mod tear;

use super::Result;

/// What can be done with fragments.
#[derive(clap::Subcommand)]
pub enum Verb {
    /// Tear a picture into fragments, with the truth of where each belongs
    Tear(tear::Args),
    /// Align two fragments, or find every pair of a folder that fits
    Match(match_pairs::Args),
}

/// Does it.
pub(super) fn fragments(verb: &Verb) -> Result {
    match verb {
        Verb::Tear(args) => tear::tear(args),
        Verb::Match(args) => match_pairs::run(args),
    }
}
