//! `sensorium world sheet`: one street at several hours, in several weathers, by several sensors, as one picture.
//!
//! *Out*: rows of hours and weathers; columns colour, depth, classes, heat, and the LiDAR in the camera's picture; captions above and beside.
//! The vehicle stands at the same place in all rows but that of rain, where traffic is slower.

use super::super::{Ending, Result, output};
use crate::eval::segmentation::font;
use crate::types::{Error, Payload, PointCloud, num};
use crate::world::live::{Live, LiveConfig, Tick};
use crate::world::model::Sky;
use crate::world::motion::{EgoDriver, WorldConfig};
use crate::world::sensors::{SensorKind, SensorSpec};
use nalgebra::Point3;
use std::path::PathBuf;

/// Arguments of `world sheet`.
#[derive(clap::Args)]
pub struct Args {
    /// The picture, PNG or JPEG by its ending
    #[arg(long)]
    output: PathBuf,
    /// The town
    #[arg(long, default_value = "town-01")]
    town: String,
    /// What chance depends on
    #[arg(long, default_value_t = 4)]
    seed: u64,
    /// Seconds that traffic moves before the pictures are taken
    #[arg(long, default_value_t = 44.0)]
    at: f64,
    /// Columns of one picture; it has half as many rows
    #[arg(long, default_value_t = 400)]
    width: usize,
}

/// Hours and weathers from top to bottom.
const SKIES: [(&str, Sky); 6] = [
    ("morning 10:30", Sky { hour: 10.5, clouds: 0.35, rain: 0.0, visibility: 20_000.0, celsius: 14.0 }),
    ("evening 17:24", Sky { hour: 17.4, clouds: 0.4, rain: 0.0, visibility: 20_000.0, celsius: 12.0 }),
    ("dusk 19:06", Sky { hour: 19.1, clouds: 0.3, rain: 0.0, visibility: 20_000.0, celsius: 9.0 }),
    ("night 22:30", Sky { hour: 22.5, clouds: 0.4, rain: 0.0, visibility: 20_000.0, celsius: 6.0 }),
    ("rain 13:00", Sky { hour: 13.0, clouds: 0.9, rain: 0.6, visibility: 20_000.0, celsius: 11.0 }),
    ("fog 08:30", Sky { hour: 8.5, clouds: 0.7, rain: 0.0, visibility: 70.0, celsius: 5.0 }),
];
/// Sensors from left to right; the LiDAR comes last.
const KINDS: [(&str, SensorKind); 4] = [
    ("colour", SensorKind::Rgb),
    ("depth", SensorKind::Depth),
    ("classes", SensorKind::Semantic),
    ("thermal infrared", SensorKind::Thermal),
];
const LIDAR: &str = "LiDAR intensity";
/// Pixels between pictures.
const GAP: usize = 4;
/// Pixels of a dot of the captions.
const DOT: usize = 2;
/// Room for a line of caption.
const CAPTION: usize = 9 * DOT + GAP;
const PAPER: u8 = 24;
const INK: u8 = 225;

type Rgb = [u8; 3];

/// Draws it.
pub(super) fn sheet(args: &Args) -> Result {
    if !(32..=2000).contains(&args.width) {
        return Err(Error::mismatch("32 to 2000 columns", args.width.to_string(), "--width"));
    }
    let (width, height) = (args.width, args.width / 2);
    let columns = KINDS.len() + 1;
    let (full_width, full_height) = (CAPTION + columns * (width + GAP), CAPTION + SKIES.len() * (height + GAP));
    let mut canvas = vec![PAPER; full_width * full_height * 3];
    let titles = KINDS.iter().map(|(title, _)| *title).chain([LIDAR]);
    for (column, title) in titles.enumerate() {
        let start = CAPTION + column * (width + GAP) + centred(title, width);
        write(title, |along, across| put(&mut canvas, full_width, [start + along, GAP + across]));
    }
    for (row, (title, sky)) in SKIES.iter().enumerate() {
        let top = CAPTION + row * (height + GAP);
        // Upwards.
        let start = top + height - centred(title, height);
        write(title, |along, across| put(&mut canvas, full_width, [GAP + across, start.saturating_sub(along + 1)]));
        let pictures = street(args, *sky, width, height)?;
        for (column, picture) in pictures.iter().enumerate() {
            for (y, line) in picture.chunks_exact(width).enumerate() {
                let start = ((top + y) * full_width + CAPTION + column * (width + GAP)) * 3;
                if let Some(target) = canvas.get_mut(start..start + width * 3) {
                    target.chunks_exact_mut(3).zip(line).for_each(|(t, p)| t.copy_from_slice(p));
                }
            }
        }
    }
    let saved = image::save_buffer(&args.output, &canvas, num::u32(full_width), num::u32(full_height), image::ExtendedColorType::Rgb8);
    saved.map_err(|e| Error::io("write", &args.output, e))?;
    output::note(&format!("{} hours and weathers, {columns} sensors: {}", SKIES.len(), args.output.display()));
    Ok(Ending::Done)
}

/// Where a caption starts, so that it stands in the middle of so many pixels.
fn centred(text: &str, room: usize) -> usize {
    let long = text.chars().count() * (num::usize(font::WIDTH) + 1) * DOT;
    room.saturating_sub(long) / 2
}

/// Gives every pixel of a line of text, by its place along the line and down from its top.
fn write(text: &str, mut pixel: impl FnMut(usize, usize)) {
    for (index, letter) in text.chars().enumerate() {
        for (row, bits) in font::rows(letter).into_iter().enumerate() {
            for column in (0..font::WIDTH).filter(|c| bits >> (font::WIDTH - 1 - c) & 1 == 1) {
                let (x, y) = ((index * (num::usize(font::WIDTH) + 1) + num::usize(column)) * DOT, row * DOT);
                (0..DOT * DOT).for_each(|k| pixel(x + k % DOT, y + k / DOT));
            }
        }
    }
}

fn put(canvas: &mut [u8], width: usize, [x, y]: [usize; 2]) {
    if let Some(pixel) = canvas.get_mut((y * width + x) * 3..(y * width + x + 1) * 3).filter(|_| x < width) {
        pixel.fill(INK);
    }
}

/// The pictures of one hour.
fn street(args: &Args, sky: Sky, width: usize, height: usize) -> Result<Vec<Vec<Rgb>>> {
    let camera = |kind: SensorKind| {
        let name = format!("{kind:?}");
        SensorSpec::new(&name, kind).placed([0.6, 0.0, 1.5], 0.0).sized(width, height, 85.0)
    };
    let lidar = SensorSpec::new("lidar", SensorKind::Lidar).placed([0.0, 0.0, 1.85], 0.0);
    let lidar = SensorSpec { beams: Some(48), columns: Some(1600), rolling: Some(false), ..lidar };
    let sensors: Vec<SensorSpec> = KINDS.iter().map(|(_, k)| camera(*k)).chain([lidar]).collect();
    let world =
        WorldConfig { town: args.town.clone(), seed: args.seed, ego: EgoDriver::Expert, sky, pedestrians: 60, ..WorldConfig::default() };
    let mut live = Live::new(&LiveConfig { world, sensors, step_hz: 10.0, warm_up_s: args.at, parked: false, place: [0.0; 4] })?;
    let tick = live.advance()?;
    let mut pictures: Vec<Vec<Rgb>> = tick.readings.iter().filter_map(|r| picture(&r.payload)).collect();
    let dots = tick.readings.iter().find_map(|r| if let Payload::Cloud(cloud) = &r.payload { Some(cloud) } else { None });
    if let (Some(cloud), Some(colour)) = (dots, pictures.first().cloned()) {
        pictures.push(dotted(&live, &tick, cloud, colour, width));
    }
    Ok(pictures)
}

fn picture(payload: &Payload) -> Option<Vec<Rgb>> {
    Some(match payload {
        Payload::Rgb(p) => p.data().chunks_exact(3).filter_map(|c| c.try_into().ok()).collect(),
        Payload::Depth(p) => {
            p.metres.iter().map(|d| turbo(if d.is_nan() { 1.0 } else { ((d / 2.0).ln() / 4.2).clamp(0.0, 1.0) })).collect()
        }
        Payload::Labels(p) => {
            let colour = |l: &u16| p.classes.classes.get(usize::from(*l)).map_or([0; 3], |(_, c)| *c);
            p.labels.iter().map(colour).collect()
        }
        Payload::Thermal(p) => p.data().iter().map(|c| [num::level(p.fraction(*c) * 255.0); 3]).collect(),
        _ => return None,
    })
}

/// The LiDAR's points by intensity over the darkened picture.
fn dotted(live: &Live, tick: &Tick, cloud: &PointCloud, colour: Vec<Rgb>, width: usize) -> Vec<Rgb> {
    let mut picture: Vec<Rgb> = colour.into_iter().map(|c| c.map(|v| v / 3)).collect();
    let (Some(camera), Some(lidar)) = (live.rig.sensors.first(), live.rig.sensors.last()) else { return picture };
    let camera_from_lidar = camera.pose(&tick.ego).inverse() * lidar.pose(&tick.ego);
    let Some(k) = camera.calibration.intrinsics else { return picture };
    for point in cloud.points() {
        let at = camera_from_lidar * Point3::from(point.position.map(f64::from));
        let Some(p) = k.project(&at) else { continue };
        if let (Some(x), Some(y)) = (num::pixel(p.x, k.width), num::pixel(p.y, k.height))
            && let Some(slot) = picture.get_mut(y * width + x)
        {
            *slot = turbo(point.intensity.sqrt());
        }
    }
    picture
}

/// Blue over green to red, for a fraction.
fn turbo(t: f32) -> Rgb {
    let t = if t.is_finite() { t.clamp(0.0, 1.0) } else { 1.0 };
    let bump = |middle: f32, wide: f32| (1.0 - ((t - middle) / wide).powi(2)).max(0.0);
    [bump(0.80, 0.42), bump(0.50, 0.45), bump(0.22, 0.34)].map(|v| num::level(30.0 + 215.0 * v))
}
