//! A disk that is soon full.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// A disk of 400 KiB, where this process may mount one.
pub struct SmallDisk(pub PathBuf);

impl SmallDisk {
    /// Mounts it here, or says that it cannot.
    pub fn mount(at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=400k", "none"]).arg(at).output();
        let mounted = mounted.is_ok_and(|out| out.status.success());
        if !mounted {
            println!("skipped: no disk can be mounted here");
        }
        mounted.then(|| Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).output();
    }
}
