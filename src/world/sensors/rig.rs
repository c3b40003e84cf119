//! A rig: sensors by name, each of a kind, mounted somewhere on the vehicle.
//!
//! *In*: [`SensorSpec`]s from a configuration; then for each [`Moment`] the numbers of the sensors that are due. *Out*: their readings as
//! [`Payload`]s. Cameras with one pose and lens share one [`View`], so that colour, depth, labels and heat of a place cost one look.
//! *Invariant*: a reading depends on the moment, the sensor, its seed and its count alone.

use super::lidar::{Carrier, LidarSpec, sweep};
use super::picture::Camera;
use super::radar::{RadarSpec, scan};
use super::spec::{SensorKind, SensorSpec};
use super::thermal::ThermalCamera;
use super::view::{Shot, View};
use super::{Moment, Sweep, noise};
use crate::types::{
    Calibration, Distortion, EgoState, Error, FrameId, Gnss, Imu, Intrinsics, Modality, Payload, Pose, Result, SensorId, nearest, num,
};
use nalgebra::{Isometry3, Matrix3, Rotation3, Translation3, UnitQuaternion, Vector3};
use rayon::prelude::*;
use std::sync::Arc;

/// Where latitude and longitude of the world's origin are.
const ORIGIN: [f64; 3] = [48.1372, 11.5755, 519.0];
/// Metres of a degree of latitude.
const DEGREE: f64 = 111_319.490_793;

/// A sensor on the vehicle.
#[derive(Debug, Clone)]
pub struct Mounted {
    /// What it is, defaults filled in.
    pub spec: SensorSpec,
    /// As the pipeline knows it.
    pub id: SensorId,
    /// How it sees and where it sits, as a calibration of the rig would say.
    pub calibration: Arc<Calibration>,
    /// Vehicle from sensor, as it really is.
    mount: Isometry3<f64>,
    seed: u32,
}

/// All sensors of a vehicle.
#[derive(Debug, Clone)]
pub struct Rig {
    /// In the order of the configuration.
    pub sensors: Vec<Mounted>,
}

/// How the vehicle that carries a rig moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EgoMotion {
    /// World from vehicle.
    pub pose: Isometry3<f64>,
    /// In the world, m/s.
    pub velocity: [f64; 3],
    /// In the world, m/s^2.
    pub acceleration: [f64; 3],
    /// About z, rad/s.
    pub yaw_rate: f64,
}

/// What one sensor measured.
#[derive(Debug, Clone, PartialEq)]
pub struct RigReading {
    /// Index of the sensor.
    pub sensor: usize,
    /// The reading.
    pub payload: Payload,
    /// For a LiDAR, which instance each point hit.
    pub hits: Option<Arc<Sweep>>,
}

impl Rig {
    /// Checks and completes the specs.
    ///
    /// # Errors
    /// Where a name comes twice or is empty, a sensor is `like` one that is not before it, or a number makes no sense.
    pub fn new(specs: &[SensorSpec], seed: u64) -> Result<Self> {
        let mut sensors: Vec<Mounted> = Vec::new();
        for spec in specs {
            if spec.name.is_empty() || sensors.iter().any(|s| s.spec.name == spec.name) {
                return Err(Error::mismatch("a name of its own for every sensor", format!("`{}` twice or empty", spec.name), "sensors"));
            }
            let model = spec.like.as_ref().map(|like| {
                sensors.iter().find(|s| s.spec.name == *like).ok_or_else(|| {
                    let near = nearest(like, sensors.iter().map(|s| s.spec.name.as_str()));
                    let hint = near.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
                    Error::mismatch(
                        "the name of a sensor before this one",
                        format!("`{like}`{hint}"),
                        format!("sensor `{}`, like", spec.name),
                    )
                })
            });
            let spec = spec.completed(model.transpose()?.map(|m| &m.spec))?;
            let chance = noise::pair(num::low_u32(seed), noise::hash(num::u32(sensors.len())));
            sensors.push(Mounted::new(spec, chance)?);
        }
        Ok(Self { sensors })
    }
    /// The readings of these sensors, in their order; `frame` counts moments.
    ///
    /// # Errors
    /// Where a pose is not finite.
    pub fn read(&self, moment: &Moment, ego: &EgoMotion, due: &[usize], frame: u32) -> Result<Vec<RigReading>> {
        let mounted: Vec<(usize, &Mounted)> = due.iter().filter_map(|i| Some((*i, self.sensors.get(*i)?))).collect();
        let mut jobs: Vec<Vec<(usize, &Mounted)>> = Vec::new();
        for (index, sensor) in mounted {
            let same = |group: &&mut Vec<(usize, &Mounted)>| group.first().is_some_and(|(_, other)| sensor.looks_as(other));
            match jobs.iter_mut().find(same) {
                Some(group) => group.push((index, sensor)),
                None => jobs.push(vec![(index, sensor)]),
            }
        }
        let read: Vec<Result<Vec<RigReading>>> = jobs.par_iter().map(|group| group_readings(moment, ego, group, frame)).collect();
        let mut readings = Vec::with_capacity(due.len());
        for part in read {
            readings.extend(part?);
        }
        readings.sort_by_key(|r| r.sensor);
        Ok(readings)
    }
}

fn group_readings(moment: &Moment, ego: &EgoMotion, group: &[(usize, &Mounted)], frame: u32) -> Result<Vec<RigReading>> {
    let Some((_, first)) = group.first() else { return Ok(Vec::new()) };
    let pose = ego.pose * first.mount;
    let Some(intrinsics) = first.calibration.intrinsics else {
        return group.iter().map(|(index, sensor)| sensor.small(moment, ego, frame, *index)).collect();
    };
    let fine = group.iter().any(|(_, s)| s.spec.kind == SensorKind::Rgb && s.spec.antialias());
    let view = View::new(moment, Shot { pose, intrinsics, fine, skip: moment.ego })?;
    let lit = group.iter().any(|(_, s)| matches!(s.spec.kind, SensorKind::Rgb | SensorKind::Thermal));
    let shadows = if lit { view.shadows() } else { None };
    group
        .iter()
        .map(|(index, sensor)| {
            let (spec, seed) = (&sensor.spec, sensor.seed);
            let noise = num::f32(spec.noise());
            let payload = match spec.kind {
                SensorKind::Rgb => Payload::Rgb(Arc::new(view.rgb(shadows.as_ref(), &Camera { noise, seed, frame })?)),
                SensorKind::Depth => Payload::Depth(Arc::new(view.depth(num::f32(spec.range())))),
                SensorKind::Semantic => Payload::Labels(Arc::new(view.semantic(spec.numbering.unwrap_or_default()))),
                SensorKind::Instance => Payload::Labels(Arc::new(view.instance_labels())),
                _ => {
                    let camera = ThermalCamera { noise, bits: spec.bits.unwrap_or(8), seed, frame };
                    Payload::Thermal(Arc::new(view.thermal(shadows.as_ref(), &camera)?))
                }
            };
            Ok(RigReading { sensor: *index, payload, hits: None })
        })
        .collect()
}

impl Mounted {
    fn new(spec: SensorSpec, seed: u32) -> Result<Self> {
        let id = SensorId::new(&spec.name);
        let intrinsics = match spec.kind.is_camera() {
            true => {
                let (width, height) = (spec.width.unwrap_or(320), spec.height.unwrap_or(160));
                let focal = width as f64 / 2.0 / (spec.fov.unwrap_or(90.0).to_radians() / 2.0).tan();
                let centre = |n: usize| (n as f64 - 1.0) / 2.0;
                Some(Intrinsics::new(width, height, focal, focal, centre(width), centre(height))?)
            }
            false => None,
        };
        let [x, y, z] = spec.at.unwrap_or_default();
        let [yaw, pitch, roll] = spec.turn.unwrap_or_default().map(f64::to_radians);
        // Yaw to the left, pitch upwards.
        let turn = UnitQuaternion::from_euler_angles(roll, -pitch, yaw);
        let axes = if intrinsics.is_some() { camera_axes() } else { UnitQuaternion::identity() };
        let nominal = Isometry3::from_parts(Translation3::new(x, y, z), turn * axes);
        let off = |which: u32| f64::from(noise::normal(noise::pair(seed, which))) * spec.misalign.unwrap_or(0.0).to_radians();
        let mount = nominal * UnitQuaternion::from_euler_angles(off(1), off(2), off(3));
        let extrinsics = Pose::new(FrameId::vehicle(), FrameId::new(&spec.name), nominal);
        let calibration = Arc::new(Calibration { intrinsics, distortion: Distortion::None, extrinsics, version: 0 });
        Ok(Self { spec, id, calibration, mount, seed })
    }
    /// What it measures.
    pub const fn modality(&self) -> Modality {
        self.spec.kind.modality()
    }
    fn looks_as(&self, other: &Self) -> bool {
        let (own, theirs) = (self.calibration.intrinsics, other.calibration.intrinsics);
        own.is_some() && own == theirs && self.mount == other.mount
    }
    /// Where it is in the world.
    pub fn pose(&self, ego: &EgoMotion) -> Isometry3<f64> {
        ego.pose * self.mount
    }
    fn chance(&self, frame: u32, which: u32) -> f64 {
        f64::from(noise::normal(noise::triple(self.seed, frame, which)))
    }
    fn small(&self, moment: &Moment, ego: &EgoMotion, frame: u32, sensor: usize) -> Result<RigReading> {
        let carrier = Carrier { at: ego.pose.translation.vector.into(), velocity: ego.velocity, yaw_rate: ego.yaw_rate };
        let (pose, spec, chance) = (ego.pose * self.mount, &self.spec, noise::pair(self.seed, frame));
        let mut hits = None;
        let payload = match spec.kind {
            SensorKind::Lidar => {
                let swept = sweep(moment, &pose, &carrier, &spec.lidar(), 1.0 / spec.rate_hz.unwrap_or(10.0), chance, moment.ego)?;
                let cloud = swept.cloud()?;
                hits = Some(Arc::new(swept));
                Payload::Cloud(Arc::new(cloud))
            }
            SensorKind::Radar => Payload::Radar(Arc::new(scan(moment, &pose, &carrier, &spec.radar(), chance, moment.ego)?)),
            SensorKind::Imu => Payload::Imu(self.imu(ego, frame)),
            SensorKind::Gnss => Payload::Gnss(self.gnss(&pose, frame)),
            _ => {
                let forward = ego.pose.rotation * Vector3::x();
                let speed = forward.dot(&Vector3::from(ego.velocity));
                let pose = Pose::new(FrameId::world(), FrameId::vehicle(), ego.pose);
                Payload::Ego(EgoState { pose, speed, yaw_rate: ego.yaw_rate })
            }
        };
        Ok(RigReading { sensor, payload, hits })
    }
    /// Specific force: what a mass on a spring feels, gravity's counterforce included.
    fn imu(&self, ego: &EgoMotion, frame: u32) -> Imu {
        let turn = (ego.pose.rotation * self.mount.rotation).inverse();
        let lever = ego.pose.rotation * self.mount.translation.vector;
        let spin = Vector3::new(0.0, 0.0, ego.yaw_rate);
        let force = turn * (Vector3::from(ego.acceleration) + spin.cross(&spin.cross(&lever)) + Vector3::new(0.0, 0.0, 9.806_65));
        let spin = turn * spin;
        let noise = self.spec.noise();
        let forward = ego.pose.rotation * Vector3::x();
        let compass = (std::f64::consts::FRAC_PI_2 - forward.y.atan2(forward.x)).rem_euclid(std::f64::consts::TAU);
        let with = |v: Vector3<f64>, scale: f64, first: u32| {
            let [x, y, z]: [f64; 3] = v.into();
            [x + scale * self.chance(frame, first), y + scale * self.chance(frame, first + 1), z + scale * self.chance(frame, first + 2)]
        };
        Imu { acceleration: with(force, noise, 1), angular_velocity: with(spin, noise * 0.05, 4), compass: Some(compass) }
    }
    fn gnss(&self, pose: &Isometry3<f64>, frame: u32) -> Gnss {
        let [latitude, longitude, altitude] = ORIGIN;
        let noise = self.spec.noise();
        let [x, y, z]: [f64; 3] = pose.translation.vector.into();
        let (x, y) = (x + noise * self.chance(frame, 1), y + noise * self.chance(frame, 2));
        let per_longitude = DEGREE * latitude.to_radians().cos();
        Gnss {
            latitude: latitude + y / DEGREE,
            longitude: longitude + x / per_longitude,
            altitude: altitude + z + 1.5 * noise * self.chance(frame, 3),
        }
    }
}

/// Vehicle from a camera that looks forward.
fn camera_axes() -> UnitQuaternion<f64> {
    UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(Matrix3::new(0.0, 0.0, 1.0, -1.0, 0.0, 0.0, 0.0, -1.0, 0.0)))
}

impl SensorSpec {
    fn lidar(&self) -> LidarSpec {
        let base = LidarSpec::default();
        LidarSpec {
            beams: self.beams.unwrap_or(base.beams),
            lowest: self.lowest.unwrap_or(base.lowest),
            highest: self.highest.unwrap_or(base.highest),
            columns: self.columns.unwrap_or(base.columns),
            range: self.range(),
            noise: self.noise(),
            dropout: self.dropout.unwrap_or(base.dropout),
            rolling: self.rolling.unwrap_or(base.rolling),
        }
    }
    fn radar(&self) -> RadarSpec {
        let base = RadarSpec::default();
        RadarSpec { fov: self.fov.unwrap_or(base.fov), range: self.range(), noise: self.noise(), ..base }
    }
    /// Checks what only the sensors themselves know.
    pub(super) fn check_inner(&self) -> Result<()> {
        match self.kind {
            SensorKind::Lidar => self.lidar().checked(),
            SensorKind::Radar => self.radar().checked(),
            _ => Ok(()),
        }
    }
}
