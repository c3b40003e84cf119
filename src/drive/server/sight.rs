//! Cameras, LiDARs and radars of clients, through the world's own sensors.
//!
//! *In*: sensors wanted at one instant. *Out*: message bodies. Cameras at one place with one lens are drawn once. *Frames*: the wire's
//! sensor frame (x forward, y right, z up) outside, the world's (y left; cameras x right, y down, z forward) inside.
//! *Invariant*: the same instant, attributes and ids give the same bytes.

use crate::carla::server::{Said, Wanted};
use crate::carla::{ActorDescription, Detection, Image, SensorKind, Sweep as SweepHead, axes};
use crate::types::{Intrinsics, Result, num};
use crate::world::sensors::{Camera, Carrier, LidarSpec, Moment, Numbering, RadarSpec, Shot, Sweep, View, scan, sweep};
use nalgebra::{Isometry3, Matrix3, Rotation3, Translation3, UnitQuaternion};

/// Far plane of depth pictures, metres.
const FAR: f32 = 1000.0;
/// Pixels of the largest picture.
const MOST_PIXELS: f64 = 16e6;

/// A sensor's attributes, read once.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Mount {
    Camera {
        width: usize,
        height: usize,
        fov: f64,
        pictures: u32,
    },
    Lidar(Beams),
    Radar(RadarSpec, f64),
    /// Needs nothing from here.
    Other {
        distance: f64,
    },
}

/// A LiDAR's attributes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Beams {
    spec: LidarSpec,
    points: f64,
    turns: f64,
    attenuation: f64,
    /// Share lost by chance, intensity above which none is, share lost at intensity 0.
    drop: [f64; 3],
    /// Where the last part of a turn ended, radians, clockwise from ahead.
    angle: f64,
    made: u32,
}

fn count(v: f64) -> usize {
    num::usize(u32::try_from(num::round_i64(v)).unwrap_or(0))
}

/// Reads a sensor's attributes.
pub(crate) fn mount(kind: SensorKind, what: &ActorDescription) -> Said<Mount> {
    let get = |id: &str, default: f64, low: f64, high: f64| -> Said<f64> {
        let value = what.number(id, default).map_err(|e| e.to_string())?;
        if (low..=high).contains(&value) { Ok(value) } else { Err(format!("{}: {id} should be {low} to {high}, is {value}", what.id)) }
    };
    if kind.camera() {
        let (w, h) = (get("image_size_x", 800.0, 1.0, 8192.0)?, get("image_size_y", 600.0, 1.0, 8192.0)?);
        if w * h > MOST_PIXELS {
            return Err(format!("{}: {w}x{h} pixels are more than {MOST_PIXELS}", what.id));
        }
        return Ok(Mount::Camera { width: count(w), height: count(h), fov: get("fov", 90.0, 1.0, 170.0)?, pictures: 0 });
    }
    match kind {
        SensorKind::Lidar | SensorKind::SemanticLidar => {
            let points = get("points_per_second", 56_000.0, 1.0, 1e7)?;
            let (beams, turns) = (get("channels", 32.0, 1.0, 512.0)?, get("rotation_frequency", 10.0, 0.1, 200.0)?);
            let columns = (points / beams / turns).round().clamp(1.0, 20_000.0);
            let spec = LidarSpec {
                beams: count(beams),
                lowest: get("lower_fov", -30.0, -90.0, 90.0)?,
                highest: get("upper_fov", 10.0, -90.0, 90.0)?,
                columns: count(columns),
                range: get("range", 10.0, 0.1, 1000.0)?,
                noise: get("noise_stddev", 0.0, 0.0, 10.0)?,
                dropout: 0.0,
                rolling: false,
            };
            let plain = kind == SensorKind::Lidar;
            let drop = if plain {
                [
                    get("dropoff_general_rate", 0.45, 0.0, 1.0)?,
                    get("dropoff_intensity_limit", 0.8, 0.0, 1.0)?,
                    get("dropoff_zero_intensity", 0.4, 0.0, 1.0)?,
                ]
            } else {
                [0.0; 3]
            };
            let attenuation = get("atmosphere_attenuation_rate", 0.004, 0.0, 10.0)?;
            Ok(Mount::Lidar(Beams { spec, points: columns, turns, attenuation, drop, angle: 0.0, made: 0 }))
        }
        SensorKind::Radar => {
            let fov = get("horizontal_fov", 30.0, 1.0, 179.0)?;
            let vertical = get("vertical_fov", 30.0, 1.0, 179.0)?;
            Ok(Mount::Radar(RadarSpec { fov, range: get("range", 100.0, 1.0, 1000.0)?, ..RadarSpec::default() }, vertical))
        }
        _ => Ok(Mount::Other { distance: get("distance", 5.0, 0.0, 1000.0)? }),
    }
}

/// World from camera (x right, y down, z forward), of a sensor's pose (x forward, y left, z up).
pub(crate) fn camera_pose(sensor: &Isometry3<f64>) -> Isometry3<f64> {
    let turn = Matrix3::new(0.0, 0.0, 1.0, -1.0, 0.0, 0.0, 0.0, -1.0, 0.0);
    let turn = UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(turn));
    sensor * Isometry3::from_parts(Translation3::identity(), turn)
}

/// Pinhole of CARLA: one focal length, principal point in the middle of the picture.
pub(crate) fn lens(width: usize, height: usize, fov: f64) -> Result<Intrinsics> {
    let f = width as f64 / (2.0 * (fov.to_radians() / 2.0).tan());
    Intrinsics::new(width, height, f, f, width as f64 / 2.0 - 0.5, height as f64 / 2.0 - 0.5)
}

/// Fills in what cameras with the same place and lens see.
pub(crate) fn look(moment: &Moment, mounts: &mut [(&mut Mount, &mut Wanted)]) -> Result<()> {
    let Some((Mount::Camera { width, height, fov, .. }, first)) = mounts.first().map(|(m, w)| (&**m, &**w)) else { return Ok(()) };
    let (width, height, fov) = (*width, *height, *fov);
    let pose = camera_pose(&axes::isometry(&first.transform));
    let view = View::new(moment, Shot { pose, intrinsics: lens(width, height, fov)?, fine: false, skip: None })?;
    for (mount, wanted) in mounts {
        let Mount::Camera { pictures, .. } = &mut **mount else { continue };
        let out = &mut wanted.message;
        out.reserve(16 + width * height * 4);
        Image::head(width, height, num::f32(fov), out);
        match wanted.kind {
            SensorKind::Rgb => {
                let camera = Camera { noise: 1.0, seed: wanted.id, frame: *pictures };
                let picture = view.rgb(view.shadows().as_ref(), &camera)?;
                fill(out, picture.data().as_chunks::<3>().0.iter().map(|[r, g, b]| [*b, *g, *r, 255]));
            }
            SensorKind::Depth => fill(out, view.depth(FAR).metres.iter().map(|d| depth_pixel(*d))),
            SensorKind::Semantic => {
                fill(out, view.semantic(Numbering::Carla).labels.iter().map(|t| [0, 0, num::level(f32::from(*t)), 255]));
            }
            SensorKind::Instance => {
                let tags = view.semantic(Numbering::Carla).labels;
                let ids = view.instances();
                for (tag, id) in tags.iter().zip(ids.iter()) {
                    let [low, high, ..] = id.to_le_bytes();
                    out.extend([high, low, num::level(f32::from(*tag)), 255]);
                }
            }
            _ => continue,
        }
        *pictures = pictures.wrapping_add(1);
        wanted.ready = true;
    }
    Ok(())
}

/// Appends pixels: room first, then one pass, which is several times faster than growing byte by byte.
fn fill(out: &mut Vec<u8>, pixels: impl ExactSizeIterator<Item = [u8; 4]>) {
    let start = out.len();
    out.resize(start + 4 * pixels.len(), 0);
    let room = out.get_mut(start..).unwrap_or_default().as_chunks_mut::<4>().0;
    room.iter_mut().zip(pixels).for_each(|(to, pixel)| *to = pixel);
}

/// Depth as B, G, R, A: 24 bits of 1000 m, the lowest in R.
pub(crate) fn depth_pixel(metres: f32) -> [u8; 4] {
    let share = if metres.is_nan() { 1.0 } else { f64::from(metres / FAR).clamp(0.0, 1.0) };
    let level = u32::try_from(num::round_i64(share * 16_777_215.0)).unwrap_or(0);
    let [r, g, b, _] = level.to_le_bytes();
    [b, g, r, 255]
}

fn carrier(wanted: &Wanted) -> Carrier {
    let v = axes::vector(&wanted.velocity);
    let at = axes::isometry(&wanted.transform).translation.vector;
    Carrier { at: at.into(), velocity: v.into(), yaw_rate: 0.0 }
}

/// A number in 0..1 from some bits.
fn chance(seed: u32, n: u32) -> f64 {
    let mut z = u64::from(seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ u64::from(n).wrapping_mul(0xD134_2543_DE82_EF95);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    ((z ^ (z >> 27)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Fills in a part of a LiDAR's turn.
pub(crate) fn turn(moment: &Moment, beams: &mut Beams, wanted: &mut Wanted) -> Result<()> {
    let pose = axes::isometry(&wanted.transform);
    let seed = wanted.id.wrapping_mul(7919).wrapping_add(beams.made);
    let whole: Sweep = sweep(moment, &pose, &carrier(wanted), &beams.spec, 0.0, seed, None)?;
    beams.made = beams.made.wrapping_add(1);
    let arc = std::f64::consts::TAU * beams.turns * wanted.delta;
    let from = beams.angle;
    beams.angle = (from + arc).rem_euclid(std::f64::consts::TAU);
    let semantic = wanted.kind == SensorKind::SemanticLidar;
    let mut channels: Vec<Vec<u8>> = vec![Vec::new(); beams.spec.beams];
    let mut n = 0_u32;
    for (((point, instance), tag), facing) in whole.points.iter().zip(&whole.instances).zip(&whole.tags).zip(&whole.facing) {
        let [x, y, z] = point.position;
        let azimuth = (f64::from(-y).atan2(f64::from(x)) - from).rem_euclid(std::f64::consts::TAU);
        let range = f64::from(x.hypot(y).hypot(z));
        n = n.wrapping_add(1);
        if (arc < std::f64::consts::TAU - 1e-6 && azimuth >= arc) || range > beams.spec.range {
            continue;
        }
        let intensity = (-beams.attenuation * range).exp();
        if lost(intensity, beams.drop, chance(seed, n)) {
            continue;
        }
        // Ring 0 is the lowest beam; CARLA counts from the highest.
        let channel = beams.spec.beams.saturating_sub(1 + usize::from(point.ring));
        let Some(bytes) = channels.get_mut(channel) else { continue };
        [x, -y, z].iter().for_each(|v| bytes.extend(v.to_le_bytes()));
        if semantic {
            bytes.extend(facing.to_le_bytes());
            bytes.extend(instance.to_le_bytes());
            bytes.extend(u32::from(*tag as u8).to_le_bytes());
        } else {
            bytes.extend(num::f32(intensity).to_le_bytes());
        }
    }
    let size = if semantic { SweepHead::SEMANTIC_POINT } else { SweepHead::POINT };
    let counts: Vec<u32> = channels.iter().map(|c| num::u32(c.len() / size)).collect();
    SweepHead::head(num::f32(beams.angle), &counts, &mut wanted.message);
    channels.iter().for_each(|c| wanted.message.extend(c));
    wanted.ready = true;
    Ok(())
}

/// Whether a return is lost: some by chance, and of the weak ones a share that grows as they get weaker.
fn lost(intensity: f64, [general, limit, zero]: [f64; 3], chance: f64) -> bool {
    let weak = if intensity < limit && limit > 0.0 { zero * (1.0 - intensity / limit) } else { 0.0 };
    chance < 1.0 - (1.0 - general) * (1.0 - weak)
}

/// Fills in a radar's returns.
pub(crate) fn listen(moment: &Moment, spec: &RadarSpec, vertical: f64, wanted: &mut Wanted) -> Result<()> {
    let pose = axes::isometry(&wanted.transform);
    let seed = wanted.id.wrapping_mul(104_729).wrapping_add(u32::try_from(moment.step & 0xFFFF_FFFF).unwrap_or(0));
    let found = scan(moment, &pose, &carrier(wanted), spec, seed, Some(wanted.parent))?;
    for r in &found.returns {
        let [x, y, z] = r.position;
        let depth = x.hypot(y).hypot(z);
        let altitude = z.atan2(x.hypot(y));
        if f64::from(altitude).abs() <= vertical.to_radians() / 2.0 {
            Detection { velocity: r.range_rate, azimuth: (-y).atan2(x), altitude, depth }.write(&mut wanted.message);
        }
    }
    wanted.ready = true;
    Ok(())
}
