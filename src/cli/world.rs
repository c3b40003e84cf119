//! `sensorium world`: the embedded world as data sets on disk, and as a sheet of pictures.
//!
//! *In*: a town, its traffic, hour and weather. *Out*: a folder in a data set's layout with the truth beside, or one PNG.
//! *Invariant*: the same arguments give the same bytes.

mod sheet;

use super::eval::Progress;
use super::{Ending, Format, Result, output};
use crate::world::export::{ExportConfig, ExportLayout, export};
use crate::world::model::Sky;
use crate::world::motion::{EgoDriver, WorldConfig};
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

/// What can be done with the world.
#[derive(clap::Subcommand)]
pub enum Verb {
    /// Write it as a data set, ground truth included
    Export(ExportArgs),
    /// Draw one street at several hours, in several weathers, by several sensors
    Sheet(sheet::Args),
    /// Put it behind CARLA's own wire protocol, for the official client and ours
    Serve(super::serve::Args),
}

/// Which world.
#[derive(clap::Args)]
pub struct WorldArgs {
    /// The town: town-01 (4 junctions) to town-10 (100)
    #[arg(long, default_value = "town-03")]
    town: String,
    /// A town of so many junctions (4 to 100) instead, laid out by the seed
    #[arg(long)]
    junctions: Option<usize>,
    /// What chance depends on
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Moving vehicles
    #[arg(long, default_value_t = 30)]
    vehicles: usize,
    /// Pedestrians and cyclists
    #[arg(long, default_value_t = 20)]
    pedestrians: usize,
    /// Hour of the day, 0 to 24
    #[arg(long, default_value_t = 10.5)]
    hour: f64,
    /// Cloud cover, 0 to 1
    #[arg(long, default_value_t = 0.3)]
    clouds: f64,
    /// Rain, 0 to 1
    #[arg(long, default_value_t = 0.0)]
    rain: f64,
    /// Visibility in fog, metres
    #[arg(long, default_value_t = 20_000.0)]
    visibility: f64,
    /// Air temperature, degrees Celsius
    #[arg(long, default_value_t = 14.0)]
    celsius: f64,
}

impl WorldArgs {
    fn config(&self) -> WorldConfig {
        let Self { hour, clouds, rain, visibility, celsius, .. } = *self;
        WorldConfig {
            town: self.town.clone(),
            junctions: self.junctions,
            seed: self.seed,
            vehicles: self.vehicles,
            pedestrians: self.pedestrians,
            ego: EgoDriver::Expert,
            sky: Sky { hour, clouds, rain, visibility, celsius },
        }
    }
}

/// Names of the layouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum As {
    /// Infrared-visible pairs with MFNet labels: vi, ir, labels
    Irvis,
    /// Colour, depth and poses in the TUM layout
    Tum,
    /// Camera, LiDAR, calibration and boxes in KITTI's object layout
    Kitti,
    /// RGB-D of three cameras (320x160, fixed), classes, LiDAR, measurements: what LeTFuser and TransFuser train on
    Carla,
    /// A nuScenes v1.0 root: six cameras, LiDAR, radars, all tables, point labels, maps; a frame is a key frame
    Nuscenes,
}

/// Arguments of `world export`.
#[derive(clap::Args)]
pub struct ExportArgs {
    /// Layout of the data set
    #[arg(long = "as", value_enum)]
    layout: As,
    /// Folder to write, new or empty
    #[arg(long)]
    output: PathBuf,
    /// How many frames
    #[arg(long, default_value_t = 50)]
    frames: usize,
    /// Frames a second
    #[arg(long, default_value_t = 2.0)]
    rate: f64,
    /// Columns of the pictures [default: 640; nuscenes: 800, half of the original's]
    #[arg(long)]
    width: Option<usize>,
    /// Rows of the pictures [default: 480; nuscenes: 450]
    #[arg(long)]
    height: Option<usize>,
    /// Horizontal field of view, degrees [default: 80; nuscenes: 70, and 110 of the camera behind]
    #[arg(long)]
    fov: Option<f64>,
    /// Seconds that pass before the first frame
    #[arg(long, default_value_t = 5.0)]
    warm_up: f64,
    /// TUM: depth counts per metre; TUM's own 5000 end at 13 m
    #[arg(long, default_value_t = 200.0)]
    depth_scale: f32,
    /// nuScenes: key frames of a scene; 40 are the official 20 seconds
    #[arg(long, default_value_t = 40)]
    scene_frames: usize,
    #[command(flatten)]
    world: WorldArgs,
    /// How the summary is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Summary {
    version: u32,
    layout: String,
    frames: usize,
    output: String,
    /// Where a source of ours reads the layout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pipeline: Option<String>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} frames as {} in {}", self.frames, self.layout, self.output)?;
        self.pipeline.as_ref().map_or(Ok(()), |p| write!(f, "\nplay them: sensorium run {p}"))
    }
}

/// Does it.
pub(super) fn world(verb: &Verb) -> Result {
    match verb {
        Verb::Export(args) => write(args),
        Verb::Sheet(args) => sheet::sheet(args),
        Verb::Serve(args) => super::serve::serve(args),
    }
}

fn write(args: &ExportArgs) -> Result {
    let layout = match args.layout {
        As::Irvis => ExportLayout::Irvis,
        As::Tum => ExportLayout::Tum,
        As::Kitti => ExportLayout::Kitti,
        As::Carla => ExportLayout::Carla,
        As::Nuscenes => ExportLayout::Nuscenes,
    };
    let ([width, height], fov) = if layout == ExportLayout::Nuscenes { ([800, 450], 70.0) } else { ([640, 480], 80.0) };
    let config = ExportConfig {
        layout,
        output: args.output.clone(),
        world: args.world.config(),
        frames: args.frames,
        rate_hz: args.rate,
        size: [args.width.unwrap_or(width), args.height.unwrap_or(height)],
        fov: args.fov.unwrap_or(fov),
        warm_up_s: args.warm_up,
        depth_scale: args.depth_scale,
        scene_frames: args.scene_frames,
    };
    let progress = Progress::new("frames", args.frames);
    export(&config, |_| progress.step())?;
    drop(progress);
    let pipeline = Some(args.output.join("pipeline.toml")).filter(|p| p.exists()).map(|p| p.display().to_string());
    let layout = format!("{:?}", args.layout).to_lowercase();
    output::formatted(
        args.format,
        &Summary { version: 1, layout, frames: args.frames, output: args.output.display().to_string(), pipeline },
    )?;
    Ok(Ending::Done)
}
