//! Our client drives our server through the same 52 points as the check that runs the official one (`tools/carla_official_check.py`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout, missing_docs)]

use sensorium::carla::client::{Client, Stream};
use sensorium::carla::server::{Server, Settings, geolocation};
use sensorium::carla::*;
use sensorium::drive::server::{Embedded, Traffic};
use std::collections::HashMap;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

struct Check {
    c: Client,
    port: u16,
    start: Transform,
    ego: Actor,
    streams: HashMap<&'static str, Stream>,
    last: HashMap<&'static str, Vec<u8>>,
    now: Snapshot,
    done: Vec<&'static str>,
}

impl Check {
    fn point(&mut self, name: &'static str) {
        println!("ok {name}");
        self.done.push(name);
    }
    fn tick(&mut self) -> u64 {
        self.now = self.c.tick().unwrap();
        self.now.header.frame
    }
    /// Steps, and takes every camera's and meter's message of the last one.
    fn collect(&mut self) -> u64 {
        let frame = self.tick();
        for (name, stream) in self.streams.iter().filter(|(n, _)| **n != "collision") {
            self.last.insert(name, stream.frame(frame, SOON).unwrap());
        }
        frame
    }
    fn drive(&mut self, ticks: usize, control: &VehicleControl) {
        self.c.control(self.ego.id, control).unwrap();
        (0..ticks).for_each(|_| {
            self.collect();
        });
    }
    fn state(&self) -> &ActorState {
        self.now.actor(self.ego.id).unwrap()
    }
    fn speed(&self) -> f64 {
        axes::vector(&self.state().velocity).norm()
    }
    fn body(&self, name: &str) -> &[u8] {
        Header::read(&self.last[name]).unwrap().1
    }
    fn place(&mut self, at: &Transform) {
        self.c.tell(&Call::SetActorTransform { id: self.ego.id, transform: at.clone() }).unwrap();
        self.drive(20, &VehicleControl::braking());
    }
    fn sensor(&mut self, blueprint: &str, set: &[(&str, &str)], at: Transform) -> Actor {
        let set: Vec<(&str, String)> = set.iter().map(|(k, v)| (*k, (*v).to_owned())).collect();
        let what = self.c.blueprint(blueprint, &set).unwrap();
        self.c.spawn(what, at, Some(self.ego.id)).unwrap()
    }
}

fn at(x: f32, z: f32) -> Transform {
    Transform { location: Vector3D::new(x, 0.0, z), ..Transform::default() }
}

fn ahead(of: &Transform, metres: f32) -> Transform {
    let (sin, cos) = of.rotation.yaw.to_radians().sin_cos();
    let l = &of.location;
    Transform { location: Vector3D::new(l.x + cos * metres, l.y + sin * metres, l.z), ..of.clone() }
}

fn pedals(throttle: f32, steer: f32, brake: f32) -> VehicleControl {
    VehicleControl { throttle, steer, brake, ..VehicleControl::default() }
}

#[test]
fn our_client_drives_our_server_through_the_points_of_the_official_check() {
    let settings = Settings { address: "127.0.0.1".parse().unwrap(), port: 0, version: Version::V0_9_16, map: "town-02".into() };
    let server = Server::start(&settings, Embedded::new(Traffic { vehicles: 0, pedestrians: 0, seed: 1 })).unwrap();
    let mut c = Client::connect("127.0.0.1", server.address().port(), SOON).unwrap();
    let now = c.world().unwrap().snapshot(0, SOON).unwrap();
    let mut k = Check {
        c,
        port: server.address().port(),
        start: Transform::default(),
        ego: Actor::default(),
        streams: HashMap::new(),
        last: HashMap::new(),
        now,
        done: Vec::new(),
    };
    asynchronous(&mut k);
    synchronous(&mut k);
    look(&mut k);
    motion(&mut k);
    events(&mut k, &server);
    others(&mut k);
    episodes(&mut k);
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tools/carla_official_check.py")).unwrap();
    let list = text.split_once("POINTS = [").unwrap().1.split_once(']').unwrap().0;
    let wanted: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    assert_eq!(wanted.len(), 52);
    assert_eq!(k.done, wanted);
}

fn asynchronous(k: &mut Check) {
    assert_eq!(k.c.announced(), "0.9.16");
    k.point("version");
    assert_eq!(k.c.version().name(), k.c.announced());
    k.point("version-match");
    assert!(k.c.maps().unwrap().iter().any(|m| m.ends_with("town-01")));
    k.point("maps");
    assert_eq!(k.c.episode().unwrap().token.port, k.port + 1);
    k.point("world");
    let s = k.c.settings().unwrap();
    assert!(!s.synchronous_mode && (1..=16).contains(&s.max_substeps) && s.max_substep_delta_time > 0.0);
    k.point("settings-read");
    let take = |k: &mut Check| Snapshot::read(&k.c.world().unwrap().next(SOON).unwrap()).unwrap().header;
    let (a, b) = (take(k), take(k));
    assert!(b.frame > a.frame && b.time > a.time);
    k.point("async-wait");
    let three = [take(k).frame, take(k).frame, take(k).frame];
    assert!(b.frame < three[0] && three[0] < three[1] && three[1] < three[2]);
    k.point("on-tick-async");
    let map = k.c.map().unwrap();
    assert!(k.c.ask::<String>(&Call::GetMapData {}).unwrap().contains("<OpenDRIVE"));
    k.start = map.spawn_points[0].clone();
    k.point("map");
    let library = k.c.library().unwrap();
    for prefix in ["vehicle.", "walker.pedestrian.", "sensor.camera.rgb", "sensor.lidar.", "sensor.other.collision", "static.prop."] {
        assert!(library.iter().any(|b| b.id.starts_with(prefix)), "{prefix}");
    }
    k.point("blueprints");
    let camera = k.c.library().unwrap().iter().find(|b| b.id == "sensor.camera.rgb").unwrap();
    let width = camera.attributes.iter().find(|a| a.id == "image_size_x").unwrap();
    assert!(width.kind == AttributeKind::Int && width.value == "800" && width.is_modifiable);
    k.point("blueprint-attributes");
}

fn synchronous(k: &mut Check) {
    k.c.lockstep(0.05).unwrap();
    let s = k.c.settings().unwrap();
    assert!(s.synchronous_mode && s.fixed_delta_seconds == Some(0.05));
    k.point("settings-sync");
    k.tick();
    let (frame, time) = (k.now.header.frame, k.now.header.time);
    k.tick();
    assert!(k.now.header.frame == frame + 1 && (k.now.header.time - time - 0.05).abs() < 1e-6);
    k.point("tick-delta");
    assert!(k.c.world().unwrap().next(Duration::from_millis(300)).is_none(), "nobody ticked");
    k.point("on-tick-sync");
    assert!((k.now.delta - 0.05).abs() < 1e-6 && !k.now.actors.is_empty());
    k.point("snapshot");
    let spectator: Actor = k.c.ask(&Call::GetSpectator {}).unwrap();
    assert!(k.now.actor(spectator.id).is_some());
    k.point("spectator");
    let car = k.c.blueprint("vehicle.tesla.model3", &[("role_name", "hero".into())]).unwrap();
    k.ego = k.c.spawn(car.clone(), k.start.clone(), None).unwrap();
    k.point("spawn-ego");
    assert!(k.ego.description.attributes.iter().any(|a| a.id == "role_name" && a.value == "hero"));
    k.point("ego-attributes");
    k.tick();
    assert!(k.now.actor(k.ego.id).is_some());
    let listed: Vec<Actor> = k.c.ask(&Call::GetActorsById { ids: vec![k.ego.id, 4_000_000] }).unwrap();
    assert!(listed.len() == 1 && listed[0].description.id == "vehicle.tesla.model3");
    k.point("ego-listed");
    let e = k.c.ask::<BoundingBox>(&Call::GetActorBoundingBox { id: k.ego.id }).unwrap().extent;
    assert!((1.5..3.5).contains(&e.x) && (0.6..1.5).contains(&e.y) && (0.5..1.2).contains(&e.z), "{e:?}");
    k.point("ego-box");
    let here = k.state().transform.clone();
    assert!(k.c.spawn(car, here, None).unwrap_err().to_string().contains("collision"));
    k.point("spawn-occupied");
    let picture = [("image_size_x", "160"), ("image_size_y", "96"), ("fov", "90")];
    let beams = [
        ("channels", "16"),
        ("range", "50"),
        ("points_per_second", "32000"),
        ("rotation_frequency", "20"),
        ("upper_fov", "5"),
        ("lower_fov", "-25"),
    ];
    for (name, blueprint, set, place) in [
        ("rgb", "sensor.camera.rgb", &picture[..], at(1.5, 2.0)),
        ("depth", "sensor.camera.depth", &picture[..], at(1.5, 2.0)),
        ("semantic", "sensor.camera.semantic_segmentation", &picture[..], at(1.5, 2.0)),
        ("lidar", "sensor.lidar.ray_cast", &beams[..], at(0.0, 2.4)),
        ("lidar-semantic", "sensor.lidar.ray_cast_semantic", &beams[..], at(0.0, 2.4)),
        ("imu", "sensor.other.imu", &[][..], at(0.0, 0.0)),
        ("gnss", "sensor.other.gnss", &[][..], at(0.0, 0.0)),
        ("collision", "sensor.other.collision", &[][..], at(0.0, 0.0)),
    ] {
        let actor = k.sensor(blueprint, set, place);
        assert_eq!(actor.parent, k.ego.id, "{name}");
        let stream = k.c.listen(name, &actor).unwrap();
        k.streams.insert(name, stream);
    }
    k.point("sensors-attached");
    let joined = (0..100).any(|_| {
        let frame = k.tick();
        k.streams.iter().filter(|(n, _)| **n != "collision").all(|(_, s)| s.frame(frame, Duration::from_millis(500)).is_ok())
    });
    assert!(joined);
    k.point("sensors-deliver");
    for _ in 0..5 {
        let frame = k.collect();
        for message in k.last.values() {
            assert_eq!(Header::read(message).unwrap().0.frame, frame);
        }
    }
    k.point("sensors-in-step");
}

fn look(k: &mut Check) {
    k.drive(30, &VehicleControl::braking());
    let rgb = Image::read(k.body("rgb")).unwrap();
    assert_eq!((rgb.width, rgb.height), (160, 96));
    assert!(rgb.pixels.chunks(4).all(|p| p[3] == 255));
    let levels: std::collections::HashSet<u8> = rgb.pixels.chunks(4).map(|p| p[1]).collect();
    assert!(levels.len() > 20, "{} levels of green", levels.len());
    k.point("camera-rgb");
    let depth = Image::read(k.body("depth")).unwrap().to_depth().unwrap();
    // The road ahead is flat: 2 m below the lens; a row's depth follows from its angle.
    let near = depth.metres[(95, 80)];
    let expected = 2.0 * 80.0 / (95.5 - 48.0);
    assert!((near - expected).abs() < 0.25, "{near} m, {expected} m wanted");
    k.point("camera-depth");
    let tags: Vec<u8> = Image::read(k.body("semantic")).unwrap().tags().collect();
    assert!(tags.iter().all(|t| *t <= 28) && matches!(tags[95 * 160 + 80], 1 | 24), "{}", tags[95 * 160 + 80]);
    k.point("camera-semantic");
    for (tag, metres) in tags.iter().zip(depth.metres.iter()) {
        assert_eq!(*tag == 11, *metres > 999.0, "tag {tag} at {metres} m");
    }
    k.point("depth-vs-semantic");
    let points = |sweep: &Sweep<'_>, size: usize| {
        sweep.points.chunks(size).map(|p| f32::from_le_bytes(p[8..12].try_into().unwrap())).collect::<Vec<_>>()
    };
    let sweep = Sweep::read(k.body("lidar"), Sweep::POINT).unwrap();
    let ground = points(&sweep, Sweep::POINT).iter().filter(|z| (**z + 2.4).abs() < 0.15).count();
    assert!(sweep.counts.len() == 16 && ground > 50, "{ground} points on the ground");
    k.point("lidar");
    let sweep = Sweep::read(k.body("lidar-semantic"), Sweep::SEMANTIC_POINT).unwrap();
    let road = sweep.points.chunks(24).filter(|p| matches!(p[20], 1 | 24)).count();
    assert!(road > 50, "{road} points on the road");
    k.point("lidar-semantic");
    let imu: ImuReading = packed(k.body("imu"), Version::V0_9_16).unwrap();
    let compass = (k.state().transform.rotation.yaw.to_radians() + std::f32::consts::FRAC_PI_2).rem_euclid(std::f32::consts::TAU);
    assert!((imu.accelerometer.z - 9.81).abs() < 0.3 && (imu.compass - compass).abs() < 0.01, "{imu:?}");
    k.point("imu-rest");
    let geo: GeoLocation = packed(k.body("gnss"), Version::V0_9_16).unwrap();
    let wanted = geolocation(&k.state().transform.location, [49.0, 8.0]);
    assert!((geo.latitude - wanted.latitude).abs() < 1e-7 && (geo.longitude - wanted.longitude).abs() < 1e-7);
    k.point("gnss");
}

fn motion(k: &mut Check) {
    let start = k.start.clone();
    let before: GeoLocation = packed(k.body("gnss"), Version::V0_9_16).unwrap();
    k.c.control(k.ego.id, &pedals(0.8, 0.0, 0.0)).unwrap();
    let mut pushed = 0.0_f32;
    for _ in 0..30 {
        k.collect();
        let imu: ImuReading = packed(k.body("imu"), Version::V0_9_16).unwrap();
        pushed = pushed.max(imu.accelerometer.x);
    }
    assert!(k.speed() > 3.0, "{} m/s", k.speed());
    k.point("throttle");
    let echoed = k.state().own.as_vehicle().unwrap().control;
    assert!((echoed.throttle - 0.8).abs() < 1e-6 && echoed.steer.abs() < 1e-6);
    k.point("control-echo");
    assert!(pushed > 0.5, "{pushed} m/s2");
    k.point("imu-drive");
    let after: GeoLocation = packed(k.body("gnss"), Version::V0_9_16).unwrap();
    k.drive(60, &VehicleControl::braking());
    assert!(k.speed() < 0.3, "{} m/s", k.speed());
    k.point("brake");
    k.place(&start);
    k.drive(30, &pedals(0.5, 0.3, 0.0));
    let turned = k.state().transform.rotation.yaw - start.rotation.yaw;
    assert!(((turned + 180.0).rem_euclid(360.0) - 180.0) > 3.0, "{turned} degrees");
    k.point("steer-sign");
    k.place(&ahead(&start, 8.0));
    let from = k.state().transform.location.clone();
    k.drive(30, &VehicleControl { reverse: true, gear: -1, ..pedals(0.5, 0.0, 0.0) });
    let gone = axes::vector(&k.state().transform.location) - axes::vector(&from);
    let facing = axes::rotation(&start.rotation) * nalgebra::Vector3::x();
    assert!(gone.dot(&facing) < -0.5, "{} m", gone.dot(&facing));
    k.point("reverse");
    assert!((after.latitude - before.latitude).abs() + (after.longitude - before.longitude).abs() > 1e-5);
    k.point("gnss-moves");
}

fn events(k: &mut Check, server: &Server) {
    let start = k.start.clone();
    k.place(&start);
    while k.streams["collision"].next(Duration::ZERO).is_some() {}
    let car = k.c.blueprint("vehicle.audi.etron", &[]).unwrap();
    let other = k.c.spawn(car, ahead(&start, 14.0), None).unwrap();
    k.c.control(k.ego.id, &pedals(1.0, 0.0, 0.0)).unwrap();
    let hit = (0..160).find_map(|_| {
        k.collect();
        k.streams["collision"].next(Duration::from_millis(20))
    });
    let hit: Collision = packed(Header::read(&hit.unwrap()).unwrap().1, Version::V0_9_16).unwrap();
    assert_eq!((hit.actor.id, hit.other.id), (k.ego.id, other.id));
    assert!(axes::vector(&hit.normal_impulse).norm() > 100.0);
    k.c.destroy(other.id).unwrap();
    k.point("collision");
    k.place(&ahead(&start, 5.0));
    let gap = axes::vector(&k.state().transform.location) - axes::vector(&ahead(&start, 5.0).location);
    assert!(gap.xy().norm() < 0.5, "{gap}");
    k.point("teleport");
    let slow = k.sensor("sensor.other.gnss", &[("sensor_tick", "0.2")], at(0.0, 0.0));
    let slow = k.c.listen("slow", &slow).unwrap();
    while slow.next(Duration::from_millis(50)).is_none() {
        k.tick();
    }
    slow.clear();
    let mut frames = Vec::new();
    for _ in 0..16 {
        k.tick();
        frames.extend(slow.next(Duration::from_millis(100)).map(|m| Header::read(&m).unwrap().0.frame));
    }
    assert!(frames.len() == 4 && frames.windows(2).all(|w| w[1] - w[0] == 4), "{frames:?}");
    k.point("sensor-tick");
    let listeners = server.traffic().listeners;
    drop(slow);
    let stopped = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        server.traffic().listeners < listeners
    });
    k.tick();
    assert!(stopped);
    k.point("sensor-stop");
}

fn others(k: &mut Check) {
    let place = |n: usize, k: &mut Check| k.c.map().unwrap().spawn_points[n].clone();
    let description = k.c.blueprint("vehicle.mini.cooper_s", &[]).unwrap();
    let control = VehicleControl { hand_brake: true, ..VehicleControl::default() };
    let spawn = |transform: Transform| Command::SpawnActor {
        description: description.clone(),
        transform,
        parent: None,
        attachment: 0,
        socket: String::new(),
        do_after: vec![Command::ApplyVehicleControl { id: 0, control: control.clone() }],
    };
    let (a, b) = (place(20, k), place(30, k));
    let made: Vec<u32> = k.c.batch(vec![spawn(a), spawn(b)]).unwrap().into_iter().map(Result::unwrap).collect();
    k.tick();
    assert!(made.iter().all(|id| k.now.actor(*id).unwrap().own.as_vehicle().unwrap().control.hand_brake));
    k.point("batch");
    let results = k.c.batch(vec![Command::DestroyActor { id: made[0] }, Command::DestroyActor { id: 4_000_000 }]).unwrap();
    assert!(results[0].is_ok() && results[1].is_err());
    k.point("batch-error");
    let mut second = Client::connect("127.0.0.1", k.port, SOON).unwrap();
    second.world().unwrap();
    let both = (0..50).any(|_| {
        let frame = k.tick();
        second.world().unwrap().snapshot(frame, Duration::from_millis(200)).is_ok_and(|s| s.actors == k.now.actors)
    });
    assert!(both, "both see the same");
    drop(second);
    k.tick();
    assert!(k.c.settings().unwrap().synchronous_mode, "who only looked changes nothing");
    k.point("second-client");
    let ids = k.now.actors.iter().map(|a| a.id).collect();
    let actors: Vec<Actor> = k.c.ask(&Call::GetActorsById { ids }).unwrap();
    let light = actors.iter().find(|a| a.description.id == "traffic.traffic_light").unwrap().id;
    for state in [LightColour::Red, LightColour::Green] {
        k.c.tell(&Call::SetTrafficLightState { id: light, state }).unwrap();
        k.tick();
        assert_eq!(k.now.actor(light).unwrap().own.as_light().unwrap().colour, state);
    }
    k.point("traffic-light");
    let wet = WeatherParameters { precipitation: 70.0, sun_altitude_angle: 20.0, ..WeatherParameters::default() };
    k.c.weather(&wet).unwrap();
    assert_eq!(k.c.ask::<WeatherParameters>(&Call::GetWeatherParameters {}).unwrap(), wet);
    k.point("weather");
    k.c.destroy(made[1]).unwrap();
    k.tick();
    assert!(k.now.actor(made[1]).is_none() && k.c.destroy(made[1]).is_err());
    k.point("destroy");
}

fn episodes(k: &mut Check) {
    k.streams.clear();
    let before = k.c.episode().unwrap().id;
    k.c.load("").unwrap();
    assert!(k.c.episode().unwrap().id != before && k.c.map().unwrap().name.ends_with("town-02"));
    k.point("reload-world");
    k.c.load("town-01").unwrap();
    assert!(k.c.map().unwrap().name.ends_with("town-01"));
    k.point("load-world");
    assert!(k.c.load("Town99").unwrap_err().to_string().contains("not found"));
    k.point("load-unknown");
    k.c.lockstep(0.05).unwrap();
    k.c.restore().unwrap();
    assert!(!k.c.settings().unwrap().synchronous_mode);
    k.point("settings-restored");
}
