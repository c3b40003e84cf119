//! A source, a stage and a sink of one's own, from a configuration to a report: the example that the README points to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use sensorium::config::{Document, Kind, Plan, Registry, Site};
use sensorium::runtime::{Cx, Outlet, Policy, Reading, SensorInfo, Sink, Source, Stage, StageInfo, Stop};
use sensorium::types::{Calibration, Frame, Modality, Outcome, Packet, Payload, Result, RgbImage, SensorId, SensorTime};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A camera that sees a grey ramp.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RampConfig {
    /// Pictures to give.
    frames: u64,
}
struct Ramp {
    left: u64,
    calibration: Arc<Calibration>,
}
impl Source for Ramp {
    fn sensors(&self) -> Vec<SensorInfo> {
        vec![SensorInfo { id: SensorId::new("ramp"), modality: Modality::Rgb, calibration: Arc::clone(&self.calibration) }]
    }
    fn next(&mut self, _: &Cx) -> Result<Reading> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(Reading::End) };
        let captured = SensorTime::from_nanos(i64::try_from(1000 - self.left).unwrap_or(0) * 100_000_000);
        self.left = left;
        let payload = Payload::Rgb(Arc::new(RgbImage::new(16, 1, (0..48).collect::<Vec<u8>>())?));
        Ok(Reading::Frame(Frame::new(SensorId::new("ramp"), 0, captured, Arc::clone(&self.calibration), payload)))
    }
}

/// Turns a camera's picture to its negative.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NegativeConfig {
    /// Whose picture.
    camera: SensorId,
}
struct Negative(SensorId);
impl Stage for Negative {
    fn info(&self) -> StageInfo {
        StageInfo { requires: vec![self.0], ..StageInfo::default() }
    }
    fn process(&mut self, mut packet: Packet, out: &mut Outlet<'_>, _: &Cx) -> Result<()> {
        if let Some(Payload::Rgb(picture)) = packet.bundle.frame(self.0).map(|f| &f.payload) {
            let negative = picture.data().iter().map(|v| 255 - v).collect::<Vec<u8>>();
            let picture = RgbImage::new(picture.width(), picture.height(), negative)?;
            packet.outcomes.push((out.stage(), Outcome::Fused(Arc::new(picture))));
        }
        out.send(packet);
        Ok(())
    }
}

/// Counts pictures.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CountConfig {}
struct Count(Arc<AtomicU64>);
impl Sink for Count {
    fn accept(&mut self, packet: &Packet, _: &Cx) -> Result<()> {
        self.0.fetch_add(packet.outcomes.len() as u64, Ordering::SeqCst);
        Ok(())
    }
}

#[test]
fn ones_own_source_stage_and_sink_run_from_a_configuration() {
    let counted = Arc::new(AtomicU64::new(0));
    let shared = Arc::clone(&counted);
    let registry =
        Registry::default()
            .with_source(Kind::new("ramp", "a grey ramp", Policy::Block(2), |c: RampConfig, _: &Site| {
                Ok(Box::new(Ramp { left: c.frames, calibration: Arc::new(Calibration::unknown("ramp")) }) as _)
            }))
            .with_stage(Kind::new("negative", "a negative", Policy::Latest, |c: NegativeConfig, _: &Site| {
                Ok(Box::new(Negative(c.camera)) as _)
            }))
            .with_sink(Kind::new("count", "counts", Policy::Latest, move |_: CountConfig, _: &Site| {
                Ok(Box::new(Count(Arc::clone(&shared))) as _)
            }));
    let text = "name = 'own'\nmode = 'offline'\n[source.cam]\nkind = 'ramp'\nframes = 5\n\
                [stage.neg]\nkind = 'negative'\ncamera = 'ramp'\n[sink.count]\nkind = 'count'\n";
    let document = Document::parse(text, Path::new("own.toml")).unwrap();
    let plan = Plan::of(&document, &registry).map_err(|p| format!("{p:?}")).unwrap();
    let pipeline = plan.build(&document, &registry, &Site::default()).map_err(|p| format!("{p:?}")).unwrap();
    let report = pipeline.run(&Stop::default()).unwrap();
    assert!(report.kept_its_promise(), "{report}");
    assert_eq!(counted.load(Ordering::SeqCst), 5);
}
