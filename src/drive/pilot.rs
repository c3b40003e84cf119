//! LeTFuser at the wheel: what it wants to see, and from that a control. Shared by the closed loop and the leaderboard's agent.
//!
//! *In*: pictures of three RGB-D cameras, satellite position, compass, speed; once a route its far points with commands. *Out*: a control.
//! *Units and frames*: degrees of latitude and longitude, compass clockwise from north, m/s; cameras on CARLA's axes. *Invariant*: nothing but
//! what the published agent is given gets in, so it drives wherever that one does; random parameters are never passed off as trained.

use crate::carla::Image;
use crate::heads::drive::{Drive, Driven, Known, View};
use crate::heads::route::{RoutePlanner, seen_from};
use crate::heads::vehicle_control::{LossWeights, Merge, VehicleControl};
use crate::nets::letfuser::LetFuser;
use crate::nets::{self, DeviceChoice, Origin};
use crate::types::{Calibration, DepthImage, Error, Result, RgbImage};
use serde::Serialize;

/// Metres to a degree of latitude and, at the equator, of longitude, as the published agent has them.
const METRES: [f64; 2] = [111_324.606_627_86, 111_319.490_945];
/// A point of the route counts as reached so near.
const REACHED: f64 = 4.0;
/// Left, front, right: name and yaw, degrees clockwise.
const CAMERAS: [(&str, f64); 3] = [("left", -60.0), ("front", 0.0), ("right", 60.0)];

/// Which network, and how it looks and drives.
#[derive(Debug, Clone)]
pub struct PilotConfig {
    /// `tiny` or `base`.
    pub preset: String,
    /// Weight file; without, random parameters by `seed`.
    pub weights: Option<String>,
    /// Seed of random parameters.
    pub seed: u64,
    /// Where it runs.
    pub device: DeviceChoice,
    /// How its two controllers become one.
    pub merge: Merge,
    /// The published 960x480 cameras of 120 degrees, of which only the middle is used, instead of that middle alone (same focal length).
    pub whole_cameras: bool,
}

/// A sensor as the leaderboard's agents list it, on CARLA's axes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mounting {
    /// `sensor.camera.rgb`, ...
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Its name among the readings.
    pub id: String,
    /// Metres ahead of the vehicle's origin, to its right, above.
    pub x: f64,
    /// To the right.
    pub y: f64,
    /// Above.
    pub z: f64,
    /// Degrees.
    pub roll: f64,
    /// Degrees.
    pub pitch: f64,
    /// Degrees, clockwise.
    pub yaw: f64,
    /// Columns, of cameras.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
    /// Rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<usize>,
    /// Horizontal field of view, degrees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fov: Option<f64>,
}

/// A far point of the route: latitude, longitude, and the command that leads to it.
pub type Waypoint = ([f64; 2], i32);

/// One instant's readings; a camera that is not there is black.
#[derive(Debug, Clone, Copy, Default)]
pub struct Readings<'a> {
    /// Colour of left, front, right.
    pub rgb: [Option<Image<'a>>; 3],
    /// Depth of left, front, right.
    pub depth: [Option<Image<'a>>; 3],
    /// Latitude and longitude, degrees.
    pub place: [f64; 2],
    /// Radians clockwise from north.
    pub compass: f64,
    /// m/s.
    pub speed: f64,
}

/// The network with its planner.
#[derive(Debug)]
pub struct Pilot {
    drive: Drive,
    config: PilotConfig,
    planner: Option<RoutePlanner>,
    scale: [f64; 2],
    name: String,
    trained: bool,
}

impl Pilot {
    /// Loads the network.
    ///
    /// # Errors
    /// Where preset, weights or device are not there or do not fit.
    pub fn new(config: PilotConfig) -> Result<Self> {
        let (device, place) = nets::pick(config.device)?;
        let origin = match &config.weights {
            Some(spec) => Origin::File { spec: spec.clone(), partial: false },
            None => Origin::Seed(config.seed),
        };
        let (network, report) = LetFuser::load(&config.preset, origin, &device)?;
        tracing::info!("letfuser {}: {} on {place}", config.preset, report.origin);
        let trained = report.is_trained();
        let name = match &config.weights {
            Some(file) if trained => format!("letfuser {} ({file})", config.preset),
            _ => format!("letfuser {} (untrained: random parameters, seed {})", config.preset, config.seed),
        };
        let drive = Drive::new(network, device, VehicleControl::new(config.merge, &LossWeights::default()));
        Ok(Self { drive, config, planner: None, scale: METRES, name, trained })
    }
    /// Network, preset, and whether anybody has trained it.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// Whether a file brought every parameter.
    pub const fn trained(&self) -> bool {
        self.trained
    }
    /// The published rig: six cameras in one place, IMU, GNSS. The speedometer is the leaderboard's own.
    pub fn sensors(&self) -> Vec<Mounting> {
        let front = self.drive.geometry().columns[1];
        let (width, height, fov) = if self.config.whole_cameras { (3 * front, 3 * front / 2, 120.0) } else { (front, front / 2, 60.0) };
        let bare = |kind, id: &str, [x, z]: [f64; 2], yaw| Mounting {
            kind,
            id: id.to_owned(),
            x,
            y: 0.0,
            z,
            roll: 0.0,
            pitch: 0.0,
            yaw,
            width: None,
            height: None,
            fov: None,
        };
        let camera = |kind, prefix: &str| {
            let made: Vec<Mounting> = CAMERAS
                .iter()
                .map(|(side, yaw)| Mounting {
                    width: Some(width),
                    height: Some(height),
                    fov: Some(fov),
                    ..bare(kind, &format!("{prefix}_{side}"), [1.3, 2.3], *yaw)
                })
                .collect();
            made
        };
        let mut all = camera("sensor.camera.rgb", "rgb");
        all.extend(camera("sensor.camera.depth", "depth"));
        all.extend([bare("sensor.other.imu", "imu", [0.0; 2], 0.0), bare("sensor.other.gnss", "gps", [0.0; 2], 0.0)]);
        all
    }
    /// Place of a camera's picture in [`Readings`], by its sensor's name.
    pub fn camera(id: &str) -> Option<(bool, usize)> {
        let (kind, side) = id.split_once('_')?;
        let at = CAMERAS.iter().position(|(name, _)| *name == side)?;
        matches!(kind, "rgb" | "depth").then_some((kind == "depth", at))
    }
    /// Another route begins.
    ///
    /// # Errors
    /// Where it has no point, or one that is not on the globe.
    pub fn begin(&mut self, plan: &[Waypoint]) -> Result<()> {
        self.drive.restart();
        let latitude = plan.first().map_or(0.0, |(p, _)| p[0]);
        // Maps at the equator have the published agent's metres; elsewhere degrees of longitude are shorter.
        self.scale = [METRES[0], METRES[1] * latitude.to_radians().cos()];
        // The network knows 1 to 6; a void command follows the lane.
        let command = |c: i32| u8::try_from(c).ok().filter(|c| (1..=6).contains(c)).unwrap_or(4);
        self.planner = Some(RoutePlanner::new(plan.iter().map(|(p, c)| (metres(self.scale, *p), command(*c))), REACHED)?);
        Ok(())
    }
    /// What to do now, and all that the network saw.
    ///
    /// # Errors
    /// Where no route was begun, a picture has no lens, or a number is not finite.
    pub fn step(&mut self, now: &Readings<'_>) -> Result<Driven> {
        let planner = self.planner.as_mut().ok_or_else(|| Error::mismatch("a route before the first step", "none", "letfuser"))?;
        let [x, y] = metres(self.scale, now.place);
        let (target, command) = planner.step([x, y]);
        let known = Known { speed: now.speed, target: seen_from([x, y, now.compass], target), command };
        type Pair = Option<((RgbImage, Calibration), (DepthImage, Calibration))>;
        let mut pairs: [Pair; 3] = [None, None, None];
        for (((pair, rgb), depth), (name, _)) in pairs.iter_mut().zip(&now.rgb).zip(&now.depth).zip(CAMERAS) {
            if let (Some(rgb), Some(depth)) = (rgb, depth) {
                *pair = Some(((rgb.to_rgb()?, rgb.lens(name)?), (depth.to_depth()?, depth.lens(name)?)));
            }
        }
        if pairs[1].is_none() {
            return Err(Error::mismatch("colour and depth of the front camera", "none", "letfuser"));
        }
        let views = pairs.each_ref().map(|pair| pair.as_ref().map(|((a, b), (c, d))| View { rgb: (a, b), depth: (c, d) }));
        self.drive.tick(views, &known)
    }
}

fn metres(scale: [f64; 2], [latitude, longitude]: [f64; 2]) -> [f64; 2] {
    [latitude * scale[0], longitude * scale[1]]
}
