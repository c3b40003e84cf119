//! Infrared-visible pairs with labels: `vi`, `ir`, `labels`.
//!
//! *Out*: 8-bit PNGs of one size; labels in MFNet's numbers; `calibration.json` with the common intrinsics.

use super::{ExportConfig, MOUNT, Writer, labels_of, rgb_of, save_grey, save_labels, save_rgb, thermal_of, write};
use crate::types::{Result, num};
use crate::world::live::{Live, Tick};
use crate::world::sensors::{Numbering, SensorKind, SensorSpec};

/// The layout.
pub(super) struct Irvis;

impl Writer for Irvis {
    fn rig(&self, config: &ExportConfig) -> Vec<SensorSpec> {
        let [width, height] = config.size;
        let camera = |name, kind| SensorSpec::new(name, kind).placed(MOUNT, 0.0).sized(width, height, config.fov).every(config.rate_hz);
        let labels = SensorSpec { numbering: Some(Numbering::Mfnet), ..camera("labels", SensorKind::Semantic) };
        vec![camera("visible", SensorKind::Rgb), camera("infrared", SensorKind::Thermal), labels]
    }
    fn folders(&self) -> &'static [&'static str] {
        &["vi", "ir", "labels"]
    }
    fn frame(&mut self, config: &ExportConfig, live: &Live, tick: &Tick, name: &str) -> Result<()> {
        let file = |folder: &str| config.output.join(folder).join(format!("{name}.png"));
        save_rgb(&file("vi"), rgb_of(live, tick, "visible")?)?;
        let thermal = thermal_of(live, tick, "infrared")?;
        let bytes: Vec<u8> = thermal.data().iter().map(|c| u8::try_from(*c).unwrap_or(u8::MAX)).collect();
        save_grey(&file("ir"), &bytes, thermal.width(), thermal.height())?;
        save_labels(&file("labels"), labels_of(live, tick, "labels")?)
    }
    fn finish(&mut self, config: &ExportConfig, live: &Live) -> Result<String> {
        let intrinsics = live.rig.sensors.first().and_then(|s| s.calibration.intrinsics);
        let text =
            serde_json::json!({ "version": 1, "intrinsics": intrinsics, "labels": "MFNet", "infrared": "8 bits, own gain per picture" });
        write(&config.output.join("calibration.json"), format!("{text:#}\n").as_bytes())?;
        Ok(format!(
            "# Plays this folder: sensorium run {0}/pipeline.toml\nname = \"world_irvis\"\nmode = \"offline\"\n\n[align]\nreference = \"visible\"\nwindow_ms = 1\n\n\
             [source.pairs]\nkind = \"ir_visible\"\nroot = {0:?}\nrate_hz = {1:?}\n\n\
             [stage.fuse]\nkind = \"fuse_classical\"\ninfrared = \"infrared\"\nvisible = \"visible\"\n\n[sink.results]\nkind = \"results\"\n",
            config.output.display().to_string().trim_matches('"'),
            num::f32(config.rate_hz)
        ))
    }
}
