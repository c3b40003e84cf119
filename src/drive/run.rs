//! The closed loop: routes driven against a CARLA server in lockstep, scored, resumable.
//!
//! *In*: a server's place, routes, a driver. *Out*: a record for each route and repetition. *Units and frames*: the wire's towards
//! the server, the world's towards driver and judge. *Invariant*: 20 steps a simulated second; the control of a step is decided
//! from that step's messages and followed at the next; nothing depends on the host's clock but the deadline, at which the loop goes on.

use super::cockpit::Cockpit;
use super::driver::{Body, Course, Ego, Instant as Now};
use super::judge::{Ground, Judge, Step};
use super::lanes::{Lanes, georeference};
use super::recorder::Recorder;
use super::routes::Route;
use super::way::{Dense, on_lanes, start, straight};
use crate::carla::client::{Client, Stream};
use crate::carla::{Actor, Call, Collision, Header, LightColour, Snapshot, Transform, VehicleControl, VehiclePhysicsControl, axes, packed};
use crate::eval::driving::Record;
use crate::types::{Error, Result, num};
use crate::world::scene::{Footprint, Town, TownSpec};
use nalgebra::Vector3;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Length of a step, seconds.
pub const STEP: f64 = 0.05;
/// Steps before the first control counts, braking: sensors join, the car settles.
const WARM_UP: u64 = 30;
/// How long a sensor may take.
const SENSOR: Duration = Duration::from_secs(10);
/// From a listener's four bytes to its place in the server's list.
const REGISTERED: Duration = Duration::from_millis(100);

/// Where and how.
#[derive(Debug, Clone)]
pub struct Config {
    /// Server's host.
    pub host: String,
    /// Its RPC port.
    pub port: u16,
    /// Most seconds that a call takes, or a driver to begin a route.
    pub patience: Duration,
    /// Blueprint of the ego vehicle.
    pub vehicle: String,
    /// Where a driver takes longer, the vehicle brakes, which is counted; without one, there is all the time in the world.
    pub deadline: Option<Duration>,
    /// Records each drive as a route of a driving data set in this folder.
    pub record: Option<PathBuf>,
    /// Loads the route's town even where it is there, so that each route begins the same.
    pub reload: bool,
}

/// A driven route.
#[derive(Debug, Clone)]
pub struct Driven {
    /// Its record.
    pub record: Record,
    /// The way.
    pub way: Arc<Dense>,
    /// Where the ego was, each step.
    pub trace: Vec<[f64; 2]>,
}

/// What the loop knows of actors that it has met.
struct Directory {
    known: HashMap<u32, Actor>,
}

impl Directory {
    fn learn(&mut self, client: &mut Client, snapshot: &Snapshot) -> Result<()> {
        let new: Vec<u32> = snapshot.actors.iter().map(|a| a.id).filter(|id| !self.known.contains_key(id)).collect();
        if !new.is_empty() {
            let actors: Vec<Actor> = client.ask(&Call::GetActorsById { ids: new })?;
            self.known.extend(actors.into_iter().map(|a| (a.id, a)));
        }
        Ok(())
    }
    fn bodies(&self, snapshot: &Snapshot, ego: u32) -> Vec<Body> {
        let one = |s: &crate::carla::ActorState| {
            let actor = self.known.get(&s.id).filter(|a| a.id != ego)?;
            let walker = actor.description.id.starts_with("walker.");
            if !walker && !actor.description.id.starts_with("vehicle.") {
                return None;
            }
            let v = axes::vector(&s.velocity);
            let yaw_rate = axes::axial(&s.angular_velocity).z.to_radians();
            let height = 2.0 * f64::from(actor.bounding_box.extent.z);
            Some(Body { id: s.id, footprint: ground(&s.transform, actor), velocity: [v.x, v.y], yaw_rate, height, walker })
        };
        snapshot.actors.iter().filter_map(one).collect()
    }
    /// Colours by light number, from the signals' ids that the embedded towns give.
    fn lights(&self, snapshot: &Snapshot) -> HashMap<usize, LightColour> {
        let one = |s: &crate::carla::ActorState| {
            let _light = self.known.get(&s.id).filter(|a| a.description.id == "traffic.traffic_light")?;
            let info = s.own.as_light().ok()?;
            let number = info.sign.parse::<usize>().ok()?.checked_sub(1000)?;
            Some((number, info.colour))
        };
        snapshot.actors.iter().filter_map(one).collect()
    }
}

/// Mean speed of the vehicles among `others`, m/s.
fn traffic_speed(others: &[Body]) -> Option<f64> {
    let vehicles = || others.iter().filter(|b| !b.walker);
    let sum: f64 = vehicles().map(|b| b.velocity[0].hypot(b.velocity[1])).sum();
    let count = num::u32(vehicles().count());
    (count > 0).then(|| sum / f64::from(count))
}

/// The ground that an actor covers.
fn ground(at: &Transform, actor: &Actor) -> Footprint {
    let pose = axes::isometry(at);
    let ahead = pose.rotation * Vector3::x();
    let e = &actor.bounding_box.extent;
    let centre = pose * nalgebra::Point3::from(axes::vector(&actor.bounding_box.location));
    Footprint { centre: [centre.x, centre.y], heading: ahead.y.atan2(ahead.x), half: [f64::from(e.x).max(0.3), f64::from(e.y).max(0.3)] }
}

/// Drives one route once.
///
/// # Errors
/// Where the server is gone or refuses, the route is not on its map, or a sensor is silent: which, and for how long.
pub fn drive(config: &Config, route: &Route, repetition: usize, driver: &mut Cockpit, go_on: &dyn Fn() -> bool) -> Result<Driven> {
    let mut client = Client::connect(&config.host, config.port, config.patience)?;
    let driven = attempt(&mut client, config, route, repetition, driver, go_on);
    let restored = client.restore();
    let driven = driven?;
    restored.map(|()| driven)
}

fn attempt(
    client: &mut Client,
    config: &Config,
    route: &Route,
    repetition: usize,
    driver: &mut Cockpit,
    go_on: &dyn Fn() -> bool,
) -> Result<Driven> {
    let clock = Instant::now();
    client.lockstep(STEP)?;
    let here = client.map()?.name;
    let same = here.rsplit('/').next() == Some(route.town.as_str());
    if config.reload || !same {
        client.load(&route.town).map_err(|e| e.at(format!("route {}", route.id)))?;
        client.lockstep(STEP)?;
    }
    if let Some(weather) = &route.weather {
        client.weather(weather)?;
    }
    // A town of ours is known here lane by lane; on another, the route's points are joined by straight lines.
    let town = TownSpec::named(&route.town).ok().map(|spec| Town::new(&spec)).transpose()?;
    let way = Arc::new(match &town {
        Some(town) => on_lanes(route, &town.network)?,
        None => straight(route, 8.0),
    });
    // Counted from the load, so that joining streams, however slow, shifts nothing: each repetition starts later in the traffic.
    let settings = client.settings()?;
    let base = client.set_settings(&settings)?;
    let spawn_at = base + 40 + 60 * num::u32(repetition) as u64;
    let mut snapshot = client.tick()?;
    while snapshot.header.frame < spawn_at {
        snapshot = client.tick()?;
    }
    let mut directory = Directory { known: HashMap::new() };
    clear(client, &mut directory, &way)?;
    let ego = place(client, config, &way)?;
    let root = config.record.as_deref();
    let mut recorder = root.map(|root| Recorder::new(root, route, repetition, &way, client, ego.id)).transpose()?;
    let mut streams: Vec<Stream> = Vec::new();
    for spec in driver.sensors() {
        let set: Vec<(&str, String)> = spec.attributes.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
        let description = client.blueprint(&spec.blueprint, &set)?;
        let actor = client.spawn(description, spec.place.clone(), Some(ego.id))?;
        streams.push(client.listen(&spec.name, &actor)?);
    }
    let bumps = client.blueprint("sensor.other.collision", &[])?;
    let bumps = client.spawn(bumps, Transform::default(), Some(ego.id))?;
    let bumps = client.listen("collision", &bumps)?;
    let physics: Option<VehiclePhysicsControl> = client.ask(&Call::GetPhysicsControl { id: ego.id }).ok();
    client.control(ego.id, &VehicleControl::braking())?;
    // A listener hears only what comes after it has joined, and steps are quick: all must be there before the first.
    let joined = || streams.iter().chain([&bumps]).all(|s| s.opened() > 0) && recorder.as_ref().is_none_or(Recorder::opened);
    let waited = Instant::now();
    while !joined() && waited.elapsed() < SENSOR {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(REGISTERED);
    // Counted from now: clearing the way and spawning have made steps of their own.
    snapshot = client.tick()?;
    let from = snapshot.header.frame + WARM_UP - 1;
    while snapshot.header.frame < from {
        snapshot = client.tick()?;
    }
    streams.iter().for_each(Stream::clear);
    while bumps.next(Duration::ZERO).is_some() {}
    if let Some(recorder) = &mut recorder {
        recorder.join(snapshot.header.frame)?;
    }
    let map: String = client.ask(&Call::GetMapData {})?;
    driver.begin(Course { way: Arc::clone(&way), origin: georeference(&map) }, config.patience, go_on)?;
    let _before = driver.take_late();
    let read = (town.is_none() || recorder.is_some()).then(|| Lanes::read(&map));
    let lanes = read.and_then(|r| r.map_err(|e| tracing::warn!("lanes are not judged: {e}")).ok()).map(Arc::new);
    if let Some(recorder) = &mut recorder {
        recorder.on(lanes.as_ref());
    }
    let ground = match (&town, &lanes) {
        (Some(town), _) => Ground::Known(&town.network),
        (None, Some(lanes)) => Ground::Read(lanes),
        (None, None) => Ground::Unknown,
    };
    drop(map);

    directory.known.insert(ego.id, ego.clone());
    let mut judge = Judge::default();
    let (mut trace, mut at) = (Vec::new(), 0);
    let (mut simulator, mut thinking) = (Duration::ZERO, Duration::ZERO);
    let (mut missed, mut steps) = (0, 0);
    // Counted in frames: sums of a step's length depend on how long the server has run.
    let began = snapshot.header.frame;
    let since = |frame: u64| f64::from(u32::try_from(frame.saturating_sub(began)).unwrap_or(u32::MAX)) * STEP;
    let mut ended: Option<&'static str> = None;
    let mut completed = 0.0_f64;
    let version = client.version();
    while ended.is_none() {
        if !go_on() {
            return Err(Error::unavailable("the rest of the routes", "interrupted"));
        }
        let ticked = Instant::now();
        snapshot = client.tick()?;
        let frame = snapshot.header.frame;
        let mut sensors = HashMap::new();
        for stream in &streams {
            sensors.insert(stream.name().to_owned(), stream.frame(frame, SENSOR)?);
        }
        let recorded = recorder.as_mut().map_or(Ok(false), |r| r.collect(frame, &mut sensors))?;
        simulator += ticked.elapsed();
        directory.learn(client, &snapshot)?;
        let time = since(frame);
        let Some(state) = snapshot.actor(ego.id) else {
            return Err(Error::unavailable("the ego vehicle", format!("it is not in the snapshot of frame {frame}")));
        };
        let me = myself(state, &ego, physics.as_ref())?;
        let centre = me.footprint.centre;
        let (near, aside) = way.nearest(centre, at);
        at = near;
        trace.push(centre);
        let along = way.points.get(at).map_or(0.0, |p| p.s);
        let lights = directory.lights(&snapshot);
        let others = directory.bodies(&snapshot, ego.id);
        let step = Step { time, seconds: STEP, ego: &me, along, aside, lights: &lights, traffic: traffic_speed(&others) };
        while let Some(message) = bumps.next(Duration::ZERO) {
            let (_, body) = Header::read(&message)?;
            judge.collision(&packed::<Collision>(body, version)?, &step);
        }
        completed = completed.max(100.0 * along / way.length().max(1.0));
        if way.length() - along < 2.0 {
            completed = 100.0;
            break;
        }
        ended = judge.step(&step, &way, ground);
        let now = Arc::new(Now { time, frame, ego: me, way: Arc::clone(&way), at, others, lights, sensors, version });
        let thought = Instant::now();
        let wished = driver.step(&now, config.deadline, go_on)?;
        thinking += thought.elapsed();
        steps += 1;
        let control = match wished {
            Some(Ok(control)) => control.clamped(),
            late_or_failed => {
                if let Some(Err(e)) = late_or_failed {
                    tracing::warn!("driver, frame {frame}: {e}");
                }
                missed += 1;
                VehicleControl::braking()
            }
        };
        client.control(ego.id, &control)?;
        if let Some(recorder) = &mut recorder {
            recorder.step(&now, recorded, &control)?;
        }
        // Who is late still looks at its messages; they are gone then.
        let mut sensors = Arc::into_inner(now).map(|now| now.sensors).unwrap_or_default();
        for stream in &streams {
            if let Some(message) = sensors.remove(stream.name()) {
                stream.give_back(message);
            }
        }
    }
    let duration_game = since(snapshot.header.frame);
    let infractions = judge.close(duration_game);
    let record = Record {
        route_id: route.id.clone(),
        repetition,
        town: route.town.clone(),
        status: Record::status_of(completed, &infractions, ended),
        length: way.length(),
        completed,
        infractions,
        duration_game,
        duration_system: clock.elapsed().as_secs_f64(),
        simulator_seconds: simulator.as_secs_f64(),
        driver_seconds: thinking.as_secs_f64(),
        missed_deadlines: missed,
        late_answers: driver.take_late(),
        steps,
    };
    Ok(Driven { record, way, trace })
}

/// Waits until the way's start is free and nobody comes too fast to stop for a car out of nowhere.
fn clear(client: &mut Client, directory: &mut Directory, way: &Dense) -> Result<()> {
    let at = way.points.first().map(|p| p.at.point()).unwrap_or_default();
    for _ in 0..400 {
        let snapshot = client.tick()?;
        directory.learn(client, &snapshot)?;
        let hinders = |b: &Body| {
            let (dx, dy) = (at[0] - b.footprint.centre[0], at[1] - b.footprint.centre[1]);
            let speed = b.velocity[0].hypot(b.velocity[1]);
            let comes = speed > 0.3 && dx * b.velocity[0] + dy * b.velocity[1] > 0.0;
            dx.hypot(dy) < b.footprint.half[0] + if comes { 6.0 + 1.5 * speed + speed * speed / 6.0 } else { 4.5 }
        };
        if !directory.bodies(&snapshot, 0).iter().any(hinders) {
            return Ok(());
        }
        for _ in 0..5 {
            client.tick()?;
        }
    }
    Ok(())
}

/// Puts the ego vehicle at the way's start; where somebody stands there, waits until he has gone.
fn place(client: &mut Client, config: &Config, way: &Dense) -> Result<Actor> {
    let description = client.blueprint(&config.vehicle, &[("role_name", "hero".into())])?;
    let mut last = None;
    for _ in 0..30 {
        match client.spawn(description.clone(), start(way), None) {
            Ok(actor) => return Ok(actor),
            Err(e) => last = Some(e),
        }
        for _ in 0..20 {
            client.tick()?;
        }
    }
    Err(last.unwrap_or_else(|| Error::unavailable("the start of the route", "occupied")).at("spawning the ego vehicle"))
}

fn myself(state: &crate::carla::ActorState, ego: &Actor, physics: Option<&VehiclePhysicsControl>) -> Result<Ego> {
    let footprint = ground(&state.transform, ego);
    let v = axes::vector(&state.velocity);
    let (sin, cos) = footprint.heading.sin_cos();
    let own = state.own.as_vehicle()?;
    let wheels = physics.map(|p| p.wheels.as_slice()).unwrap_or_default();
    let most = wheels.iter().map(|w| f64::from(w.max_steer_angle)).fold(0.0, f64::max);
    Ok(Ego {
        footprint,
        speed: v.x * cos + v.y * sin,
        most_steer: if (5.0..=80.0).contains(&most) { most.to_radians() } else { 1.2 },
        wheelbase: footprint.half[0] * 1.2,
        limit: f64::from(own.speed_limit) / 3.6,
        light: own.light_id.map(|_| own.light),
    })
}
