//! One line a period on standard error: where the run is and how it is doing.
//!
//! *In*: packets. *Out*: lines of text. *Invariant*: at most one line a period; a closed terminal is an error, never a panic.

use crate::runtime::{Cx, Layout, Sink};
use crate::types::{Error, HostTime, Outcome, Packet, Presence, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// Lines on standard error.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsoleConfig {
    /// Seconds between two lines; 0 prints one for each packet.
    #[serde(default = "one_second")]
    pub every_s: f64,
}

const fn one_second() -> f64 {
    1.0
}

impl Default for ConsoleConfig {
    fn default() -> Self {
        Self { every_s: one_second() }
    }
}

impl ConsoleConfig {
    /// The sink, on standard error.
    ///
    /// # Errors
    /// Where the period is negative or not finite.
    pub fn build(self) -> Result<ConsoleSink> {
        ConsoleSink::on(self, Box::new(std::io::stderr()))
    }
}

/// Prints one line a period.
pub struct ConsoleSink {
    config: ConsoleConfig,
    out: Box<dyn Write + Send>,
    last: Option<HostTime>,
    packets: u64,
    missing: BTreeMap<&'static str, u64>,
}

impl ConsoleSink {
    /// On any writer.
    ///
    /// # Errors
    /// Where the period is negative or not finite.
    pub fn on(config: ConsoleConfig, out: Box<dyn Write + Send>) -> Result<Self> {
        if !(config.every_s.is_finite() && config.every_s >= 0.0) {
            return Err(Error::mismatch("a period of 0 s or more", config.every_s.to_string(), "console, every_s"));
        }
        Ok(Self { config, out, last: None, packets: 0, missing: BTreeMap::new() })
    }

    fn line(&mut self, packet: &Packet, now: HostTime, elapsed: f64) -> Result<()> {
        let rate = if elapsed > 0.0 { self.packets as f64 / elapsed } else { 0.0 };
        let age = packet.head.lineage.age(now).as_secs_f64() * 1e3;
        let mut line = format!("#{:<6} t {:.3} s  age {age:.0} ms", packet.head.seq, packet.head.at.seconds());
        if rate > 0.0 {
            let _ = write!(line, "  {rate:.1} packets/s");
        }
        if !self.missing.is_empty() {
            let list: Vec<String> = self.missing.iter().map(|(sensor, count)| format!("{sensor} x{count}")).collect();
            let _ = write!(line, "  missing {}", list.join(", "));
        }
        for (stage, outcome) in &packet.outcomes {
            let _ = write!(line, "  {}", summary(stage, outcome));
        }
        writeln!(self.out, "{line}").and_then(|()| self.out.flush()).map_err(unwritten)
    }
}

fn unwritten(cause: std::io::Error) -> Error {
    Error::io("write to", Path::new("standard error"), cause)
}

/// An outcome in a few words.
fn summary(stage: &Arc<str>, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Fused(image) => format!("{stage}: fused {}x{}", image.width(), image.height()),
        Outcome::Segmentation(labels) => format!("{stage}: {}x{} labels", labels.labels.ncols(), labels.labels.nrows()),
        Outcome::Boxes3(boxes) => format!("{stage}: {} boxes", boxes.len()),
        Outcome::Cloud(cloud) => format!("{stage}: {} coloured points", cloud.positions.len()),
        Outcome::Projection(points) => format!("{stage}: {} points in {}", points.pixels.len(), points.camera),
        Outcome::Voxels(voxels) => format!("{stage}: {} voxels", voxels.indices.len()),
        Outcome::Confidence(image) => format!("{stage}: confidence of {}", image.of),
        Outcome::Map(map) => format!("{stage}: map of {} layers", map.layers.len()),
        Outcome::Trajectory(path) => format!("{stage}: {} way points", path.points.len()),
        Outcome::Matches(pairs) => format!("{stage}: {} pairs", pairs.len()),
        Outcome::Numbers(numbers) => {
            let list: Vec<String> = numbers.iter().map(|(name, value)| format!("{name} {value:.2}")).collect();
            format!("{stage}: {}", list.join(" "))
        }
        Outcome::Control(c) => {
            let gear = if c.reverse { " reverse" } else { "" };
            format!("{stage}: throttle {:.2} steer {:+.2} brake {:.2}{gear}", c.throttle, c.steer, c.brake)
        }
    }
}

impl Sink for ConsoleSink {
    fn start(&mut self, layout: &Layout, _cx: &Cx) -> Result<()> {
        for (stage, notice) in layout.stages.iter().filter_map(|(name, info)| Some((name, info.weights.as_ref()?.notice()?))) {
            writeln!(self.out, "{stage}: {notice}").map_err(unwritten)?;
        }
        Ok(())
    }
    fn accept(&mut self, packet: &Packet, _cx: &Cx) -> Result<()> {
        self.packets += 1;
        for (sensor, _) in packet.bundle.presence.iter().filter(|(_, p)| matches!(p, Presence::Missing | Presence::Rejected)) {
            *self.missing.entry(sensor.name()).or_default() += 1;
        }
        let now = HostTime::now();
        let elapsed = self.last.map(|last| now.since(last).as_secs_f64());
        if elapsed.is_some_and(|s| s < self.config.every_s) {
            return Ok(());
        }
        self.line(packet, now, elapsed.unwrap_or(0.0))?;
        (self.last, self.packets) = (Some(now), 0);
        self.missing.clear();
        Ok(())
    }
}
