//! Colour and depth in the layout of the TUM RGB-D benchmark.
//!
//! *Out*: `rgb/STAMP.png`, `depth/STAMP.png` (16 bits, `depth_scale` counts per metre, 0 for a hole and beyond what 16 bits hold), their lists,
//! `groundtruth.txt` (world from camera), `labels/STAMP.png` (CARLA's numbers).

use super::{ExportConfig, MOUNT, Writer, depth_of, labels_of, rgb_of, save_grey16, save_labels, save_rgb, write};
use crate::types::{Error, Result, num};
use crate::world::live::{Live, Tick};
use crate::world::sensors::{SensorKind, SensorSpec};
use std::fmt::Write as _;

/// The layout, and its lists so far.
#[derive(Default)]
pub(super) struct Tum {
    rgb: String,
    depth: String,
    truth: String,
}

impl Writer for Tum {
    fn rig(&self, config: &ExportConfig) -> Vec<SensorSpec> {
        let [width, height] = config.size;
        let camera = |name, kind| SensorSpec::new(name, kind).placed(MOUNT, 0.0).sized(width, height, config.fov).every(config.rate_hz);
        vec![camera("colour", SensorKind::Rgb), camera("depth", SensorKind::Depth), camera("labels", SensorKind::Semantic)]
    }
    fn folders(&self) -> &'static [&'static str] {
        &["rgb", "depth", "labels"]
    }
    fn frame(&mut self, config: &ExportConfig, live: &Live, tick: &Tick, _: &str) -> Result<()> {
        let stamp = format!("{:.6}", tick.at.seconds());
        let file = |folder: &str| config.output.join(folder).join(format!("{stamp}.png"));
        save_rgb(&file("rgb"), rgb_of(live, tick, "colour")?)?;
        let depth = depth_of(live, tick, "depth")?;
        let count = |d: &f32| {
            let count = d * config.depth_scale;
            if count < 65_535.0 { num::level16(count) } else { 0 }
        };
        save_grey16(&file("depth"), depth.metres.iter().map(count).collect(), depth.width(), depth.height())?;
        save_labels(&file("labels"), labels_of(live, tick, "labels")?)?;
        let camera = live.rig.sensors.first().map(|s| s.pose(&tick.ego)).ok_or_else(|| Error::mismatch("a camera", "none", "export"))?;
        let (t, q) = (camera.translation, camera.rotation);
        let failed = |e: std::fmt::Error| Error::mismatch("a line", e.to_string(), "export");
        writeln!(self.rgb, "{stamp} rgb/{stamp}.png").map_err(failed)?;
        writeln!(self.depth, "{stamp} depth/{stamp}.png").map_err(failed)?;
        writeln!(self.truth, "{stamp} {:.9} {:.9} {:.9} {:.12} {:.12} {:.12} {:.12}", t.x, t.y, t.z, q.i, q.j, q.k, q.w).map_err(failed)
    }
    fn finish(&mut self, config: &ExportConfig, live: &Live) -> Result<String> {
        let lists = [("rgb.txt", "# colour pictures", &self.rgb), ("depth.txt", "# depth pictures", &self.depth)];
        for (name, title, lines) in
            lists.into_iter().chain([("groundtruth.txt", "# stamp tx ty tz qx qy qz qw, world from camera", &self.truth)])
        {
            write(&config.output.join(name), format!("{title}\n{lines}").as_bytes())?;
        }
        let k =
            live.rig.sensors.first().and_then(|s| s.calibration.intrinsics).ok_or_else(|| Error::mismatch("a camera", "none", "export"))?;
        Ok(format!(
            "# Plays this folder. Depth is in {4} counts per metre, since a street is deeper than a room.\nname = \"world_tum\"\nmode = \"offline\"\n\n[align]\n\
             reference = \"depth\"\nwindow_ms = 1\n\n[source.camera]\nkind = \"rgbd\"\nroot = {5:?}\ndepth_scale = {4:?}\nfx = {0:?}\nfy = {1:?}\ncx = {2:?}\ncy = {3:?}\n\n\
             [stage.cloud]\nkind = \"depth_cloud\"\ndepth = \"depth\"\ncolour = \"colour\"\nstride = 2\n\n[sink.results]\nkind = \"results\"\n",
            k.fx,
            k.fy,
            k.cx,
            k.cy,
            config.depth_scale,
            config.output.display().to_string()
        ))
    }
}
