//! Three RGB-D cameras and a LiDAR in the layout of CARLA driving sets, which LeTFuser's and TransFuser's trainings read.
//!
//! *Out*: `world/TOWN_seedN/route_0000/{rgb,depth,semantics,lidar,topdown,label_raw,measurements}`, see [`crate::formats::driving_set`]. *Frames*: `x`
//! north and `y` east of the town's origin, metres. *Invariant*: what the vehicle did is what the expert did; picture sizes and lenses are the
//! published ones (320x160, 60 degrees, the sides turned by 60), whatever `--width` says.

use super::{ExportConfig, Writer, cloud_of, depth_of, labels_of, rgb_of};
use crate::formats::driving_set::{
    DrivingFrame, Measurements, RawLabel, compass, create, ego_matrix, raw_label, rows_beside, side_by_side, write,
};
use crate::formats::topdown::{CELL, Plane, SIDE, TopDown};
use crate::types::{DepthImage, Error, Result};
use crate::world::live::{Live, Tick};
use crate::world::model::Signal;
use crate::world::motion::{Reason, World};
use crate::world::scene::{Layer, Raster, Rule};
use crate::world::sensors::{Numbering, SensorKind, SensorSpec};
use nalgebra::Vector3;
use ndarray::Array2;
use std::path::PathBuf;

const CAMERAS: [(&str, f64); 3] = [("left", 60.0), ("front", 0.0), ("right", -60.0)];
const SIZE: [usize; 2] = [320, 160];
/// Metres between far points of a route, and how near one counts as passed.
const FAR: [f64; 2] = [50.0, 7.5];

/// The layout.
pub(super) struct Carla;

impl Writer for Carla {
    fn rig(&self, config: &ExportConfig) -> Vec<SensorSpec> {
        let mut sensors = Vec::new();
        for (side, yaw) in CAMERAS {
            let named = |what: &str| format!("{what}_{side}");
            let like = |what: &str, kind| SensorSpec { like: Some(named("rgb")), ..SensorSpec::new(&named(what), kind) };
            let rgb = SensorSpec::new(&named("rgb"), SensorKind::Rgb).placed([1.3, 0.0, 2.3], yaw).sized(SIZE[0], SIZE[1], 60.0);
            sensors.push(rgb.every(config.rate_hz));
            sensors.push(SensorSpec { range: Some(1000.0), ..like("depth", SensorKind::Depth) });
            sensors.push(SensorSpec { numbering: Some(Numbering::CarlaOld), ..like("classes", SensorKind::Semantic) });
        }
        sensors.push(SensorSpec::new("lidar", SensorKind::Lidar).placed([1.3, 0.0, 2.5], 0.0).every(config.rate_hz));
        sensors
    }
    fn folders(&self) -> &'static [&'static str] {
        &[]
    }
    fn frame(&mut self, config: &ExportConfig, live: &Live, tick: &Tick, name: &str) -> Result<()> {
        let route = route(config);
        let number: usize = name.parse().map_err(|_| Error::mismatch("a number", name, "export"))?;
        if number == 0 {
            create(&route)?;
        }
        write(&route, number, &frame(live, tick)?)
    }
    fn finish(&mut self, _: &ExportConfig, _: &Live) -> Result<String> {
        Ok(String::new())
    }
}

fn route(config: &ExportConfig) -> PathBuf {
    config.output.join("world").join(format!("{}_seed{}", config.world.town, config.world.seed)).join("route_0000")
}

fn frame(live: &Live, tick: &Tick) -> Result<DrivingFrame> {
    let named = |what: &str| CAMERAS.map(|(side, _)| format!("{what}_{side}"));
    let [a, b, c] = named("rgb");
    let rgb = side_by_side(&[rgb_of(live, tick, &a)?, rgb_of(live, tick, &b)?, rgb_of(live, tick, &c)?])?;
    let (mut depth, mut classes) = (Vec::new(), Vec::new());
    for (far, seen) in named("depth").iter().zip(named("classes")) {
        depth.push(depth_of(live, tick, far)?.metres.iter().copied().collect::<Vec<f32>>());
        classes.push(labels_of(live, tick, &seen)?.labels.iter().map(|l| u8::try_from(*l).unwrap_or(0)).collect::<Vec<u8>>());
    }
    let metres = rows_beside(&depth.iter().map(Vec::as_slice).collect::<Vec<_>>(), SIZE[0]);
    let metres = Array2::from_shape_vec((SIZE[1], 3 * SIZE[0]), metres);
    let depth = DepthImage { metres: metres.map_err(|e| Error::mismatch("three depth pictures of one size", e.to_string(), "export"))? };
    let classes = rows_beside(&classes.iter().map(Vec::as_slice).collect::<Vec<_>>(), SIZE[0]);
    let points = cloud_of(live, tick, "lidar")?.points().iter().map(|p| [p.position[1], p.position[0], p.position[2], p.intensity]);
    let world = live.world();
    let ego = world.ego().ok_or_else(|| Error::mismatch("an ego vehicle", "none", "export"))?;
    let (place, heading) = standing(tick);
    let mine = world.snapshot().movers.iter().find(|m| m.id == ego).map_or([4.5, 1.9, 1.5], |m| m.body.size);
    let speed = Vector3::from(tick.ego.velocity).norm();
    let mut labels = vec![raw_label("car", u64::from(ego), mine, (place, heading), (place, heading), speed)];
    let mut top_down = ground(world, place, heading)?;
    let (sin, cos) = heading.sin_cos();
    for l in live.labels(tick, 80.0, 2.5)? {
        let b = &l.box3;
        let speed = b.velocity.map_or(0.0, |[x, y]| x.hypot(y));
        let [x, y, _] = b.centre;
        let plane = if b.class == "pedestrian" { Plane::Walker } else { Plane::Vehicle };
        top_down.body(plane, [x, y], b.yaw, [b.size[0] / 2.0, b.size[1] / 2.0]);
        let own = ([place[0] + cos * x - sin * y, place[1] + sin * x + cos * y], heading + b.yaw);
        let label = raw_label(&b.class, b.track.unwrap_or(0), b.size, (place, heading), own, speed);
        labels.push(RawLabel { num_points: i64::try_from(l.lidar_points).unwrap_or(i64::MAX), ..label });
    }
    let measurements = measured(world, ego, tick)?;
    Ok(DrivingFrame { rgb, depth, classes, points: points.collect(), top_down, labels, measurements })
}

/// Road, lines and lights around a place.
fn ground(world: &World, place: [f64; 2], heading: f64) -> Result<TopDown> {
    let half = SIDE as f64 * CELL / 2.0;
    let raster = Raster { origin: [-half, -half], cell: CELL, nx: SIDE, ny: SIDE };
    let map = world.town.map.around(place, heading, &[Layer::DrivableArea, Layer::LaneDivider, Layer::RoadDivider], &raster)?;
    let mut top_down = TopDown::default();
    for (row, line) in map.cells().chunks_exact(SIDE).rev().enumerate() {
        for (column, cell) in line.iter().rev().enumerate() {
            if cell & 1 != 0 {
                top_down.set(Plane::Road, column, row);
            }
            if cell & 6 != 0 {
                top_down.set(Plane::Lane, column, row);
            }
        }
    }
    let net = &world.town.network;
    let (sin, cos) = heading.sin_cos();
    for light in &net.lights {
        let plane = match world.light(light.id).0 {
            Signal::Red => Plane::Red,
            Signal::Yellow => Plane::Yellow,
            Signal::Green => Plane::Green,
        };
        for lane in light.lanes.iter().filter_map(|l| net.lane(*l)) {
            let [x, y] = lane.centre.at(lane.stop).point();
            let (dx, dy) = (x - place[0], y - place[1]);
            top_down.body(plane, [cos * dx + sin * dy, cos * dy - sin * dx], 0.0, [0.0; 2]);
        }
    }
    Ok(top_down)
}

/// East, north and heading of the ego vehicle.
fn standing(tick: &Tick) -> ([f64; 2], f64) {
    let ahead = tick.ego.pose.rotation * Vector3::x();
    let t = tick.ego.pose.translation;
    ([t.x, t.y], ahead.y.atan2(ahead.x))
}

fn measured(world: &World, ego: u32, tick: &Tick) -> Result<Measurements> {
    let ([east, north], heading) = standing(tick);
    let control = world.current_control(ego)?;
    let ahead = world.route(ego)?.points;
    let net = &world.town.network;
    let lane = ahead.first().and_then(|p| net.lane(p.lane).map(|l| (l, p.s)));
    let mut far = None;
    for (n, pair) in ahead.windows(2).enumerate() {
        let [before, here] = pair else { continue };
        let metres = (n + 1) as f64;
        far = Some(here);
        if metres > FAR[1] && (before.command != here.command || metres >= FAR[0]) {
            break;
        }
    }
    let (sin, cos) = heading.sin_cos();
    let future = world.expert_future(ego, 2.0, 0.5)?;
    let placed = |[x, y, _]: &[f64; 3]| [east + cos * x - sin * y, north + sin * x + cos * y];
    let turned = |[x, y, _]: &[f64; 3]| compass(heading + if x.hypot(*y) > 0.1 { y.atan2(*x) } else { 0.0 });
    let waypoints = future.points.iter().map(|p| {
        let [e, n] = placed(p);
        [n, e, turned(p)]
    });
    let light = world.light_ahead(ego)?.is_some_and(|l| l.colour != Signal::Green && l.distance < 20.0);
    let stop = lane.is_some_and(|(l, s)| l.rule == Rule::Stop && (0.0..12.0).contains(&(l.stop - s)));
    let reason = world.reason(ego)?;
    let [x_command, y_command] = far.map_or([north, east], |p| [p.point[1], p.point[0]]);
    Ok(Measurements {
        x: north,
        y: east,
        theta: compass(heading),
        speed: Vector3::from(tick.ego.velocity).norm(),
        target_speed: lane.map_or(0.0, |(l, _)| l.limit),
        x_command,
        y_command,
        command: far.map_or(4, |p| i32::from(p.command as u8)),
        angle: future.points.get(1).map_or(0.0, |[x, y, _]| if x.hypot(*y) > 0.1 { -y.atan2(*x).to_degrees() / 90.0 } else { 0.0 }),
        waypoints: waypoints.collect(),
        steer: f64::from(control.steer),
        throttle: f64::from(control.throttle),
        brake: control.brake > 0.05,
        junction: lane.is_some_and(|(l, _)| l.junction.is_some()),
        vehicle_hazard: reason == Reason::Leader,
        light_hazard: light,
        walker_hazard: reason == Reason::Crossing,
        stop_sign_hazard: stop && reason == Reason::Junction,
        ego_matrix: ego_matrix([east, north], heading),
    })
}
