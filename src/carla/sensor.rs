//! Kinds of sensors and the bodies of their messages, behind the header.
//!
//! *In / Out*: bodies to borrowed views and back. *Units and frames*: as on the wire; see [`super::payload`] for ours.
//! *Invariant*: a view's parts have the sizes its numbers say; reading copies neither pixels nor points.

use super::layout::{Append, Taker};
use super::pack::{Reader, Writer, wire_struct};
use super::structs::{Actor, Vector3D};
use super::version::Version;
use crate::types::{Error, Result, num};

macro_rules! kinds {
    ($($kind:ident $id:literal $blueprint:literal),* $(,)?) => {
        /// What a sensor is. Numbers are those of 0.9.16.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(missing_docs)] // the blueprints' names say it
        pub enum SensorKind { $($kind),* }
        impl SensorKind {
            const ALL: &[Self] = &[$(Self::$kind),*];
            const fn newest(self) -> u64 {
                match self { $(Self::$kind => $id),* }
            }
            /// Its blueprint; empty for what has none.
            pub const fn blueprint(self) -> &'static str {
                match self { $(Self::$kind => $blueprint),* }
            }
        }
    };
}
kinds! {
    Collision 0 "sensor.other.collision",
    Depth 1 "sensor.camera.depth",
    Normals 2 "sensor.camera.normals",
    Dvs 3 "sensor.camera.dvs",
    Gnss 4 "sensor.other.gnss",
    Imu 5 "sensor.other.imu",
    LaneInvasion 6 "sensor.other.lane_invasion",
    Obstacle 7 "sensor.other.obstacle",
    OpticalFlow 8 "sensor.camera.optical_flow",
    Radar 9 "sensor.other.radar",
    SemanticLidar 10 "sensor.lidar.ray_cast_semantic",
    Lidar 11 "sensor.lidar.ray_cast",
    Rss 12 "sensor.other.rss",
    Rgb 13 "sensor.camera.rgb",
    Semantic 14 "sensor.camera.semantic_segmentation",
    Instance 15 "sensor.camera.instance_segmentation",
    Cosmos 16 "sensor.camera.cosmos_visualization",
    Snapshot 17 "",
}

impl SensorKind {
    /// The number in headers of this version, where it knows the sensor.
    pub fn number(self, version: Version) -> Option<u64> {
        let newest = self.newest();
        match (self, version) {
            (_, Version::V0_9_16) => Some(newest),
            (Self::Cosmos, _) => None,
            (Self::Normals, Version::V0_9_13) => None,
            _ => {
                let without_cosmos = newest - u64::from(newest > Self::Cosmos.newest());
                let without_normals = u64::from(!version.ackermann() && newest > Self::Normals.newest());
                Some(without_cosmos - without_normals)
            }
        }
    }
    /// By its blueprint's name.
    pub fn of(blueprint: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|k| !k.blueprint().is_empty() && k.blueprint() == blueprint)
    }
    /// Whether it sends pictures.
    pub const fn camera(self) -> bool {
        matches!(
            self,
            Self::Depth | Self::Normals | Self::Dvs | Self::OpticalFlow | Self::Rgb | Self::Semantic | Self::Instance | Self::Cosmos
        )
    }
    /// Whether the server sends anything: lane invasions are computed by the client.
    pub const fn streams(self) -> bool {
        !matches!(self, Self::LaneInvasion | Self::Rss)
    }
}

/// A picture: four bytes a pixel (B, G, R, A), rows from the top.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Image<'a> {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Horizontal field of view, degrees.
    pub fov: f32,
    /// The pixels.
    pub pixels: &'a [u8],
}

impl<'a> Image<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// Where the pixels are not as many as the size says, or none.
    pub fn read(body: &'a [u8]) -> Result<Self> {
        let mut t = Taker::new(body, "camera message");
        let (width, height, fov) = (num::usize(t.u32()?), num::usize(t.u32()?), t.f32()?);
        let wanted = width.checked_mul(height).and_then(|n| n.checked_mul(4));
        if wanted != Some(t.left().len()) || t.left().is_empty() {
            return Err(Error::mismatch(
                format!("{width}x{height} pixels of 4 bytes"),
                format!("{} bytes", t.left().len()),
                "camera message",
            ));
        }
        Ok(Self { width, height, fov, pixels: t.left() })
    }
    /// Appends the head; the pixels follow.
    pub fn head(width: usize, height: usize, fov: f32, out: &mut Vec<u8>) {
        out.extend(num::u32(width).to_le_bytes());
        out.extend(num::u32(height).to_le_bytes());
        out.floats(&[fov]);
    }
}

/// A LiDAR's sweep: points grouped by channel, the highest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep<'a> {
    /// Where the sweep ended, radians.
    pub angle: f32,
    /// Points of each channel.
    pub counts: Vec<u32>,
    /// The points, 16 bytes each (24 for semantic LiDAR).
    pub points: &'a [u8],
}

impl<'a> Sweep<'a> {
    /// Bytes of a point: x, y, z, intensity.
    pub const POINT: usize = 16;
    /// Bytes of a semantic point: x, y, z, cosine, object, tag.
    pub const SEMANTIC_POINT: usize = 24;

    /// Reads a body of points of `size` bytes.
    ///
    /// # Errors
    /// Where the channels' counts and the points do not agree.
    pub fn read(body: &'a [u8], size: usize) -> Result<Self> {
        let mut t = Taker::new(body, "LiDAR message");
        let angle = t.f32()?;
        let channels = num::usize(t.u32()?);
        let table = channels.checked_mul(4).ok_or_else(|| Error::mismatch("a count of channels", channels.to_string(), "LiDAR message"))?;
        let counts: Vec<u32> = t.bytes(table)?.chunks_exact(4).filter_map(|c| c.try_into().ok().map(u32::from_le_bytes)).collect();
        let total: u64 = counts.iter().map(|c| u64::from(*c)).sum();
        if t.left().len() as u64 != total * size as u64 {
            return Err(Error::mismatch(format!("{total} points of {size} bytes"), format!("{} bytes", t.left().len()), "LiDAR message"));
        }
        Ok(Self { angle, counts, points: t.left() })
    }
    /// Appends the head; the points follow.
    pub fn head(angle: f32, counts: &[u32], out: &mut Vec<u8>) {
        out.floats(&[angle]);
        out.extend(num::u32(counts.len()).to_le_bytes());
        counts.iter().for_each(|c| out.extend(c.to_le_bytes()));
    }
}

wire_struct! {
    /// Inertial reading: m/s2 with gravity, rad/s, radians clockwise from north.
    ImuReading 3 { accelerometer: Vector3D, gyroscope: Vector3D, compass: f32 }
    /// Something hit.
    Collision 3 { actor: Actor, other: Actor, normal_impulse: Vector3D }
    /// Something ahead.
    Obstacle 3 { actor: Actor, other: Actor, distance: f32 }
}

/// Reads a MessagePack body: [`ImuReading`], [`super::structs::GeoLocation`], [`Collision`] or [`Obstacle`].
///
/// # Errors
/// Where it is not one.
pub fn packed<T: super::pack::Wire>(body: &[u8], version: Version) -> Result<T> {
    Reader::new(body, version).get()
}

/// Packs such a body.
pub fn pack_into<T: super::pack::Wire>(value: &T, version: Version, out: &mut Vec<u8>) {
    let mut to = Writer::new(version);
    to.put(value);
    out.extend(to.finish());
}

/// One radar return.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Detection {
    /// m/s, negative towards the radar.
    pub velocity: f32,
    /// Radians, positive to the right.
    pub azimuth: f32,
    /// Radians, positive up.
    pub altitude: f32,
    /// Metres along the ray.
    pub depth: f32,
}

/// The returns of a radar's body.
///
/// # Errors
/// Where it is no whole number of returns.
pub fn detections(body: &[u8]) -> Result<Vec<Detection>> {
    if !body.len().is_multiple_of(16) {
        return Err(Error::mismatch("returns of 16 bytes", format!("{} bytes", body.len()), "radar message"));
    }
    let one = |c: &[u8]| {
        let mut t = Taker::new(c, "radar message");
        Ok(Detection { velocity: t.f32()?, azimuth: t.f32()?, altitude: t.f32()?, depth: t.f32()? })
    };
    body.chunks_exact(16).map(one).collect()
}

impl Detection {
    /// Appends it.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.floats(&[self.velocity, self.azimuth, self.altitude, self.depth]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_sensors_are_those_of_each_version() {
        let of = |kind: SensorKind| Version::ALL.map(|v| kind.number(v));
        assert_eq!(of(SensorKind::Snapshot), [Some(15), Some(16), Some(16), Some(17)]);
        assert_eq!(of(SensorKind::Rgb), [Some(12), Some(13), Some(13), Some(13)]);
        assert_eq!(of(SensorKind::Depth), [Some(1); 4]);
        assert_eq!(of(SensorKind::Normals), [None, Some(2), Some(2), Some(2)]);
        assert_eq!(of(SensorKind::Cosmos), [None, None, None, Some(16)]);
    }
}
