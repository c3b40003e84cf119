//! One episode: the town that is loaded, its actors, settings and clock.
//!
//! *In*: calls, one after the other. *Out*: replies; snapshots and sensor messages through the hub. *Units and frames*: the wire's.
//! *Invariant*: an id is given once in an episode; every actor in a snapshot can be asked for by its id at that moment.

use super::super::axes;
use super::super::pack::{Bytes, quoted};
use super::super::sensor::SensorKind;
use super::super::structs::{
    Actor, ActorDefinition, ActorDescription, BoundingBox, EpisodeSettings, Transform, Vector3D, WeatherParameters,
};
use super::super::token::Token;
use super::super::version::Version;
use super::blueprints;
use super::hub::Hub;
use super::simulator::{Motion, Said, Simulator, Site};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

/// The stream of snapshots, in every episode.
pub(crate) const SNAPSHOTS: u32 = 1;
/// Actors that clients may have made at once.
const MOST_ACTORS: usize = 5_000;

/// What an actor is to the episode.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Role {
    Vehicle { lights: u32 },
    Walker,
    Prop,
    Light(usize),
    Sign(String),
    Sensor(Mounted),
    Spectator,
}

/// A sensor's place and rhythm.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mounted {
    pub kind: SensorKind,
    pub stream: u32,
    /// In the parent's frame, or in the world where there is none.
    pub relative: Transform,
    /// Seconds between messages; 0 every step.
    pub period: f64,
    /// When the next one is due.
    pub due: f64,
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub actor: Actor,
    pub role: Role,
    /// World pose of what does not move by itself.
    pub place: Transform,
}

/// The state behind all calls.
pub(crate) struct Episode<S> {
    pub version: Version,
    pub stream_port: u16,
    pub hub: Arc<Hub>,
    pub sim: S,
    pub site: Site,
    pub id: u64,
    next_actor: u32,
    next_stream: u32,
    pub library: Vec<ActorDefinition>,
    pub settings: EpisodeSettings,
    pub weather: WeatherParameters,
    pub gravity: f32,
    pub frame: u64,
    pub time: f64,
    pub actors: BTreeMap<u32, Entry>,
    pub spectator: u32,
    pub light_ids: Vec<u32>,
    pub map_changed: bool,
    pub managers: HashMap<u16, String>,
    pub started: Instant,
}

/// A clear late morning, as CARLA's own default.
pub(crate) fn fair_weather() -> WeatherParameters {
    WeatherParameters {
        cloudiness: 5.0,
        wind_intensity: 10.0,
        sun_azimuth_angle: -1.0,
        sun_altitude_angle: 45.0,
        fog_density: 2.0,
        fog_distance: 0.75,
        fog_falloff: 0.1,
        scattering_intensity: 1.0,
        mie_scattering_scale: 0.03,
        rayleigh_scattering_scale: 0.0331,
        ..WeatherParameters::default()
    }
}

impl<S: Simulator> Episode<S> {
    /// With its first town loaded.
    pub fn new(mut sim: S, map: &str, version: Version, stream_port: u16, hub: Arc<Hub>) -> Said<Self> {
        hub.open(SNAPSHOTS);
        let mut library = sim.bodies();
        library.extend(blueprints::sensors());
        library.iter_mut().zip(1..).for_each(|(b, uid)| b.uid = uid);
        let weather = fair_weather();
        sim.weather(&weather);
        let mut episode = Self {
            version,
            stream_port,
            hub,
            sim,
            site: Site::default(),
            id: 0,
            next_actor: 1,
            next_stream: SNAPSHOTS + 1,
            library,
            settings: EpisodeSettings::default(),
            weather,
            gravity: 9.81,
            frame: 0,
            time: 0.0,
            actors: BTreeMap::new(),
            spectator: 0,
            light_ids: Vec::new(),
            map_changed: false,
            managers: HashMap::new(),
            started: Instant::now(),
        };
        episode.load(map, true)?;
        Ok(episode)
    }
    fn name(&mut self) -> u32 {
        let id = self.next_actor;
        self.next_actor = self.next_actor.wrapping_add(1).max(1);
        id
    }
    fn enter(
        &mut self,
        id: u32,
        parent: u32,
        description: ActorDescription,
        (bounding_box, tag): (BoundingBox, u8),
        role: Role,
        place: Transform,
    ) {
        let token = match &role {
            Role::Sensor(m) if m.kind.streams() => Token::new(m.stream, self.stream_port).bytes().to_vec(),
            _ => Vec::new(),
        };
        let semantic_tags = Bytes(if tag == 0 { Vec::new() } else { vec![tag] });
        let bounding_box = BoundingBox { actor_id: id, ..bounding_box };
        let actor = Actor { id, parent, description, bounding_box, semantic_tags, stream_token: Bytes(token) };
        self.actors.insert(id, Entry { actor, role, place });
    }
    /// Loads a town; an empty name is the present one again.
    pub fn load(&mut self, map: &str, reset: bool) -> Said<()> {
        let asked = map.rsplit('/').next().unwrap_or_default();
        let asked = if asked.is_empty() { self.site.name.clone() } else { asked.to_owned() };
        let maps = self.sim.maps();
        // `Town03_Opt`, `Town03` and `town-03` are the same wish.
        let plain = |name: &str| name.trim_end_matches("_Opt").to_lowercase().replace(['-', '_'], "");
        let known = maps.iter().find(|m| **m == asked).or_else(|| maps.iter().find(|m| plain(m) == plain(&asked)));
        let name = known.cloned().ok_or_else(|| format!("map not found: {}; there are {}", quoted(&asked), maps.join(", ")))?;
        self.site = self.sim.load(&name)?;
        self.next_actor = self.site.first_free.max(1);
        let sensors: Vec<u32> =
            self.actors.values().filter_map(|e| if let Role::Sensor(m) = &e.role { Some(m.stream) } else { None }).collect();
        sensors.into_iter().for_each(|stream| self.hub.close(stream));
        self.actors.clear();
        self.spectator = self.name();
        let above = Transform { location: Vector3D::new(0.0, 0.0, 10.0), ..Transform::default() };
        let plain = |id: &str| ActorDescription { uid: 0, id: id.to_owned(), attributes: Vec::new() };
        self.enter(self.spectator, 0, plain("spectator"), (BoundingBox::default(), 0), Role::Spectator, above);
        for resident in std::mem::take(&mut self.site.residents) {
            let id = resident.id;
            let role = if resident.description.id.starts_with("walker.") { Role::Walker } else { Role::Vehicle { lights: 0 } };
            self.enter(id, 0, resident.description, (resident.bounding_box, resident.tag), role, Transform::default());
        }
        self.light_ids.clear();
        for (number, light) in std::mem::take(&mut self.site.lights).into_iter().enumerate() {
            let id = self.name();
            self.light_ids.push(id);
            let first = light.boxes.first().cloned().unwrap_or_default();
            self.enter(id, 0, plain("traffic.traffic_light"), (first, 7), Role::Light(number), light.transform.clone());
            self.site.lights.push(light);
        }
        for (sign, place) in self.site.signs.clone() {
            let id = self.name();
            self.enter(id, 0, plain(&sign), (BoundingBox::default(), 8), Role::Sign(sign.clone()), place);
        }
        self.id += 1;
        self.map_changed = true;
        if reset {
            let synchronous = self.settings.synchronous_mode;
            self.settings = EpisodeSettings {
                synchronous_mode: synchronous,
                fixed_delta_seconds: self.settings.fixed_delta_seconds,
                ..EpisodeSettings::default()
            };
            self.weather = fair_weather();
        }
        self.sim.weather(&self.weather);
        Ok(())
    }
    /// Makes an actor.
    pub fn spawn(&mut self, asked: ActorDescription, at: &Transform, parent: Option<u32>) -> Said<Actor> {
        if !axes::finite(at) {
            return Err("Spawn failed: the transform is not finite".into());
        }
        if self.actors.len() >= MOST_ACTORS {
            return Err(format!("Spawn failed: this server holds at most {MOST_ACTORS} actors"));
        }
        let parent = parent.filter(|p| *p != 0);
        if let Some(parent) = parent.filter(|p| !self.actors.contains_key(p)) {
            return Err(format!("Spawn failed: there is no parent actor {parent}"));
        }
        let unknown = || format!("Spawn failed: there is no blueprint {}", quoted(&asked.id));
        let blueprint = self.library.iter().find(|b| b.id == asked.id).ok_or_else(unknown)?;
        let description = blueprints::completed(asked, blueprint);
        let id = self.name();
        if let Some(kind) = SensorKind::of(&description.id) {
            self.sim.mount(id, kind, &description)?;
            let period = description.number("sensor_tick", 0.0).map_err(|e| e.to_string())?.max(0.0);
            let stream = self.next_stream;
            self.next_stream += 1;
            if kind.streams() {
                self.hub.open(stream);
            }
            let mounted = Mounted { kind, stream, relative: at.clone(), period, due: self.time };
            self.enter(id, parent.unwrap_or(0), description, (BoundingBox::default(), 0), Role::Sensor(mounted), at.clone());
        } else {
            let world = parent.map_or_else(|| at.clone(), |p| self.carried(p, at));
            let (bounding_box, tag) = self.sim.spawn(id, &description, &world)?;
            let role = match description.id.split('.').next() {
                Some("vehicle") => Role::Vehicle { lights: 0 },
                Some("walker") => Role::Walker,
                _ => Role::Prop,
            };
            self.enter(id, parent.unwrap_or(0), description, (bounding_box, tag), role, world);
        }
        self.entry(id).map(|e| e.actor.clone())
    }
    /// Takes an actor away.
    pub fn destroy(&mut self, id: u32) -> Said<()> {
        let entry = self.entry(id)?;
        match &entry.role {
            Role::Light(_) | Role::Sign(_) | Role::Spectator => return Err(format!("actor {id} belongs to the map")),
            Role::Sensor(mounted) => self.hub.close(mounted.stream),
            _ => {}
        }
        self.sim.destroy(id);
        // What it carried stays where it is.
        let orphans: Vec<(u32, Transform)> =
            self.actors.values().filter(|e| e.actor.parent == id).map(|e| (e.actor.id, self.pose(e.actor.id))).collect();
        for (orphan, pose) in orphans {
            if let Some(entry) = self.actors.get_mut(&orphan) {
                entry.actor.parent = 0;
                if let Role::Sensor(mounted) = &mut entry.role {
                    mounted.relative = pose;
                }
            }
        }
        self.actors.remove(&id);
        Ok(())
    }
    pub fn entry(&self, id: u32) -> Said<&Entry> {
        self.actors.get(&id).ok_or_else(|| format!("unable to find actor {id}"))
    }
    /// A place in an actor's frame, in the world.
    fn carried(&self, by: u32, relative: &Transform) -> Transform {
        axes::to_transform(&(axes::isometry(&self.pose(by)) * axes::isometry(relative)))
    }
    /// An actor's world pose.
    pub fn pose(&self, id: u32) -> Transform {
        self.motion(id).transform
    }
    /// How an actor moves; what is carried moves with its carrier.
    pub fn motion(&self, id: u32) -> Motion {
        if let Some(motion) = self.sim.motion(id) {
            return motion;
        }
        let Some(entry) = self.actors.get(&id) else { return Motion::default() };
        match &entry.role {
            Role::Sensor(m) if entry.actor.parent != 0 => {
                let carrier = self.motion(entry.actor.parent);
                let transform = axes::to_transform(&(axes::isometry(&carrier.transform) * axes::isometry(&m.relative)));
                Motion { transform, ..carrier }
            }
            Role::Sensor(m) => Motion { transform: m.relative.clone(), ..Motion::default() },
            _ => Motion { transform: entry.place.clone(), ..Motion::default() },
        }
    }
    /// Moves what does not move by itself.
    pub fn place(&mut self, id: u32, at: Transform) {
        if let Some(entry) = self.actors.get_mut(&id) {
            if let Role::Sensor(mounted) = &mut entry.role {
                mounted.relative = at.clone();
            }
            entry.place = at;
        }
    }
}
