//! What this machine and build are, for reports and benchmarks.

use serde::Serialize;

/// Processor, memory, build.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// The processor's own name.
    pub processor: String,
    /// Its vector unit, as our kernels use it.
    pub vectors: &'static str,
    /// Hardware threads that this process may use.
    pub threads: usize,
    /// Main memory, GiB.
    pub memory_gib: f64,
    /// Operating system and architecture.
    pub system: String,
    /// Of the program.
    pub version: &'static str,
    /// Commit that it was built from.
    pub commit: &'static str,
    /// Cargo features of this build.
    pub features: Vec<&'static str>,
}

impl Machine {
    /// This one.
    pub fn this() -> Self {
        let read = |path: &str, key: &str| {
            let text = std::fs::read_to_string(path).ok()?;
            text.lines().find_map(|l| l.strip_prefix(key).and_then(|r| r.split_once(':')).map(|(_, v)| v.trim().to_owned()))
        };
        let kib = read("/proc/meminfo", "MemTotal").and_then(|v| v.split_whitespace().next().and_then(|n| n.parse::<f64>().ok()));
        Self {
            processor: read("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned()),
            vectors: crate::nets::vector_unit(),
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_gib: kib.unwrap_or(0.0) / f64::from(1 << 20),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            version: env!("CARGO_PKG_VERSION"),
            commit: env!("SENSORIUM_COMMIT"),
            features: [
                ("viewer", cfg!(feature = "viewer")),
                ("cuda", cfg!(feature = "cuda")),
                ("wgpu", cfg!(feature = "wgpu")),
                ("opencv", cfg!(feature = "opencv")),
            ]
            .iter()
            .filter(|(_, on)| *on)
            .map(|(name, _)| *name)
            .collect(),
        }
    }
    /// One line for people.
    pub fn line(&self) -> String {
        format!(
            "{} ({}), {} threads, {:.0} GiB, {}; sensorium {} at {}",
            self.processor, self.vectors, self.threads, self.memory_gib, self.system, self.version, self.commit
        )
    }
}

/// A line of this process's memory account (`VmRSS` now, `VmHWM` at its most) in bytes; 0 where the system does not tell.
pub(super) fn memory_bytes(key: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':'));
    line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}
/// The same in MiB.
pub(super) fn memory_mib(key: &str) -> f64 {
    memory_bytes(key) as f64 / f64::from(1 << 20)
}
