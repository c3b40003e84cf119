//! One file per verb.

pub mod eval;
