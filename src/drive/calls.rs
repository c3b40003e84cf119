//! Every call of our client against a server, one after the other: what a user of a real simulator sends back to us.
//!
//! *In*: a server's place. *Out*: a row a call: name, whether it went well, milliseconds, what came. *Invariant*: the server is left
//! as it was found; a call that fails never keeps the next from being tried.

use crate::carla::client::Client;
use crate::carla::{
    Actor, ActorDefinition, Call, Command, EpisodeInfo, EpisodeSettings, Header, Image, MapInfo, Sweep, Transform, Vector3D,
    VehicleControl, VehicleLightState, VehiclePhysicsControl, WeatherParameters, axes,
};
use crate::types::{Error, Result};
use serde::Serialize;
use std::time::{Duration, Instant};

/// One call's outcome.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// What was tried.
    pub call: String,
    /// Whether it went well.
    pub ok: bool,
    /// Milliseconds.
    pub ms: f64,
    /// What came, or what went wrong.
    pub said: String,
}

struct Table {
    rows: Vec<Row>,
}

impl Table {
    fn row<T>(&mut self, call: &str, client: &mut Client, try_it: impl FnOnce(&mut Client) -> Result<(T, String)>) -> Option<T> {
        let began = Instant::now();
        let outcome = try_it(client);
        let ms = began.elapsed().as_secs_f64() * 1e3;
        let (value, ok, said) = match outcome {
            Ok((value, said)) => (Some(value), true, said),
            Err(e) => (None, false, e.to_string()),
        };
        self.rows.push(Row { call: call.to_owned(), ok, ms, said });
        value
    }
}

fn plain<T>(value: T, said: impl Into<String>) -> Result<(T, String)> {
    Ok((value, said.into()))
}

/// Tries everything.
///
/// # Errors
/// Where no server of a known version answers at all.
pub fn calls(host: &str, port: u16, patience: Duration) -> Result<Vec<Row>> {
    let mut client = Client::connect(host, port, patience)?;
    let c = &mut client;
    let mut t = Table { rows: Vec::new() };
    let announced = c.announced().to_owned();
    t.row("version", c, |c| plain((), format!("announces {announced}, spoken as {}", c.version())));
    t.row("get_available_maps", c, |c| c.maps().map(|m| ((), format!("{} maps", m.len()))));
    t.row("get_episode_info", c, |c| c.episode().map(|e: EpisodeInfo| ((), format!("episode {}, stream port {}", e.id, e.token.port))));
    let map =
        t.row("get_map_info", c, |c| c.map().map(|m: MapInfo| (m.clone(), format!("{}, {} spawn points", m.name, m.spawn_points.len()))));
    t.row("get_map_data", c, |c| c.ask::<String>(&Call::GetMapData {}).map(|x| ((), format!("{} bytes of OpenDRIVE", x.len()))));
    t.row("get_required_files", c, |c| {
        c.ask::<Vec<String>>(&Call::GetRequiredFiles { folder: String::new() }).map(|f| ((), format!("{} files", f.len())))
    });
    t.row("get_episode_settings", c, |c| c.settings().map(|s: EpisodeSettings| ((), format!("synchronous {}", s.synchronous_mode))));
    t.row("get_actor_definitions", c, |c| c.library().map(|l: &[ActorDefinition]| ((), format!("{} blueprints", l.len()))));
    t.row("set_episode_settings", c, |c| c.lockstep(0.05).map(|()| ((), "synchronous, 0.05 s".to_owned())));
    t.row("tick_cue", c, |c| c.tick().map(|s| ((), format!("frame {}, {} actors", s.header.frame, s.actors.len()))));
    t.row("get_weather_parameters", c, |c| {
        c.ask::<WeatherParameters>(&Call::GetWeatherParameters {}).map(|w| ((), format!("sun at {} degrees", w.sun_altitude_angle)))
    });
    t.row("set_weather_parameters", c, |c| {
        let now: WeatherParameters = c.ask(&Call::GetWeatherParameters {})?;
        c.weather(&now).map(|()| ((), "the same again".to_owned()))
    });
    t.row("get_spectator", c, |c| c.ask::<Actor>(&Call::GetSpectator {}).map(|a| ((), format!("actor {}", a.id))));
    let places = map.map(|m| m.spawn_points).unwrap_or_default();
    let ego = t.row("spawn_actor", c, |c| {
        let id =
            if c.library()?.iter().any(|b| b.id == "vehicle.tesla.model3") { "vehicle.tesla.model3" } else { "vehicle.lincoln.mkz_2020" };
        let description = c.blueprint(id, &[("role_name", "hero".into())])?;
        let mut last = Error::unavailable("a place", "the map has no spawn point");
        for at in places.into_iter().take(20) {
            match c.spawn(description.clone(), at, None) {
                Ok(actor) => return plain(actor.clone(), format!("actor {}", actor.id)),
                Err(e) => last = e,
            }
        }
        Err(last)
    });
    if let Some(ego) = ego {
        with_ego(&mut t, c, &ego);
    }
    t.row("restore", c, |c| c.restore().map(|()| ((), "actors destroyed, settings as found".to_owned())));
    Ok(t.rows)
}

fn with_ego(t: &mut Table, c: &mut Client, ego: &Actor) {
    let id = ego.id;
    t.row("get_actors_by_id", c, |c| {
        c.ask::<Vec<Actor>>(&Call::GetActorsById { ids: vec![id] }).map(|a| ((), format!("{} found", a.len())))
    });
    t.row("get_physics_control", c, |c| {
        c.ask::<VehiclePhysicsControl>(&Call::GetPhysicsControl { id }).map(|p| ((), format!("{} kg, {} wheels", p.mass, p.wheels.len())))
    });
    t.row("set_vehicle_light_state", c, |c| {
        c.tell(&Call::SetVehicleLightState { id, lights: VehicleLightState { flags: 3 } })?;
        c.tick()?;
        c.ask::<VehicleLightState>(&Call::GetVehicleLightState { id }).map(|l| ((), format!("flags {}", l.flags)))
    });
    for (blueprint, set) in [
        ("sensor.camera.rgb", [("image_size_x", "320"), ("image_size_y", "160")]),
        ("sensor.camera.depth", [("image_size_x", "320"), ("image_size_y", "160")]),
        ("sensor.camera.semantic_segmentation", [("image_size_x", "320"), ("image_size_y", "160")]),
        ("sensor.lidar.ray_cast", [("range", "50"), ("rotation_frequency", "20")]),
        ("sensor.other.imu", [("role_name", "imu"), ("sensor_tick", "0.0")]),
        ("sensor.other.gnss", [("role_name", "gnss"), ("sensor_tick", "0.0")]),
    ] {
        t.row(blueprint, c, |c| sensor(c, id, blueprint, &set));
    }
    t.row("apply_control_to_vehicle", c, |c| {
        c.control(id, &VehicleControl { throttle: 0.6, ..VehicleControl::default() })?;
        let mut last = c.tick()?;
        for _ in 0..30 {
            last = c.tick()?;
        }
        let speed = last.actor(id).map_or(0.0, |a| axes::vector(&a.velocity).norm());
        let echoed = last.actor(id).and_then(|a| a.own.as_vehicle().ok()).map_or(0.0, |v| v.control.throttle);
        plain((), format!("{speed:.2} m/s after 1.5 s, throttle reads {echoed:.2}"))
    });
    t.row("set_actor_target_velocity", c, |c| {
        c.tell(&Call::SetActorTargetVelocity { id, vector: Vector3D::default() }).map(|()| ((), "stopped".to_owned()))
    });
    t.row("apply_batch", c, |c| {
        let results = c.batch(vec![
            Command::ApplyVehicleControl { id, control: VehicleControl::braking() },
            Command::DestroyActor { id: 4_000_000 },
        ])?;
        let good = results.iter().filter(|r| r.is_ok()).count();
        plain((), format!("{good} of 2 went well, 1 should"))
    });
    t.row("destroy_actor", c, |c| c.destroy(id).map(|()| ((), format!("actor {id}"))));
}

fn sensor(c: &mut Client, parent: u32, blueprint: &str, set: &[(&str, &str)]) -> Result<((), String)> {
    let set: Vec<(&str, String)> = set.iter().map(|(k, v)| (*k, (*v).to_owned())).collect();
    let description = c.blueprint(blueprint, &set)?;
    let at = Transform { location: Vector3D::new(1.5, 0.0, 2.0), ..Transform::default() };
    let actor = c.spawn(description, at, Some(parent))?;
    let stream = c.listen(blueprint, &actor)?;
    let mut message = None;
    for _ in 0..60 {
        c.tick()?;
        message = stream.next(Duration::from_millis(200));
        if message.is_some() {
            break;
        }
    }
    let message = message.ok_or_else(|| Error::unavailable(blueprint, "no message in 60 steps"))?;
    let (header, body) = Header::read(&message)?;
    let what = match blueprint {
        b if b.starts_with("sensor.camera") => Image::read(body).map(|i| format!("{}x{} pixels", i.width, i.height))?,
        b if b.starts_with("sensor.lidar") => {
            Sweep::read(body, Sweep::POINT).map(|s| format!("{} points", s.counts.iter().sum::<u32>()))?
        }
        _ => format!("{} bytes", body.len()),
    };
    drop(stream);
    c.destroy(actor.id)?;
    plain((), format!("{what}, sensor type {}", header.kind))
}
