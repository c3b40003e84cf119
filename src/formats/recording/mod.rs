//! Recordings: MCAP files (profile `sensorium`) whose messages hold frames, calibrations, bundle boundaries and outcomes.
//!
//! *In / Out*: bytes of one message. *Invariant*: what was encoded comes back to the bit; no byte sequence panics or
//! makes [`decode`] allocate more than a small multiple of its length. MCAP: <https://mcap.dev/spec>.
//!
//! | topic | schema (`sensorium.` … `.v1`) | encoding |
//! |---|---|---|
//! | `/sensors/<sensor>` | `frame.<modality>` | binary, below |
//! | `/calibration/<sensor>` | `calibration` | binary, below; before the first frame that uses it |
//! | `/bundles` | `bundle` | JSON, [`BundleRecord`] |
//! | `/outcomes/<stage>/<kind>` | `outcome.<kind>` | JSON (`boxes3`, `control`: `{version, seq, at, value}`), else binary |
//!
//! `log_time` is the arrival on the host's clock, `publish_time` the capture on the sensor's, nanoseconds, negatives as 0
//! (the payload has them in full), `sequence` the low 32 bits of `seq`. The metadata record `sensorium` closes the head:
//! all sensors' channels and first calibrations come before it. A sensor's channel carries `modality` and, for other
//! readers, its first calibration as JSON under `calibration`.
//!
//! All numbers are little-endian; `text` is a `u32` length and UTF-8; `n*` is a `u32` count and the elements.
//! Every binary message starts with `version u8 = 1` and three bytes.
//!
//! | what | fields after the version byte |
//! |---|---|
//! | frame | 3 zero bytes, calibration index `u32`, seq `u64`, captured `i64` ns, arrived `i64` ns, name `text` (empty: none), then by modality: |
//! | `rgb` | width `u32`, height `u32`, `u8[height][width][3]` sRGB |
//! | `depth` | width, height, `f32[height][width]` metres, holes NaN |
//! | `thermal` | width, height, full scale `u16`, Celsius known `u8`, zero `u8`, gain `f32`, offset `f32`, `u16[height][width]` |
//! | `labels` | width, height, classes `n*`(`text`, `u8[3]`), `u16[height][width]` |
//! | `cloud` | points `n*`(x, y, z, intensity, lag `f32`, ring `u16`): 22 bytes each, sensor frame |
//! | `radar` | returns `n*`(x, y, z, range rate, cross section `f32`) |
//! | `imu` | acceleration `f64[3]`, angular velocity `f64[3]`, compass known `u8`, compass `f64` |
//! | `gnss` | latitude, longitude, altitude `f64` |
//! | `ego` | pose, speed `f64`, yaw rate `f64` |
//! | `fragment` | width, height, name `text`, `u8[height][width][4]` RGBA |
//! | `boxes` | `n*`(centre `f64[3]`, size `f64[3]`, yaw `f64`, velocity known `u8`, track known `u8`, velocity `f64[2]`, track `u64`, score `f32`, class `text`), vehicle frame |
//! | `map` | layers `n*text`, origin `f64[2]`, cell `f64`, nx `u32`, ny `u32`, cells `n*u32` (bit per layer, `[nx][ny]`), probabilities `n*f32` (`[layer][nx][ny]`, or none), vehicle frame |
//! | `trajectory` | points `n*f64[3]`, times `n*f64`, vehicle frame |
//! | `control` | throttle, steer, brake `f32`, reverse `u8` |
//! | pose | to `text`, from `text`, x, y, z `f64`, quaternion w, x, y, z `f64` |
//! | calibration | intrinsics known `u8`, distortion `u8` (0 none, 1 Brown-Conrady), zero `u8`, index `u32`, version `u32`, \[width, height `u32`, fx, fy, cx, cy `f64`\], \[k1, k2, p1, p2, k3 `f64`\], pose |
//! | outcome | 3 zero bytes, bundle seq `u64`, at `i64` ns, then by kind: |
//! | `fused` | as `rgb` |
//! | `segmentation` | as `labels` |
//! | `cloud` | positions `n*f32[3]`, colours `n*u8[3]`, vehicle frame |
//! | `projection` | camera `text`, LiDAR `text`, width `u32`, height `u32`, pixels `n*f32[2]`, depths `n*f32` |
//! | `voxels` | origin `f32[3]`, voxel `f32[3]`, indices `n*u32[3]`, counts `n*u32`, means `n*f32[3]` |
//! | `confidence` | of `text`, width, height, `f32[height][width]` |
//! | `map`, `trajectory` | as the frames of these names |
//! | `matches` | `n*`(target `text`, source `text`, transform `f64[2][3]`, score `f32`) |

mod annotation;
mod outcome;
mod payload;
mod stream;
pub(crate) mod wire;

pub use outcome::{BundleRecord, OutcomeRecord, encode_bundle, encode_outcome};
pub use payload::{FrameRecord, encode_calibration, encode_frame};
pub use stream::{Channel, Found, LARGEST, Step, Stream};
pub(crate) use stream::{sequence, unsigned};

use crate::types::{Calibration, Error, LidarPoint, Modality, OutcomeKind, Pool, PoolFill, Result, nearest};

/// Layout version of every message, in its first byte (binary) or its `version` (JSON).
pub const VERSION: u8 = 1;
/// The MCAP header's profile, and the name of the metadata record that closes the head.
pub const PROFILE: &str = "sensorium";
/// Encoding of binary messages, and of the schemas that describe them.
pub const BINARY: &str = "sensorium";
/// Topic of the bundle boundaries.
pub const BUNDLES: &str = "/bundles";
/// What the topics of sensors begin with.
pub const SENSORS: &str = "/sensors/";
/// What the topics of calibrations begin with.
pub const CALIBRATIONS: &str = "/calibration/";
/// What the topics of outcomes begin with.
pub const OUTCOMES: &str = "/outcomes/";

/// What a message holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Schema {
    /// A frame.
    Frame(Modality),
    /// A calibration.
    Calibration,
    /// A bundle's boundary.
    Bundle,
    /// A result.
    Outcome(OutcomeKind),
}

const NAMES: [(&str, Schema); 28] = [
    ("sensorium.frame.rgb.v1", Schema::Frame(Modality::Rgb)),
    ("sensorium.frame.depth.v1", Schema::Frame(Modality::Depth)),
    ("sensorium.frame.thermal.v1", Schema::Frame(Modality::Thermal)),
    ("sensorium.frame.labels.v1", Schema::Frame(Modality::Labels)),
    ("sensorium.frame.cloud.v1", Schema::Frame(Modality::Cloud)),
    ("sensorium.frame.radar.v1", Schema::Frame(Modality::Radar)),
    ("sensorium.frame.imu.v1", Schema::Frame(Modality::Imu)),
    ("sensorium.frame.gnss.v1", Schema::Frame(Modality::Gnss)),
    ("sensorium.frame.ego.v1", Schema::Frame(Modality::Ego)),
    ("sensorium.frame.fragment.v1", Schema::Frame(Modality::Fragment)),
    ("sensorium.frame.boxes.v1", Schema::Frame(Modality::Boxes)),
    ("sensorium.frame.map.v1", Schema::Frame(Modality::Map)),
    ("sensorium.frame.trajectory.v1", Schema::Frame(Modality::Trajectory)),
    ("sensorium.frame.control.v1", Schema::Frame(Modality::Control)),
    ("sensorium.calibration.v1", Schema::Calibration),
    ("sensorium.bundle.v1", Schema::Bundle),
    ("sensorium.outcome.fused.v1", Schema::Outcome(OutcomeKind::Fused)),
    ("sensorium.outcome.segmentation.v1", Schema::Outcome(OutcomeKind::Segmentation)),
    ("sensorium.outcome.boxes3.v1", Schema::Outcome(OutcomeKind::Boxes3)),
    ("sensorium.outcome.cloud.v1", Schema::Outcome(OutcomeKind::Cloud)),
    ("sensorium.outcome.projection.v1", Schema::Outcome(OutcomeKind::Projection)),
    ("sensorium.outcome.voxels.v1", Schema::Outcome(OutcomeKind::Voxels)),
    ("sensorium.outcome.confidence.v1", Schema::Outcome(OutcomeKind::Confidence)),
    ("sensorium.outcome.map.v1", Schema::Outcome(OutcomeKind::Map)),
    ("sensorium.outcome.trajectory.v1", Schema::Outcome(OutcomeKind::Trajectory)),
    ("sensorium.outcome.matches.v1", Schema::Outcome(OutcomeKind::Matches)),
    ("sensorium.outcome.control.v1", Schema::Outcome(OutcomeKind::Control)),
    ("sensorium.outcome.numbers.v1", Schema::Outcome(OutcomeKind::Numbers)),
];

impl Schema {
    /// The schema of this name, if it is one of ours.
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(n, _)| *n == name).map(|(_, schema)| *schema)
    }
    /// Its name in the file.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, s)| *s == self).map_or("", |(name, _)| name)
    }
    /// The word between the dots that names its kind: `rgb`, `boxes3`.
    pub fn word(self) -> &'static str {
        self.name().split('.').rev().nth(1).unwrap_or_default()
    }
    /// Encoding of its messages.
    pub const fn encoding(self) -> &'static str {
        match self {
            Self::Bundle | Self::Outcome(OutcomeKind::Boxes3 | OutcomeKind::Control | OutcomeKind::Numbers) => "json",
            _ => BINARY,
        }
    }
}

/// What a message held.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A frame.
    Frame(FrameRecord),
    /// A calibration and its index among its sensor's.
    Calibration(u32, Calibration),
    /// A bundle's boundary.
    Bundle(BundleRecord),
    /// A result.
    Outcome(OutcomeRecord),
}

/// Where decoded pixels and points live.
#[derive(Debug, Clone)]
pub struct Pools {
    /// Colour pictures and fragments.
    pub bytes: Pool<u8>,
    /// Thermal pictures.
    pub counts: Pool<u16>,
    /// Sweeps.
    pub points: Pool<LidarPoint>,
}

impl Default for Pools {
    fn default() -> Self {
        Self { bytes: Pool::new(16), counts: Pool::new(8), points: Pool::new(8) }
    }
}

impl Pools {
    /// How full they are, by name.
    pub fn fill(&self) -> Vec<(String, PoolFill)> {
        let named = |name: &str, fill| (name.to_owned(), fill);
        vec![named("bytes", self.bytes.fill()), named("counts", self.counts.fill()), named("points", self.points.fill())]
    }
}

/// What the bytes of one message of schema `schema` say.
///
/// # Errors
/// Where the schema is none of ours, the version is another, or the bytes are too few, too many or unsound.
pub fn decode(schema: &str, bytes: &[u8], pools: &Pools) -> Result<Record> {
    let Some(known) = Schema::named(schema) else {
        let hint = nearest(schema, NAMES.iter().map(|(n, _)| *n)).map_or_else(String::new, |n| format!("; nearest is `{n}`"));
        return Err(Error::mismatch("a schema of this program", format!("`{schema}`{hint}"), "recording"));
    };
    decode_as(known, bytes, pools)
}

/// As [`decode`], with the schema's name looked up already.
///
/// # Errors
/// As [`decode`].
pub fn decode_as(schema: Schema, bytes: &[u8], pools: &Pools) -> Result<Record> {
    Ok(match schema {
        Schema::Frame(modality) => Record::Frame(payload::decode_frame(modality, bytes, pools)?),
        Schema::Calibration => {
            let (index, calibration) = payload::decode_calibration(bytes)?;
            Record::Calibration(index, calibration)
        }
        Schema::Bundle => Record::Bundle(outcome::decode_bundle(bytes)?),
        Schema::Outcome(kind) => Record::Outcome(outcome::decode_outcome(kind, bytes, pools)?),
    })
}

fn versioned(found: u8) -> Result<()> {
    if found == VERSION {
        return Ok(());
    }
    Err(Error::mismatch(format!("layout version {VERSION}"), found.to_string(), "recording"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_is_found_by_its_name() {
        for (name, schema) in NAMES {
            assert_eq!((schema.name(), Schema::named(name)), (name, Some(schema)));
            assert!(decode(name, &[], &Pools::default()).is_err());
        }
        assert_eq!(Schema::Outcome(OutcomeKind::Boxes3).word(), "boxes3");
        let error = decode("sensorium.frame.rbg.v1", &[], &Pools::default()).unwrap_err().to_string();
        assert!(error.contains("sensorium.frame.rgb.v1"), "{error}");
    }
}
