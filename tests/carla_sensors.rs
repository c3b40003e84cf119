//! Sensors of the embedded server that the official check leaves out: instances, radar, obstacles, parts of a LiDAR's turn, lane invasion.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout, missing_docs)]

use sensorium::carla::client::{Client, Stream};
use sensorium::carla::server::{Server, Settings};
use sensorium::carla::*;
use sensorium::drive::server::{Embedded, Traffic};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

/// An ego vehicle, and another one 14 m ahead of it on its lane.
struct Street {
    c: Client,
    ego: u32,
    other: u32,
    _server: Server,
}

fn ahead(of: &Transform, metres: f32) -> Transform {
    let (sin, cos) = of.rotation.yaw.to_radians().sin_cos();
    let l = &of.location;
    Transform { location: Vector3D::new(l.x + cos * metres, l.y + sin * metres, l.z), ..of.clone() }
}

fn street() -> Street {
    let settings = Settings { address: "127.0.0.1".parse().unwrap(), port: 0, version: Version::V0_9_16, map: "town-02".into() };
    let server = Server::start(&settings, Embedded::new(Traffic { vehicles: 0, pedestrians: 0, seed: 1 })).unwrap();
    let mut c = Client::connect("127.0.0.1", server.address().port(), SOON).unwrap();
    c.lockstep(0.05).unwrap();
    let start = c.map().unwrap().spawn_points[0].clone();
    let car = c.blueprint("vehicle.tesla.model3", &[]).unwrap();
    let ego = c.spawn(car.clone(), start.clone(), None).unwrap().id;
    let other = c.spawn(car, ahead(&start, 14.0), None).unwrap().id;
    (0..10).for_each(|_| drop(c.tick().unwrap()));
    Street { c, ego, other, _server: server }
}

impl Street {
    fn sensor(&mut self, blueprint: &str, set: &[(&str, &str)], x: f32, z: f32) -> Stream {
        let set: Vec<(&str, String)> = set.iter().map(|(k, v)| (*k, (*v).to_owned())).collect();
        let what = self.c.blueprint(blueprint, &set).unwrap();
        let place = Transform { location: Vector3D::new(x, 0.0, z), ..Transform::default() };
        let actor = self.c.spawn(what, place, Some(self.ego)).unwrap();
        self.c.listen(blueprint, &actor).unwrap()
    }
    /// The first message of a stream, and a step's messages after it.
    fn next(&mut self, stream: &Stream) -> Vec<u8> {
        for _ in 0..100 {
            let frame = self.c.tick().unwrap().header.frame;
            if let Ok(message) = stream.frame(frame, Duration::from_millis(200)) {
                return message;
            }
        }
        panic!("`{}` is silent", stream.name());
    }
    fn place(&mut self, id: u32) -> nalgebra::Vector3<f64> {
        axes::vector(&self.c.tick().unwrap().actor(id).unwrap().transform.location)
    }
}

fn body(message: &[u8]) -> &[u8] {
    Header::read(message).unwrap().1
}

#[test]
fn an_instance_camera_names_actors_by_their_ids() {
    let mut s = street();
    let stream =
        s.sensor("sensor.camera.instance_segmentation", &[("image_size_x", "320"), ("image_size_y", "160"), ("fov", "60")], 1.5, 2.0);
    let message = s.next(&stream);
    let picture = Image::read(body(&message)).unwrap();
    // The car ahead is in the middle, a little below: red has its class, blue and green its number.
    let pixel = &picture.pixels[4 * (112 * 320 + 160)..][..4];
    let id = u32::from(pixel[0]) << 8 | u32::from(pixel[1]);
    assert_eq!((pixel[2], id), (14, s.other & 0xFFFF), "{pixel:?}");
    let ids: std::collections::BTreeSet<[u8; 3]> = picture.pixels.chunks(4).map(|p| [p[0], p[1], p[2]]).collect();
    assert!(ids.len() > 5, "{ids:?}");
}

#[test]
fn a_radar_sees_who_is_ahead_and_how_fast_it_comes() {
    let mut s = street();
    let stream = s.sensor("sensor.other.radar", &[("horizontal_fov", "30"), ("vertical_fov", "20"), ("range", "60")], 2.2, 0.8);
    s.next(&stream);
    let ego = s.ego;
    s.c.tell(&Call::EnableActorConstantVelocity { id: ego, vector: Vector3D::new(4.0, 0.0, 0.0) }).unwrap();
    for _ in 0..4 {
        s.next(&stream);
    }
    let message = s.next(&stream);
    let (mine, theirs) = (s.place(s.ego), s.place(s.other));
    let gap = (theirs - mine).norm() - 2.2 - 2.3;
    let found = detections(body(&message)).unwrap();
    let near: Vec<_> = found.iter().filter(|d| (f64::from(d.depth) - gap).abs() < 2.5 && d.azimuth.abs() < 0.1).collect();
    assert!(!near.is_empty(), "nobody at {gap:.1} m: {found:?}");
    assert!(near.iter().all(|d| (d.velocity + 4.0).abs() < 0.8), "approaching is negative: {near:?}");
    assert!(found.iter().all(|d| d.azimuth.abs() < 0.3 && d.altitude.abs() < 0.18 && d.depth <= 60.5), "inside its fan");
}

#[test]
fn an_obstacle_sensor_tells_whom_it_sees_and_how_far() {
    let mut s = street();
    let stream = s.sensor("sensor.other.obstacle", &[("distance", "20")], 2.4, 0.7);
    let short = s.sensor("sensor.other.obstacle", &[("distance", "3")], 2.4, 0.7);
    let message = s.next(&stream);
    let seen: Obstacle = packed(body(&message), Version::V0_9_16).unwrap();
    assert_eq!((seen.actor.id, seen.other.id), (s.ego, s.other));
    assert!((8.0..11.0).contains(&seen.distance), "{} m", seen.distance);
    for _ in 0..20 {
        s.c.tick().unwrap();
    }
    assert!(short.next(Duration::from_millis(100)).is_none(), "nothing within 3 m");
}

#[test]
fn a_lidar_slower_than_the_steps_sends_parts_of_a_turn_that_fit() {
    let mut s = street();
    let half =
        [("channels", "16"), ("range", "60"), ("points_per_second", "64000"), ("rotation_frequency", "10"), ("dropoff_general_rate", "0")];
    let stream = s.sensor("sensor.lidar.ray_cast", &half, 0.0, 2.4);
    s.next(&stream);
    let parts: Vec<(f32, Vec<f32>)> = (0..4)
        .map(|_| {
            let message = s.next(&stream);
            let sweep = Sweep::read(body(&message), Sweep::POINT).unwrap();
            assert_eq!(sweep.counts.len(), 16);
            assert_eq!(sweep.counts.iter().sum::<u32>() as usize * 16, sweep.points.len());
            let number = |b: &[u8]| f32::from_le_bytes(b.try_into().unwrap());
            let azimuth = |p: &[u8]| number(&p[4..8]).atan2(number(&p[0..4])).rem_euclid(std::f32::consts::TAU);
            for p in sweep.points.chunks(16) {
                let range = [0, 4, 8].map(|i| number(&p[i..i + 4]).powi(2)).iter().sum::<f32>().sqrt();
                assert!((number(&p[12..16]) - (-0.004 * range).exp()).abs() < 1e-3, "intensity at {range} m");
            }
            (sweep.angle, sweep.points.chunks(16).map(azimuth).collect())
        })
        .collect();
    for pair in parts.windows(2) {
        let turned = (pair[1].0 - pair[0].0).rem_euclid(std::f32::consts::TAU);
        assert!((turned - std::f32::consts::PI).abs() < 1e-3, "half a turn a step: {turned}");
        // Every point is in the half turn that ended at the angle of its message.
        let inside = |(end, azimuths): &(f32, Vec<f32>)| {
            azimuths.iter().filter(|a| (end - **a).rem_euclid(std::f32::consts::TAU) <= std::f32::consts::PI + 0.02).count()
                == azimuths.len()
        };
        assert!(pair[0].1.len() > 200 && inside(&pair[0]) && inside(&pair[1]));
    }
}

#[test]
fn a_semantic_lidar_knows_whom_it_hit_and_how_squarely() {
    let mut s = street();
    let beams = [("channels", "32"), ("range", "60"), ("points_per_second", "300000"), ("rotation_frequency", "20")];
    let stream = s.sensor("sensor.lidar.ray_cast_semantic", &beams, 0.0, 2.4);
    let message = s.next(&stream);
    let sweep = Sweep::read(body(&message), Sweep::SEMANTIC_POINT).unwrap();
    let word = |p: &[u8], at: usize| <[u8; 4]>::try_from(&p[at..at + 4]).unwrap();
    let on_other = sweep.points.chunks(24).filter(|p| u32::from_le_bytes(word(p, 16)) == s.other).count();
    let cars =
        sweep.points.chunks(24).filter(|p| u32::from_le_bytes(word(p, 16)) == s.other && u32::from_le_bytes(word(p, 20)) == 14).count();
    assert!(on_other > 20 && cars == on_other, "{cars} of {on_other}");
    // On flat ground the cosine of incidence is height over distance.
    let mut ground = 0;
    for p in sweep.points.chunks(24).filter(|p| u32::from_le_bytes(word(p, 20)) == 1) {
        let [x, y, z, cosine] = [0, 4, 8, 12].map(|at| f32::from_le_bytes(word(p, at)));
        let range = x.hypot(y).hypot(z);
        assert!((cosine - z.abs() / range).abs() < 0.05, "{cosine} at {range} m, {z} m below");
        ground += 1;
    }
    assert!(ground > 200, "{ground}");
}

#[test]
fn lane_invasion_is_the_clients_own_and_never_sent() {
    let mut s = street();
    let what = s.c.blueprint("sensor.other.lane_invasion", &[]).unwrap();
    let actor = s.c.spawn(what, Transform::default(), Some(s.ego)).unwrap();
    assert!(actor.stream_token.0.is_empty(), "no token: data on such a stream ends the official client");
    assert!(s.c.listen("lane", &actor).is_err());
    assert!(s.c.tick().unwrap().actor(actor.id).is_some());
}
