//! Rerun: a recording, a spawned or distant viewer, a web viewer that works offline; several of them at once.
//!
//! *In*: packets. *Out*: entities below `world`, `sensors`, `results`, `metrics`, `state`, `log` on the timelines `sensor_time` and `bundle`.
//! *Invariant*: a slow viewer never holds up the run: what it cannot take is left out and counted, and closing has a time limit.
//! A frame is shown once, however many branches bring it. Only this folder knows Rerun.

mod blueprint;
mod figures;
mod frames;
mod open;
mod outcomes;
mod pen;

use crate::runtime::{Cx, Layout, Sink};
use crate::types::{Error, Packet, Result, SensorTime};
use ::rerun::TimeCell;
use open::Opened;
use pen::Pen;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Packets that may wait between us and a viewer before more are left out.
const BACKLOG: u64 = 64;
/// Time that the last data may take to reach file and viewer, and that closing them may. Together they are less than what by default
/// counts as hanging, so that what went wrong is told: Rerun waits for a writer that a full disk has ended.
const FLUSH: Duration = Duration::from_secs(6);
const CLOSE: Duration = Duration::from_secs(3);

/// What the colour of a point tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloudColour {
    /// Height in the vehicle frame, -2..4 m.
    #[default]
    Height,
    /// Reflectance, 0..1.
    Intensity,
    /// Distance from the sensor, 1..60 m, logarithmic.
    Distance,
}

/// A recording, a viewer, or both.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RerunConfig {
    /// File to record to (`.rrd`); in a configuration that names no place at all, `run.rrd` in the run's folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<PathBuf>,
    /// Start the native viewer (`rerun` of the same version on the PATH) and show the run in it.
    pub spawn: bool,
    /// Show the run in a viewer that listens here, for example `rerun+http://127.0.0.1:9876/proxy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<String>,
    /// Serve the web viewer; its address is logged.
    pub web: bool,
    /// Address that the web viewer is served on; `0.0.0.0` opens it to the network.
    pub web_host: String,
    /// Port of the web viewer's page; 0 takes a free one.
    pub web_port: u16,
    /// Port of the web viewer's data; 0 takes a free one.
    pub grpc_port: u16,
    /// Points of one cloud that are shown.
    pub max_points: usize,
    /// JPEG quality of colour pictures, 1..=100; 0 keeps raw pixels (larger, and less work).
    pub jpeg_quality: u8,
    /// Memory for data that a late viewer still gets; the oldest is dropped first.
    pub memory_limit: String,
    /// What the colour of a point tells.
    pub colour: CloudColour,
}

impl Default for RerunConfig {
    fn default() -> Self {
        Self {
            record: None,
            spawn: false,
            connect: None,
            web: false,
            web_host: "127.0.0.1".into(),
            web_port: 9090,
            grpc_port: 9876,
            max_points: 60_000,
            jpeg_quality: 85,
            memory_limit: "512MB".into(),
            colour: CloudColour::default(),
        }
    }
}

impl RerunConfig {
    /// Records to `run.rrd` in the run's folder where no place to show it was named.
    #[must_use]
    pub fn in_dir(mut self, dir: &std::path::Path) -> Self {
        if self.record.is_none() && !self.spawn && self.connect.is_none() && !self.web {
            self.record = Some(dir.join("run.rrd"));
        }
        self
    }
    /// The sink; files and servers are opened when the run starts.
    ///
    /// # Errors
    /// Where there is nowhere to send to, or a number is out of its range.
    pub fn build(self) -> Result<RerunSink> {
        if self.record.is_none() && !self.spawn && self.connect.is_none() && !self.web {
            return Err(Error::mismatch("one of record, spawn, connect, web", "none", "rerun"));
        }
        if self.jpeg_quality > 100 {
            return Err(Error::mismatch("0 to 100", self.jpeg_quality.to_string(), "rerun, jpeg_quality"));
        }
        open::memory_limit(&self.memory_limit)?;
        Ok(RerunSink { config: self, live: None, served: None })
    }
}

/// Shows and records what passes.
pub struct RerunSink {
    config: RerunConfig,
    live: Option<Live>,
    served: Option<Opened>,
}

impl Drop for RerunSink {
    fn drop(&mut self) {
        if let Some(opened) = self.served.take() {
            opened.close(CLOSE);
        }
    }
}

/// What exists between start and finish.
struct Live {
    opened: Opened,
    pen: Pen,
    frames: frames::Frames,
    outcomes: outcomes::Outcomes,
    figures: figures::Figures,
    taken: u64,
    arrived: Arc<AtomicU64>,
    left_out: u64,
}

impl RerunSink {
    /// The configuration.
    pub const fn config(&self) -> &RerunConfig {
        &self.config
    }
    /// Where a browser finds the web viewer, once the run has started.
    pub fn web_url(&self) -> Option<&str> {
        self.live.as_ref().and_then(|l| l.opened.web_url.as_deref())
    }
    /// Packets that were left out because the viewer did not keep up.
    pub fn left_out(&self) -> u64 {
        self.live.as_ref().map_or(0, |l| l.left_out)
    }
}

impl Live {
    /// Whether a viewer is so far behind that this packet is left out. A file alone is always waited for.
    fn behind(&mut self) -> bool {
        if !self.opened.viewer {
            return false;
        }
        if self.taken.saturating_sub(self.arrived.load(Ordering::Relaxed)) > BACKLOG {
            self.left_out += 1;
            return true;
        }
        self.taken += 1;
        false
    }
    /// Runs in the stream's own thread after everything sent so far was handed over.
    fn mark(&self) {
        if self.opened.viewer {
            let arrived = Arc::clone(&self.arrived);
            self.pen.stream.inspect_sink(move |_| {
                arrived.fetch_add(1, Ordering::Relaxed);
            });
        }
    }
}

/// A moment on the sensors' clock: a date where the stamps are plausible dates, else seconds since the clock's start.
fn moment(at: SensorTime) -> TimeCell {
    /// 1990, in nanoseconds since 1970.
    const DATES: i64 = 631_152_000_000_000_000;
    if at.nanos() > DATES { TimeCell::from_timestamp_nanos_since_epoch(at.nanos()) } else { TimeCell::from_duration_nanos(at.nanos()) }
}

impl Sink for RerunSink {
    fn start(&mut self, layout: &Layout, _cx: &Cx) -> Result<()> {
        let opened = open::open(&self.config, &layout.name)?;
        let pen = Pen::new(opened.stream.clone(), self.config.clone(), layout);
        let frames = frames::Frames::start(&pen, layout)?;
        blueprint::send(&pen, layout)?;
        if let Some(url) = &opened.web_url {
            tracing::info!("web viewer at {url}");
        }
        self.live = Some(Live {
            opened,
            pen,
            frames,
            outcomes: outcomes::Outcomes::default(),
            figures: figures::Figures::new(layout),
            taken: 0,
            arrived: Arc::default(),
            left_out: 0,
        });
        Ok(())
    }

    fn accept(&mut self, packet: &Packet, cx: &Cx) -> Result<()> {
        let Some(live) = self.live.as_mut() else {
            return Err(Error::mismatch("a started sink", "none", "rerun"));
        };
        if live.behind() {
            return Ok(());
        }
        live.pen.stream.set_time("sensor_time", moment(packet.head.at));
        live.pen.stream.set_time_sequence("bundle", i64::try_from(packet.head.seq).unwrap_or(i64::MAX));
        live.frames.show(&live.pen, packet)?;
        live.outcomes.show(&live.pen, packet)?;
        live.figures.show(&live.pen, packet, &cx.gauges())?;
        live.mark();
        Ok(())
    }

    /// A page that is served stays up until the sink is dropped, so that what was shown can still be looked at.
    fn finish(&mut self, _: &Cx) -> Result<()> {
        let Some(live) = self.live.take() else { return Ok(()) };
        if live.left_out > 0 {
            tracing::warn!("the viewer did not keep up: {} packets were not shown", live.left_out);
        }
        let Live { opened, pen, .. } = live;
        let flushed = pen.stream.flush_with_timeout(FLUSH);
        drop(pen);
        if opened.web_url.is_some() {
            self.served = Some(opened);
        } else {
            opened.close(CLOSE);
        }
        match (&self.config.record, flushed) {
            (Some(path), Err(e)) => Err(Error::io("write", path, e)),
            (Some(path), Ok(())) if self.served.is_none() => open::ended(path),
            (None, Err(e)) => {
                tracing::warn!("the viewer did not take the last data: {e}");
                Ok(())
            }
            (_, Ok(())) => Ok(()),
        }
    }
}
