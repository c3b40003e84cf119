//! Frames and calibrations to bytes and back. The layouts are in the parent module's table.
//!
//! *In / Out*: one message's bytes. *Invariant*: `decode(encode(x))` equals `x` to the bit, NaN payloads included.

use super::wire::{Bytes, Put, f32s, u16s};
use super::{Pools, VERSION, annotation};
use crate::types::{
    Calibration, ClassList, DepthImage, Distortion, EgoState, Error, Fragment, Frame, FrameId, Gnss, HostTime, Imu, Intrinsics, LabelImage,
    LidarPoint, Modality, Payload, PointCloud, Pose, RadarReturn, RadarScan, Result, RgbImage, SensorTime, ThermalImage, num,
};
use nalgebra::{Isometry3, Quaternion, Translation3, UnitQuaternion};
use ndarray::Array2;
use std::sync::Arc;

/// A frame as it was recorded; its sensor is the channel's, its calibration the sensor's `calibration`-th.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameRecord {
    /// Counts the sensor's calibrations in this recording from 0.
    pub calibration: u32,
    /// The frame's number.
    pub seq: u64,
    /// When it was true.
    pub captured: SensorTime,
    /// When it reached the program that recorded it.
    pub arrived: HostTime,
    /// What its data set calls it.
    pub name: Option<Arc<str>>,
    /// The reading.
    pub payload: Payload,
}

/// Longest frame name a calibration may carry; names live as long as the program.
const LONGEST_NAME: usize = 255;

/// Appends a frame to `out`.
pub fn encode_frame(frame: &Frame, calibration: u32, out: &mut Vec<u8>) {
    out.raw(&[VERSION, 0, 0, 0]);
    out.raw(&calibration.to_le_bytes());
    out.raw(&frame.seq.to_le_bytes());
    out.raw(&frame.captured.nanos().to_le_bytes());
    out.raw(&frame.arrived.nanos().to_le_bytes());
    out.text(frame.name.as_deref().unwrap_or_default());
    match &frame.payload {
        Payload::Rgb(image) => put_rgb(image, out),
        Payload::Depth(image) => {
            sides(image.width(), image.height(), out);
            out.reserve(image.metres.len() * 4);
            image.metres.iter().for_each(|v| out.raw(&v.to_le_bytes()));
        }
        Payload::Thermal(image) => {
            sides(image.width(), image.height(), out);
            out.raw(&image.full_scale.to_le_bytes());
            out.raw(&[u8::from(image.celsius.is_some()), 0]);
            out.f32s(&image.celsius.unwrap_or_default());
            out.u16s(image.data());
        }
        Payload::Labels(image) => put_labels(image, out),
        Payload::Cloud(cloud) => put_cloud(cloud, out),
        Payload::Radar(scan) => {
            out.count(scan.returns.len());
            for r in &scan.returns {
                out.f32s(&r.position);
                out.f32s(&[r.range_rate, r.cross_section]);
            }
        }
        Payload::Imu(imu) => {
            out.f64s(&imu.acceleration);
            out.f64s(&imu.angular_velocity);
            out.raw(&[u8::from(imu.compass.is_some())]);
            out.f64s(&[imu.compass.unwrap_or_default()]);
        }
        Payload::Gnss(gnss) => out.f64s(&[gnss.latitude, gnss.longitude, gnss.altitude]),
        Payload::Ego(ego) => {
            put_pose(&ego.pose, out);
            out.f64s(&[ego.speed, ego.yaw_rate]);
        }
        Payload::Fragment(piece) => {
            sides(piece.width(), piece.height(), out);
            out.text(&piece.name);
            out.raw(piece.data());
        }
        Payload::Boxes(boxes) => annotation::put_boxes(boxes, out),
        Payload::Map(map) => annotation::put_map(map, out),
        Payload::Trajectory(path) => annotation::put_trajectory(path, out),
        Payload::Control(control) => annotation::put_control(control, out),
    }
}

/// A frame of the modality that the channel's schema names.
pub(super) fn decode_frame(modality: Modality, bytes: &[u8], pools: &Pools) -> Result<FrameRecord> {
    let mut b = Bytes::new(bytes, "recorded frame");
    let [version, _, _, _] = b.array()?;
    super::versioned(version)?;
    let calibration = b.u32()?;
    let seq = b.u64()?;
    let captured = SensorTime::from_nanos(b.i64()?);
    let arrived = HostTime::from_nanos(b.i64()?);
    let name = Some(b.text()?).filter(|n| !n.is_empty()).map(Arc::from);
    let payload = match modality {
        Modality::Rgb => Payload::Rgb(Arc::new(get_rgb(&mut b, pools)?)),
        Modality::Depth => Payload::Depth(Arc::new(get_depth(&mut b)?)),
        Modality::Thermal => Payload::Thermal(Arc::new(get_thermal(&mut b, pools)?)),
        Modality::Labels => Payload::Labels(Arc::new(get_labels(&mut b)?)),
        Modality::Cloud => Payload::Cloud(Arc::new(get_cloud(&mut b, pools)?)),
        Modality::Radar => Payload::Radar(Arc::new(get_radar(&mut b)?)),
        Modality::Imu => Payload::Imu(get_imu(&mut b)?),
        Modality::Gnss => {
            let [latitude, longitude, altitude] = b.f64s()?;
            Payload::Gnss(Gnss { latitude, longitude, altitude })
        }
        Modality::Ego => {
            let pose = get_pose(&mut b)?;
            let [speed, yaw_rate] = b.f64s()?;
            Payload::Ego(EgoState { pose, speed, yaw_rate })
        }
        Modality::Fragment => Payload::Fragment(Arc::new(get_fragment(&mut b, pools)?)),
        Modality::Boxes => Payload::Boxes(Arc::new(annotation::get_boxes(&mut b)?)),
        Modality::Map => Payload::Map(Arc::new(annotation::get_map(&mut b)?)),
        Modality::Trajectory => Payload::Trajectory(Arc::new(annotation::get_trajectory(&mut b)?)),
        Modality::Control => Payload::Control(annotation::get_control(&mut b)?),
    };
    b.end()?;
    Ok(FrameRecord { calibration, seq, captured, arrived, name, payload })
}

fn sides(width: usize, height: usize, out: &mut Vec<u8>) {
    out.count(width);
    out.count(height);
}

pub(super) fn put_rgb(image: &RgbImage, out: &mut Vec<u8>) {
    sides(image.width(), image.height(), out);
    out.raw(image.data());
}

pub(super) fn get_rgb(b: &mut Bytes<'_>, pools: &Pools) -> Result<RgbImage> {
    let (width, height) = b.sides(3)?;
    let bytes = b.elements(width * height, 3)?;
    let mut data = pools.bytes.take(bytes.len());
    data.copy_from_slice(bytes);
    RgbImage::new(width, height, data)
}

fn get_depth(b: &mut Bytes<'_>) -> Result<DepthImage> {
    let (width, height) = b.sides(4)?;
    let metres = f32s(b.elements(width * height, 4)?).collect();
    Ok(DepthImage { metres: shaped(height, width, metres)? })
}

fn get_thermal(b: &mut Bytes<'_>, pools: &Pools) -> Result<ThermalImage> {
    let (width, height) = b.sides(2)?;
    let full_scale = b.u16()?;
    let [known, _] = b.array()?;
    let celsius = b.f32s()?;
    let bytes = b.elements(width * height, 2)?;
    let mut data = pools.counts.take(width * height);
    data.iter_mut().zip(u16s(bytes)).for_each(|(out, v)| *out = v);
    let mut image = ThermalImage::new(width, height, data, full_scale)?;
    image.celsius = (known != 0).then_some(celsius);
    Ok(image)
}

pub(super) fn put_labels(image: &LabelImage, out: &mut Vec<u8>) {
    sides(image.labels.ncols(), image.labels.nrows(), out);
    out.count(image.classes.classes.len());
    for (name, colour) in &image.classes.classes {
        out.text(name);
        out.raw(colour);
    }
    out.reserve(image.labels.len() * 2);
    image.labels.iter().for_each(|v| out.raw(&v.to_le_bytes()));
}

pub(super) fn get_labels(b: &mut Bytes<'_>) -> Result<LabelImage> {
    let (width, height) = b.sides(2)?;
    let count = b.u32()?;
    let mut classes = Vec::new();
    for _ in 0..count {
        let name = b.text()?.to_owned();
        classes.push((name, b.array()?));
    }
    let labels = u16s(b.elements(width * height, 2)?).collect();
    Ok(LabelImage { labels: shaped(height, width, labels)?, classes: Arc::new(ClassList { classes }) })
}

fn shaped<T>(height: usize, width: usize, data: Vec<T>) -> Result<Array2<T>> {
    Array2::from_shape_vec((height, width), data).map_err(|e| Error::mismatch("a full picture", e.to_string(), "recorded frame"))
}

const POINT: usize = 22;

fn put_cloud(cloud: &PointCloud, out: &mut Vec<u8>) {
    out.count(cloud.points().len());
    out.reserve(cloud.points().len() * POINT);
    for p in cloud.points() {
        out.f32s(&p.position);
        out.f32s(&[p.intensity, p.lag]);
        out.raw(&p.ring.to_le_bytes());
    }
    // After the points, so that records from before there was such a thing read as they are.
    if cloud.is_at_stamp() {
        out.raw(&[1]);
    }
}

fn get_cloud(b: &mut Bytes<'_>, pools: &Pools) -> Result<PointCloud> {
    let bytes = b.counted(POINT)?;
    let mut points = pools.points.take(bytes.len() / POINT);
    for (point, bytes) in points.iter_mut().zip(bytes.chunks_exact(POINT)) {
        let mut b = Bytes::new(bytes, "recorded point");
        let position = b.f32s()?;
        let [intensity, lag] = b.f32s()?;
        *point = LidarPoint { position, intensity, ring: b.u16()?, lag };
    }
    if b.is_done() || b.u8()? == 0 { PointCloud::new(points) } else { PointCloud::at_stamp(points) }
}

fn get_radar(b: &mut Bytes<'_>) -> Result<RadarScan> {
    let one = |bytes: &[u8]| {
        let mut b = Bytes::new(bytes, "recorded radar return");
        let position = b.f32s()?;
        let [range_rate, cross_section] = b.f32s()?;
        Ok(RadarReturn { position, range_rate, cross_section })
    };
    Ok(RadarScan { returns: b.counted(20)?.chunks_exact(20).map(one).collect::<Result<_>>()? })
}

fn get_imu(b: &mut Bytes<'_>) -> Result<Imu> {
    let (acceleration, angular_velocity) = (b.f64s()?, b.f64s()?);
    let known = b.u8()? != 0;
    let compass = b.f64()?;
    Ok(Imu { acceleration, angular_velocity, compass: known.then_some(compass) })
}

fn get_fragment(b: &mut Bytes<'_>, pools: &Pools) -> Result<Fragment> {
    let (width, height) = b.sides(4)?;
    let name = b.text()?;
    let bytes = b.elements(width * height, 4)?;
    let mut data = pools.bytes.take(bytes.len());
    data.copy_from_slice(bytes);
    Fragment::new(name, width, height, data)
}

fn put_pose(pose: &Pose, out: &mut Vec<u8>) {
    out.text(pose.to.name());
    out.text(pose.from.name());
    let t = pose.isometry.translation.vector;
    let q = pose.isometry.rotation.coords;
    out.f64s(&[t.x, t.y, t.z, q.w, q.x, q.y, q.z]);
}

fn get_pose(b: &mut Bytes<'_>) -> Result<Pose> {
    let (to, from) = (b.text()?, b.text()?);
    if to.len().max(from.len()) > LONGEST_NAME {
        return Err(b.error(format!("frame names of at most {LONGEST_NAME} bytes"), format!("{} and {}", to.len(), from.len())));
    }
    let [x, y, z, w, i, j, k] = b.f64s()?;
    let unit = (w * w + i * i + j * j + k * k - 1.0).abs() < 1e-3;
    if !(unit && x.is_finite() && y.is_finite() && z.is_finite()) {
        return Err(b.error("a rigid motion", format!("translation [{x}, {y}, {z}], quaternion [{w}, {i}, {j}, {k}]")));
    }
    // Not normalised again: the same bits come back.
    let rotation = UnitQuaternion::new_unchecked(Quaternion::new(w, i, j, k));
    Ok(Pose::new(FrameId::new(to), FrameId::new(from), Isometry3::from_parts(Translation3::new(x, y, z), rotation)))
}

/// Appends a calibration, the `index`-th of its sensor, to `out`.
pub fn encode_calibration(calibration: &Calibration, index: u32, out: &mut Vec<u8>) {
    out.raw(&[VERSION, u8::from(calibration.intrinsics.is_some()), u8::from(calibration.distortion != Distortion::None), 0]);
    out.raw(&index.to_le_bytes());
    out.raw(&calibration.version.to_le_bytes());
    if let Some(k) = &calibration.intrinsics {
        sides(k.width, k.height, out);
        out.f64s(&[k.fx, k.fy, k.cx, k.cy]);
    }
    match calibration.distortion {
        Distortion::None => {}
        Distortion::BrownConrady { k1, k2, p1, p2, k3 } => out.f64s(&[k1, k2, p1, p2, k3]),
    }
    put_pose(&calibration.extrinsics, out);
}

/// The calibration and its index among its sensor's.
pub(super) fn decode_calibration(bytes: &[u8]) -> Result<(u32, Calibration)> {
    let mut b = Bytes::new(bytes, "recorded calibration");
    let [version, lens, warp, _] = b.array()?;
    super::versioned(version)?;
    let (index, version) = (b.u32()?, b.u32()?);
    let intrinsics = (lens != 0).then(|| get_intrinsics(&mut b)).transpose()?;
    let distortion = match warp {
        0 => Distortion::None,
        1 => {
            let [k1, k2, p1, p2, k3] = b.f64s()?;
            Distortion::BrownConrady { k1, k2, p1, p2, k3 }
        }
        other => return Err(b.error("a known distortion (0 or 1)", other.to_string())),
    };
    let extrinsics = get_pose(&mut b)?;
    b.end()?;
    Ok((index, Calibration { intrinsics, distortion, extrinsics, version }))
}

fn get_intrinsics(b: &mut Bytes<'_>) -> Result<Intrinsics> {
    let (width, height) = (num::usize(b.u32()?), num::usize(b.u32()?));
    let [fx, fy, cx, cy] = b.f64s()?;
    Intrinsics::new(width, height, fx, fy, cx, cy)
}
