//! Data that only some have.
#![allow(clippy::print_stdout)]

use std::path::{Path, PathBuf};

/// A folder or file of `../shared`, or a printed line.
pub fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(name);
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
    }
    path.exists().then_some(path)
}
