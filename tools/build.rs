//! Tells the program which commit it was built from, for reports and benchmarks.
use std::process::Command;

fn main() {
    let git = |args: &[&str]| Command::new("git").args(args).output().ok().filter(|o| o.status.success());
    let text = |o: std::process::Output| String::from_utf8_lossy(&o.stdout).trim().to_owned();
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).map_or_else(|| "unknown".to_owned(), text);
    println!("cargo::rustc-env=SENSORIUM_COMMIT={commit}");
    println!("cargo::rerun-if-changed=tools/build.rs");
    if let Some(head) = git(&["rev-parse", "--git-path", "logs/HEAD"]).map(text).filter(|p| std::path::Path::new(p).exists()) {
        println!("cargo::rerun-if-changed={head}");
    }
}
