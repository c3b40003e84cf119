//! Tensors and readings to meaning: pure functions between encode and outcome.
