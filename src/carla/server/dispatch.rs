//! What each call does. Calls about single actors go on to [`super::orders`].
//!
//! *Invariant*: every call of the table is answered: with its value, with success, or with words that say what is missing.

use super::super::call::Call;
use super::super::pack::Wire;
use super::super::rpc::Reply;
use super::super::structs::{
    Actor, BoundingBox, EnvironmentObject, EpisodeInfo, EpisodeSettings, LabelledPoint, LightState, MapInfo, Vector3D,
};
use super::super::token::Token;
use super::episode::{Episode, Role, SNAPSHOTS};
use super::link::Outcome;
use super::simulator::{LightOrder, Simulator};

/// How long a step is where nobody has said so, seconds.
pub(crate) const USUAL_STEP: f64 = 0.05;

impl<S: Simulator> Episode<S> {
    fn value<T: Wire>(&self, value: &T) -> Outcome {
        Ok(Reply::of(value, self.version))
    }
    /// The step that the settings ask for.
    pub fn step_seconds(&self) -> f64 {
        self.settings.fixed_delta_seconds.unwrap_or(USUAL_STEP)
    }
    /// Answers one call.
    pub fn call(&mut self, call: Call) -> Outcome {
        match call {
            Call::Version {} => self.value(&self.version.name().to_owned()),
            Call::GetAvailableMaps {} => self.value(&self.sim.maps().iter().map(|m| format!("/Game/Carla/Maps/{m}")).collect::<Vec<_>>()),
            Call::LoadNewEpisode { name, reset_settings, .. } => self.load(&name, reset_settings).map(|()| Reply::Nothing),
            Call::GetEpisodeInfo {} => self.value(&EpisodeInfo { id: self.id, token: Token::new(SNAPSHOTS, self.stream_port) }),
            Call::GetMapInfo {} => {
                let name = format!("Carla/Maps/{}", self.site.name);
                self.value(&MapInfo { name, spawn_points: self.site.spawn_points.clone() })
            }
            Call::GetMapData {} => self.value(&self.site.opendrive),
            Call::GetRequiredFiles { .. } | Call::GetNamesOfAllObjects {} => self.value(&Vec::<String>::new()),
            Call::GetActorDefinitions {} => self.value(&self.library),
            Call::GetEpisodeSettings {} => self.value(&self.settings),
            Call::SetEpisodeSettings { settings } => {
                self.settings = sane(settings);
                // The frame that is, not the next one: the client waits for it.
                self.value(&self.frame)
            }
            Call::TickCue {} => {
                if self.settings.synchronous_mode {
                    self.tick(self.step_seconds());
                }
                self.value(&self.frame)
            }
            Call::GetWeatherParameters {} => self.value(&self.weather),
            Call::SetWeatherParameters { weather } => {
                self.sim.weather(&weather);
                self.weather = weather;
                Ok(Reply::Nothing)
            }
            Call::GetImuiGravity {} => self.value(&self.gravity),
            Call::SetImuiGravity { gravity } => {
                self.gravity = if gravity.is_finite() { gravity } else { self.gravity };
                Ok(Reply::Nothing)
            }
            Call::GetSpectator {} => self.entry(self.spectator).map(|e| e.actor.clone()).and_then(|a| self.value(&a)),
            Call::GetActorsById { ids } => {
                let known: Vec<Actor> = ids.iter().filter_map(|id| self.actors.get(id)).map(|e| e.actor.clone()).collect();
                self.value(&known)
            }
            Call::SpawnActor { description, transform } => self.spawn(description, &transform, None).and_then(|a| self.value(&a)),
            Call::SpawnActorWithParent { description, transform, parent, .. } => {
                self.spawn(description, &transform, Some(parent)).and_then(|a| self.value(&a))
            }
            Call::DestroyActor { id } => self.destroy(id).and_then(|()| self.value(&true)),
            Call::GetSensorToken { stream } => self.token(stream),
            Call::ApplyBatch { commands, do_tick } => Ok(self.batch(commands, do_tick)),
            Call::CastRay { start, end } => self.value(&self.points(&start, &end)),
            Call::ProjectPoint { location, direction, distance } => {
                let ahead = |from: f32, along: f32| from + along * distance;
                let (l, d) = (&location, &direction);
                let end = Vector3D::new(ahead(l.x, d.x), ahead(l.y, d.y), ahead(l.z, d.z));
                let first = self.points(&location, &end).into_iter().next();
                self.value(&(first.is_some(), first.unwrap_or_default()))
            }
            Call::GetAllLevelBBs { tag } => self.value(&self.boxes(tag)),
            Call::GetEnvironmentObjects { .. } => self.value(&Vec::<EnvironmentObject>::new()),
            Call::QueryLightsState { .. } => self.value(&Vec::<LightState>::new()),
            Call::GetGroupTrafficLights { id } => {
                let number = self.light_number(id)?;
                let group = self.site.lights.get(number).map(|l| l.group);
                let same = self.site.lights.iter().zip(&self.light_ids).filter(|(l, _)| Some(l.group) == group);
                let ids: Vec<u32> = same.map(|(_, id)| *id).collect();
                self.value(&ids)
            }
            Call::GetLightBoxes { id } => {
                let number = self.light_number(id)?;
                let boxes = self.site.lights.get(number).map(|l| l.boxes.clone()).unwrap_or_default();
                self.value(&boxes)
            }
            Call::SetTrafficLightState { id, state } => self.light(|s| Ok(LightOrder::Colour(s.light_number(id)?, state))),
            Call::SetTrafficLightGreenTime { id, seconds } => {
                self.light(|s| Ok(LightOrder::Times(s.light_number(id)?, [Some(seconds), None, None])))
            }
            Call::SetTrafficLightYellowTime { id, seconds } => {
                self.light(|s| Ok(LightOrder::Times(s.light_number(id)?, [None, Some(seconds), None])))
            }
            Call::SetTrafficLightRedTime { id, seconds } => {
                self.light(|s| Ok(LightOrder::Times(s.light_number(id)?, [None, None, Some(seconds)])))
            }
            Call::FreezeAllTrafficLights { frozen } => self.light(|_| Ok(LightOrder::Freeze(frozen))),
            Call::ResetTrafficLightGroup { id } => self.light(|s| Ok(LightOrder::Reset(Some(s.light_number(id)?)))),
            Call::ResetAllTrafficLights {} => self.light(|_| Ok(LightOrder::Reset(None))),
            Call::IsTrafficManagerRunning { port } => self.value(&self.managers.contains_key(&port)),
            Call::GetTrafficManagerRunning { port } => {
                let place = self.managers.get(&port).map_or_else(|| (String::new(), 0), |host| (host.clone(), port));
                self.value(&place)
            }
            Call::AddTrafficManagerRunning { place: (host, port) } => {
                let new = self.managers.len() < 64 && !self.managers.contains_key(&port);
                if new {
                    self.managers.insert(port, host);
                }
                self.value(&new)
            }
            Call::DestroyTrafficManager { port } => {
                self.managers.remove(&port);
                Ok(Reply::Nothing)
            }
            Call::IsSensorEnabledForRos { .. } => self.value(&false),
            // Looks and layers of the simulator's own drawing: there is nothing to change, and no harm in the wish.
            Call::LoadMapLayer { .. }
            | Call::UnloadMapLayer { .. }
            | Call::DrawDebugShape { .. }
            | Call::UpdateLightsState { .. }
            | Call::UpdateDayNightCycle { .. }
            | Call::EnableEnvironmentObjects { .. }
            | Call::SetAnnotationsTraverseTranslucency { .. }
            | Call::EnableSensorForRos { .. }
            | Call::DisableSensorForRos { .. }
            | Call::SetReplayerTimeFactor { .. }
            | Call::SetReplayerIgnoreHero { .. }
            | Call::SetReplayerIgnoreSpectator { .. }
            | Call::StopReplayer { .. }
            | Call::StopRecorder {} => Ok(Reply::Nothing),
            other => self.about_actor(other),
        }
    }
    fn token(&self, stream: u32) -> Outcome {
        let sensor = |r: &Role| matches!(r, Role::Sensor(m) if m.stream == stream && m.kind.streams());
        if stream != SNAPSHOTS && !self.actors.values().any(|e| sensor(&e.role)) {
            return Err(format!("there is no stream {stream}"));
        }
        self.value(&Token::new(stream, self.stream_port))
    }
    fn light_number(&self, id: u32) -> Result<usize, String> {
        match self.entry(id)?.role {
            Role::Light(number) => Ok(number),
            _ => Err(format!("actor {id} is not a traffic light")),
        }
    }
    fn light(&mut self, order: impl FnOnce(&Self) -> Result<LightOrder, String>) -> Outcome {
        let order = order(self)?;
        self.sim.lights(order);
        Ok(Reply::Nothing)
    }
    fn points(&self, from: &Vector3D, to: &Vector3D) -> Vec<LabelledPoint> {
        let finite = |v: &Vector3D| v.array().into_iter().all(f32::is_finite);
        if !finite(from) || !finite(to) {
            return Vec::new();
        }
        self.sim.ray(from, to).into_iter().map(|(location, tag)| LabelledPoint { location, tag: u32::from(tag) }).collect()
    }
    /// Boxes of the lights in the world: what of the map has boxes here.
    fn boxes(&self, tag: u8) -> Vec<BoundingBox> {
        let asked = [7, 255].contains(&tag);
        self.site.lights.iter().filter(|_| asked).flat_map(|l| l.boxes.iter().cloned()).collect()
    }
    /// The call's own version of "no".
    pub fn unavailable(&self, call: &Call) -> Outcome {
        Err(format!("this server has no {}", call.method()))
    }
}

/// Settings with a step that a world can take.
fn sane(settings: EpisodeSettings) -> EpisodeSettings {
    let fixed_delta_seconds = settings.fixed_delta_seconds.filter(|d| d.is_finite() && *d > 0.0).map(|d| d.clamp(0.001, 1.0));
    EpisodeSettings { fixed_delta_seconds, max_substeps: settings.max_substeps.clamp(1, 16), ..settings }
}
