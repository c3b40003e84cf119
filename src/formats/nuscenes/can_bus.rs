//! Poses of the vehicle's own bus, about 50 a second: `can_bus/<scene>_pose.json`.
//!
//! *In*: the bytes of the file. *Out*: [`BusPose`]s in the file's order. *Invariant*: times rise strictly and every number is finite;
//! positions are metres on the map, speeds m/s and rates rad/s in the vehicle frame.

use super::json::{Json, Parsed, WrongKind};
use crate::types::{Error, Result};

/// What the bus says at one time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BusPose {
    /// Microseconds.
    pub utime: i64,
    /// On the map, metres.
    pub position: [f64; 3],
    /// World from vehicle: w, x, y, z.
    pub orientation: [f64; 4],
    /// m/s.
    pub velocity: [f64; 3],
    /// m/s².
    pub acceleration: [f64; 3],
    /// rad/s.
    pub rotation_rate: [f64; 3],
}

/// The poses in a file.
///
/// # Errors
/// Where the text is no list of poses, a number is not finite or a time is not after the one before.
pub fn bus_poses(bytes: &[u8]) -> Result<Vec<BusPose>> {
    let mut poses: Vec<BusPose> = Vec::new();
    let mut json = Json::new(bytes);
    let read = json.list(|json| pose(json).map(|p| poses.push(p))).and_then(|()| json.end());
    read.map_err(|w| Error::mismatch(w.wanted, format!("{} at byte {}", w.found, w.at), format!("CAN bus pose, field {}", w.field)))?;
    for (before, after) in poses.iter().zip(poses.iter().skip(1)) {
        if after.utime <= before.utime {
            return Err(Error::mismatch(format!("a time after {}", before.utime), after.utime.to_string(), "BadTimestamp: CAN bus pose"));
        }
    }
    Ok(poses)
}

fn pose(json: &mut Json<'_>) -> Parsed<BusPose> {
    let mut pose = BusPose::default();
    let mut seen = [false; 3];
    let [time, position, orientation] = &mut seen;
    json.object(|json, key| {
        match key {
            "utime" => (pose.utime, *time) = (json.integer()?, true),
            "pos" => (pose.position, *position) = (json.numbers()?, true),
            "orientation" => (pose.orientation, *orientation) = (json.numbers()?, true),
            "vel" => pose.velocity = json.numbers()?,
            "accel" => pose.acceleration = json.numbers()?,
            "rotation_rate" => pose.rotation_rate = json.numbers()?,
            _ => json.skip()?,
        }
        Ok(())
    })?;
    if seen.contains(&false) {
        return Err(json.wrong(WrongKind::Missing, "utime, pos and orientation"));
    }
    let vectors = [pose.position, pose.velocity, pose.acceleration, pose.rotation_rate];
    if !vectors.iter().flatten().chain(&pose.orientation).all(|v| v.is_finite()) {
        return Err(json.wrong(WrongKind::Type, "finite numbers"));
    }
    Ok(pose)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poses_are_read_and_broken_ones_named() {
        let one = |time: i64, x: &str| {
            format!(
                r#"{{"accel":[0,0,9.8],"orientation":[1,0,0,0],"pos":[{x},2,0],"rotation_rate":[0,0,0.1],"utime":{time},"vel":[5,0,0]}}"#
            )
        };
        let read = |items: &[String]| bus_poses(format!("[{}]", items.join(",")).as_bytes());
        let poses = read(&[one(10, "1.5"), one(20, "1.6")]).unwrap();
        assert_eq!((poses.len(), poses[1].position[0], poses[0].velocity[0]), (2, 1.6, 5.0));
        assert!(read(&[one(10, "1"), one(10, "1")]).unwrap_err().to_string().contains("BadTimestamp"));
        assert!(read(&[one(10, "NaN")]).unwrap_err().to_string().contains("finite"));
        assert!(bus_poses(br#"[{"utime": 3}]"#).is_err());
        assert!(bus_poses(b"[{").is_err());
    }
}
