//! Our client drives our server, with a world of one flat field behind it; and clients that mean ill.

use super::super::client::Client;
use super::super::*;
use super::*;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Points that move with their target velocity; cameras see grey.
#[derive(Default)]
pub(crate) struct Field {
    bodies: BTreeMap<u32, Motion>,
    lights: Vec<LightNow>,
    hit: bool,
}

impl Simulator for Field {
    fn maps(&self) -> Vec<String> {
        vec!["Field01".into(), "Field02".into()]
    }
    fn bodies(&self) -> Vec<ActorDefinition> {
        let wheels = attribute("number_of_wheels", AttributeKind::Int, "4");
        let role = attribute("role_name", AttributeKind::String, "autopilot");
        let id = "vehicle.tesla.model3".to_owned();
        vec![ActorDefinition { uid: 0, tags: tags(&id), id, attributes: vec![wheels, role] }]
    }
    fn load(&mut self, map: &str) -> Said<Site> {
        self.bodies.clear();
        self.lights = vec![LightNow::default()];
        Ok(Site { name: map.to_owned(), lights: vec![LightSite::default()], origin: [49.0, 8.0], ..Site::default() })
    }
    fn spawn(&mut self, id: u32, _what: &ActorDescription, at: &Transform) -> Said<(BoundingBox, u8)> {
        let near = |m: &Motion| (axes::vector(&m.transform.location) - axes::vector(&at.location)).norm() < 2.0;
        if self.bodies.values().any(near) {
            return Err("Spawn failed because of collision at spawn position".into());
        }
        self.bodies.insert(id, Motion { transform: at.clone(), ..Motion::default() });
        Ok((BoundingBox::default(), 14))
    }
    fn destroy(&mut self, id: u32) {
        self.bodies.remove(&id);
    }
    fn mount(&mut self, _id: u32, _kind: SensorKind, what: &ActorDescription) -> Said<()> {
        what.number("image_size_x", 1.0).map(|_| ()).map_err(|e| e.to_string())
    }
    fn order(&mut self, id: u32, order: Order) -> Said<()> {
        let body = self.bodies.get_mut(&id).ok_or("no body")?;
        match order {
            Order::Transform(at) => body.transform = at,
            Order::Velocity(v) => body.velocity = v,
            Order::Vehicle(c) => body.control = c,
            Order::Collisions(on) => self.hit = on,
            _ => {}
        }
        Ok(())
    }
    fn lights(&mut self, order: LightOrder) {
        if let LightOrder::Colour(n, colour) = order {
            self.lights[n].colour = colour;
        }
    }
    fn light_states(&self) -> Vec<LightNow> {
        self.lights.clone()
    }
    fn weather(&mut self, _weather: &WeatherParameters) {}
    fn step(&mut self, seconds: f64) -> Vec<Hit> {
        for body in self.bodies.values_mut() {
            body.transform.location.x += body.velocity.x * seconds as f32;
        }
        let first = self.bodies.keys().next().filter(|_| self.hit);
        first.map(|id| Hit { actor: *id, other: Other::Fixed("static.building", 3), impulse: Vector3D::default() }).into_iter().collect()
    }
    fn motion(&self, id: u32) -> Option<Motion> {
        self.bodies.get(&id).cloned()
    }
    fn setup(&self, _id: u32) -> Option<VehiclePhysicsControl> {
        None
    }
    fn sense(&mut self, wanted: &mut [Wanted]) {
        for w in wanted {
            Image::head(400, 300, 90.0, &mut w.message);
            w.message.extend([128; 400 * 300 * 4]);
            w.ready = true;
        }
    }
    fn obstacle(&mut self, _id: u32, _at: &Transform, _parent: u32) -> Option<(Other, f32)> {
        None
    }
    fn ray(&self, _from: &Vector3D, _to: &Vector3D) -> Vec<(Vector3D, u8)> {
        Vec::new()
    }
}

fn server(version: Version) -> Server {
    let settings = Settings { address: "127.0.0.1".parse().unwrap(), port: 0, version, map: "Field01".into() };
    Server::start(&settings, Field::default()).unwrap()
}

fn client(server: &Server) -> Client {
    Client::connect("127.0.0.1", server.address().port(), Duration::from_secs(5)).unwrap()
}

fn at(x: f32) -> Transform {
    Transform { location: Vector3D::new(x, 0.0, 0.5), ..Transform::default() }
}

#[test]
fn our_client_drives_our_server_in_every_version() {
    for version in Version::ALL {
        let server = server(version);
        let mut c = client(&server);
        assert_eq!(c.version(), version);
        assert_eq!(c.maps().unwrap(), ["/Game/Carla/Maps/Field01", "/Game/Carla/Maps/Field02"]);
        c.lockstep(0.05).unwrap();
        let first = c.tick().unwrap();
        let second = c.tick().unwrap();
        assert_eq!(second.header.frame, first.header.frame + 1);
        assert!((second.header.time - first.header.time - 0.05).abs() < 1e-9);
        let car = c.blueprint("vehicle.tesla.model3", &[("role_name", "hero".into())]).unwrap();
        assert!(c.blueprint("vehicle.tesla.model4", &[]).unwrap_err().to_string().contains("did you mean `vehicle.tesla.model3`"));
        let ego = c.spawn(car.clone(), at(0.0), None).unwrap();
        assert!(c.spawn(car, at(0.5), None).unwrap_err().to_string().contains("collision at spawn position"));
        let camera = c.blueprint("sensor.camera.rgb", &[("image_size_x", "400".into())]).unwrap();
        let camera = c.spawn(camera, at(1.5), Some(ego.id)).unwrap();
        let hits = c.blueprint("sensor.other.collision", &[]).unwrap();
        let hits = c.spawn(hits, at(0.0), Some(ego.id)).unwrap();
        let (pictures, bumps) = (c.listen("camera", &camera).unwrap(), c.listen("bumps", &hits).unwrap());
        let mut frame = 0;
        for _ in 0..50 {
            frame = c.tick().unwrap().header.frame;
            if pictures.frame(frame, Duration::from_millis(50)).is_ok() {
                break;
            }
        }
        // Each listener joins in its own time; this one hears only what is hit after that.
        for _ in 0..50 {
            c.tell(&Call::SetActorCollisions { id: ego.id, enabled: true }).unwrap();
            frame = c.tick().unwrap().header.frame;
            if bumps.frame(frame, Duration::from_millis(50)).is_ok() {
                break;
            }
        }
        c.control(ego.id, &VehicleControl { throttle: 0.5, ..VehicleControl::default() }).unwrap();
        c.tell(&Call::SetActorTargetVelocity { id: ego.id, vector: Vector3D::new(2.0, 0.0, 0.0) }).unwrap();
        c.tell(&Call::SetActorCollisions { id: ego.id, enabled: true }).unwrap();
        let now = c.tick().unwrap();
        assert!(now.header.frame > frame);
        let message = pictures.frame(now.header.frame, Duration::from_secs(2)).unwrap();
        let (header, body) = Header::read(&message).unwrap();
        assert_eq!(Some(header.kind), SensorKind::Rgb.number(version));
        assert!((header.transform.location.x - 1.6).abs() < 1e-4, "carried: {:?}", header.transform);
        assert_eq!(Image::read(body).unwrap().width, 400);
        let bump = bumps.frame(now.header.frame, Duration::from_secs(2)).unwrap();
        let bump: Collision = packed(Header::read(&bump).unwrap().1, version).unwrap();
        assert_eq!((bump.actor.id, bump.other.description.id.as_str()), (ego.id, "static.building"));
        let state = now.actor(ego.id).unwrap();
        assert!((state.transform.location.x - 0.1).abs() < 1e-5);
        assert!((state.own.as_vehicle().unwrap().control.throttle - 0.5).abs() < 1e-6);
        c.restore().unwrap();
        let mut later = client(&server);
        assert!(!later.settings().unwrap().synchronous_mode, "put back");
        let left: Vec<Actor> = later.ask(&Call::GetActorsById { ids: vec![ego.id, camera.id, hits.id] }).unwrap();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn batches_have_a_result_each_and_the_future_actor_is_the_new_one() {
    let server = server(Version::V0_9_16);
    let mut c = client(&server);
    c.lockstep(0.05).unwrap();
    let description = c.blueprint("vehicle.tesla.model3", &[]).unwrap();
    let control = VehicleControl { hand_brake: true, ..VehicleControl::default() };
    let after = vec![Command::ApplyVehicleControl { id: 0, control }];
    let spawn =
        Command::SpawnActor { description, transform: at(9.0), parent: None, attachment: 176, socket: String::new(), do_after: after };
    let results = c.batch(vec![spawn.clone(), spawn, Command::DestroyActor { id: 4_000_000 }]).unwrap();
    let made = *results[0].as_ref().unwrap();
    assert!(results[1].is_err() && results[2].is_err());
    assert!(c.tick().unwrap().actor(made).unwrap().own.as_vehicle().unwrap().control.hand_brake);
}

#[test]
fn loading_changes_the_episode_ends_streams_and_refuses_what_is_not_there() {
    let server = server(Version::V0_9_16);
    let mut c = client(&server);
    let before = c.episode().unwrap().id;
    assert!(c.load("NoSuchMap").unwrap_err().to_string().contains("map not found"));
    c.load("Field02").unwrap();
    assert_ne!(c.episode().unwrap().id, before);
    assert_eq!(c.map().unwrap().name, "Carla/Maps/Field02");
    c.load("").unwrap();
    assert_eq!(c.map().unwrap().name, "Carla/Maps/Field02");
}

#[test]
fn lights_and_weather_are_read_back() {
    let server = server(Version::V0_9_16);
    let mut c = client(&server);
    c.lockstep(0.05).unwrap();
    let state = c.tick().unwrap();
    let ids = state.actors.iter().map(|a| a.id).collect();
    let actors: Vec<Actor> = c.ask(&Call::GetActorsById { ids }).unwrap();
    let light = actors.iter().find(|a| a.description.id == "traffic.traffic_light").unwrap().id;
    c.tell(&Call::SetTrafficLightState { id: light, state: LightColour::Red }).unwrap();
    assert_eq!(c.tick().unwrap().actor(light).unwrap().own.as_light().unwrap().colour, LightColour::Red);
    let weather = WeatherParameters { fog_density: 33.0, ..WeatherParameters::default() };
    c.weather(&weather).unwrap();
    assert_eq!(c.ask::<WeatherParameters>(&Call::GetWeatherParameters {}).unwrap(), weather);
}

#[test]
fn clients_that_mean_ill_cost_nobody_else_a_frame() {
    let server = server(Version::V0_9_16);
    let (rpc, streams) = (server.address(), (server.address().ip(), server.address().port() + 1));
    let mut c = client(&server);
    c.lockstep(0.05).unwrap();
    c.tick().unwrap();
    let description = c.blueprint("sensor.camera.rgb", &[]).unwrap();
    let camera = c.spawn(description, at(0.0), None).unwrap();
    let good = c.listen("camera", &camera).unwrap();
    let mut ill = Vec::new();
    for bytes in [&b""[..], b"\x94\x00\x01", b"\x94\x00\x01\xc6\x7f\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n", &[0xc1; 4000], &[0x91; 9000]] {
        for place in [rpc, streams.into()] {
            let mut socket = TcpStream::connect(place).unwrap();
            let _sent = socket.write_all(bytes);
            ill.push(socket);
        }
    }
    // One that listens and never reads.
    let mut deaf = TcpStream::connect(streams).unwrap();
    let token = Token::read(&camera.stream_token.0).unwrap();
    deaf.write_all(&token.stream.to_le_bytes()).unwrap();
    for _ in 0..50 {
        let frame = c.tick().unwrap().header.frame;
        if good.frame(frame, Duration::from_millis(50)).is_ok() {
            break;
        }
    }
    let (mut last, mut seen) = (0, 0);
    // 300 pictures of 480 kB are three times what may wait for the deaf one.
    for _ in 0..300 {
        let frame = c.tick().unwrap().header.frame;
        assert!(last == 0 || frame == last + 1);
        last = frame;
        let message = good.frame(frame, Duration::from_secs(5)).unwrap();
        good.give_back(message);
        seen += 1;
    }
    assert_eq!(seen, 300);
    assert!(server.traffic().lost > 50, "the deaf one loses its own: {:?}", server.traffic());
    // One that dies in the middle of its stream.
    let mut dying = TcpStream::connect(streams).unwrap();
    dying.write_all(&token.stream.to_le_bytes()).unwrap();
    dying.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    while dying.read(&mut [0; 1000]).is_err() {
        c.tick().unwrap();
    }
    drop(dying);
    c.tick().unwrap();
    assert!(c.maps().is_ok());
}

#[test]
fn a_taken_port_is_refused_by_its_number() {
    let first = server(Version::V0_9_16);
    let settings =
        Settings { address: "127.0.0.1".parse().unwrap(), port: first.address().port(), version: Version::V0_9_16, map: "Field01".into() };
    let refused = Server::start(&settings, Field::default()).err().unwrap().to_string();
    assert!(refused.contains(&first.address().port().to_string()), "{refused}");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let started = Instant::now();
    let port = silent.local_addr().unwrap().port();
    assert!(Client::connect("127.0.0.1", port, Duration::from_millis(300)).is_err());
    assert!(started.elapsed() < Duration::from_secs(3), "time-outs everywhere");
}

#[test]
fn a_server_of_another_version_is_refused_with_both_versions_named() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = port.local_addr().unwrap();
    let old = std::thread::spawn(move || {
        let (mut socket, _) = port.accept().unwrap();
        let _asked = socket.read(&mut [0; 64]).unwrap();
        // Answer to call 1: `[1, 1, nil, [[1, "0.9.10.1"]]]`.
        socket.write_all(b"\x94\x01\x01\xc0\x91\x92\x01\xa80.9.10.1").unwrap();
        socket
    });
    let said = Client::connect("127.0.0.1", address.port(), Duration::from_secs(5)).err().unwrap().to_string();
    drop(old.join().unwrap());
    for part in ["0.9.10.1", "0.9.13 to 0.9.16", &address.port().to_string()] {
        assert!(said.contains(part), "{part}: {said}");
    }
}
