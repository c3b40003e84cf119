//! Torn picture fragments: outlines, what the network reads of them, how two borders are laid upon each other, and how pictures are torn.
//!
//! *Frames*: a fragment's pixels, columns x to the right and rows y down, pixel centres at whole numbers. Contours are stored as (row, column),
//! as the network reads them; everything geometric is (x, y). *Invariant*: the same input and seed give the same result.

pub mod compare;
pub mod describe;
pub mod fit;
pub mod opening;
pub mod outline;
pub mod patches;
pub mod register;
pub mod seam;
pub mod signature;
pub mod tear;

pub use compare::{Compare, Known};
pub use describe::{Described, Describer};
pub use fit::{Fit, Rules, Shape, fit, placed};
pub use outline::{Outline, outline};
