//! A CARLA client: drives a real simulator, or our own server, in the official client's order of calls.
//!
//! *In*: host, ports, calls. *Out*: typed answers, snapshots, streams. *Units and frames*: the wire's; [`super::axes`] converts.
//! *Invariant*: every wait has an end; what a [`Client`] has changed (settings, actors) is put back when it goes, however it goes.

mod link;
mod listen;

pub use listen::Stream;

use super::call::{Call, Tail};
use super::command::Command;
use super::pack::Wire;
use super::physics::VehicleControl;
use super::rpc;
use super::snapshot::Snapshot;
use super::structs::{
    Actor, ActorAttributeValue, ActorDefinition, ActorDescription, EpisodeInfo, EpisodeSettings, MapInfo, Transform, WeatherParameters,
};
use super::token::Token;
use super::version::Version;
use crate::types::{Error, Result, nearest};
use link::Link;
use std::net::SocketAddr;
use std::time::Duration;

/// How long a call may take, unless it loads a map.
pub const USUAL_PATIENCE: Duration = Duration::from_secs(10);
/// Loading a map on a real server takes tens of seconds.
const LOADING: Duration = Duration::from_secs(120);

/// A connection to a server. Leaves it as it was found.
#[derive(Debug)]
pub struct Client {
    link: Link,
    patience: Duration,
    announced: String,
    /// Settings that were found, once they were changed.
    found: Option<EpisodeSettings>,
    mine: Vec<u32>,
    world: Option<Stream>,
    /// Whether its stream has brought a snapshot yet: only then does the server know its listener.
    heard: bool,
    library: Vec<ActorDefinition>,
}

impl Client {
    /// Connects and learns the server's version.
    ///
    /// # Errors
    /// Where nobody answers in time, or the server speaks a version that is not ours; both versions are named.
    pub fn connect(host: &str, port: u16, patience: Duration) -> Result<Self> {
        let link = Link::connect(host, port, patience)?;
        let mut client = Self {
            link,
            patience,
            announced: String::new(),
            found: None,
            mine: Vec::new(),
            world: None,
            heard: false,
            library: Vec::new(),
        };
        client.announced = client.ask(&Call::Version {})?;
        client.link.version = Version::of(&client.announced).map_err(|e| e.at(client.link.place().to_owned()))?;
        Ok(client)
    }
    /// What the server announced.
    pub fn announced(&self) -> &str {
        &self.announced
    }
    /// The version that is spoken.
    pub const fn version(&self) -> Version {
        self.link.version
    }
    /// Makes a call that answers a value.
    ///
    /// # Errors
    /// The server's own words, a time-out, or an answer of another form.
    pub fn ask<T: Wire>(&mut self, call: &Call) -> Result<T> {
        let result = self.link.exchange(call, self.patience)?;
        rpc::value(call.method(), &result, self.link.version)
    }
    /// Makes a call that answers nothing but success. Where the official client would not wait, a refusal is still told.
    ///
    /// # Errors
    /// The server's own words or a time-out.
    pub fn tell(&mut self, call: &Call) -> Result<()> {
        let result = self.link.exchange(call, self.patience)?;
        if call.waits() {
            rpc::done(call.method(), &result, self.link.version)
        } else {
            rpc::done(call.method(), &result, self.link.version).or(Ok(()))
        }
    }
    /// Names of the maps.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn maps(&mut self) -> Result<Vec<String>> {
        self.ask(&Call::GetAvailableMaps {})
    }
    /// The episode.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn episode(&mut self) -> Result<EpisodeInfo> {
        self.ask(&Call::GetEpisodeInfo {})
    }
    /// Name and spawn points of the map.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn map(&mut self) -> Result<MapInfo> {
        self.ask(&Call::GetMapInfo {})
    }
    /// Loads a map, even if it is the present one; an empty name loads the present one again. All actors are gone then.
    ///
    /// # Errors
    /// The server's words where there is no such map.
    pub fn load(&mut self, name: &str) -> Result<()> {
        let before = self.episode()?.id;
        (self.world, self.heard) = (None, false);
        let call = Call::LoadNewEpisode { name: name.to_owned(), reset_settings: true, layers: 0xFFFF };
        let result = self.link.exchange(&call, LOADING)?;
        rpc::done(call.method(), &result, self.link.version)?;
        self.mine.clear();
        let end = std::time::Instant::now() + LOADING;
        while self.episode()?.id == before {
            if std::time::Instant::now() > end {
                return Err(Error::mismatch("a new episode", "the old one", format!("map `{name}`")));
            }
            if self.settings()?.synchronous_mode {
                let _frame: u64 = self.ask(&Call::TickCue {})?;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.world()?;
        Ok(())
    }
    /// The settings now.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn settings(&mut self) -> Result<EpisodeSettings> {
        self.ask(&Call::GetEpisodeSettings {})
    }
    /// Sets the settings; those found first come back when the client goes.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn set_settings(&mut self, settings: &EpisodeSettings) -> Result<u64> {
        if self.found.is_none() {
            self.found = Some(self.settings()?);
        }
        self.ask(&Call::SetEpisodeSettings { settings: settings.clone() })
    }
    /// Steps only when told, by `seconds`.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn lockstep(&mut self, seconds: f64) -> Result<()> {
        let found = self.settings()?;
        let wanted = EpisodeSettings { synchronous_mode: true, fixed_delta_seconds: Some(seconds), deterministic_ragdolls: true, ..found };
        self.set_settings(&wanted).map(|_| ())
    }
    /// The stream of snapshots.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn world(&mut self) -> Result<&Stream> {
        if self.world.is_none() {
            let token = self.episode()?.token;
            self.world = Some(self.stream("world", token)?);
        }
        self.world.as_ref().ok_or_else(|| Error::unavailable("the world", "no stream"))
    }
    /// One step: its snapshot. The first one may have to wait until the server knows its listener, and ticks again.
    ///
    /// # Errors
    /// Where no snapshot comes in time.
    pub fn tick(&mut self) -> Result<Snapshot> {
        let patience = self.patience;
        self.world()?;
        if !self.heard {
            // A listener that joins hears only what comes later.
            for _ in 0..100 {
                let frame: u64 = self.ask(&Call::TickCue {})?;
                if let Ok(snapshot) = self.world()?.snapshot(frame, Duration::from_millis(100)) {
                    self.heard = true;
                    return Ok(snapshot);
                }
            }
        }
        let frame: u64 = self.ask(&Call::TickCue {})?;
        self.world()?.snapshot(frame, patience)
    }
    fn stream(&mut self, name: &str, token: Token) -> Result<Stream> {
        let token = if self.link.version.asks_tokens() { self.ask(&Call::GetSensorToken { stream: token.stream })? } else { token };
        let rpc = self.link.address().ok_or_else(|| Error::unavailable("the server's address", "the connection is gone"))?;
        Stream::open(name, SocketAddr::new(token.address(rpc), token.port), token.stream)
    }
    /// Listens to a sensor.
    ///
    /// # Errors
    /// Where the actor does not stream, or the server refuses.
    pub fn listen(&mut self, name: &str, sensor: &Actor) -> Result<Stream> {
        let token = Token::read(&sensor.stream_token.0).map_err(|e| e.at(format!("sensor `{name}`")))?;
        self.stream(name, token)
    }
    /// A blueprint with these attributes set.
    ///
    /// # Errors
    /// Where there is no such blueprint or attribute, with the nearest name.
    pub fn blueprint(&mut self, id: &str, set: &[(&str, String)]) -> Result<ActorDescription> {
        if self.library.is_empty() {
            self.library = self.ask(&Call::GetActorDefinitions {})?;
        }
        let guess = |name: &str, of: Vec<&str>| nearest(name, of).map_or_else(String::new, |n| format!(", did you mean `{n}`?"));
        let found = self.library.iter().find(|b| b.id == id);
        let unknown = || {
            Error::mismatch("a blueprint", format!("`{id}`{}", guess(id, self.library.iter().map(|b| b.id.as_str()).collect())), "CARLA")
        };
        let blueprint = found.ok_or_else(unknown)?;
        let value =
            |id: &str, default: &str| set.iter().find(|(name, _)| *name == id).map_or_else(|| default.to_owned(), |(_, v)| v.clone());
        let one =
            |a: &super::structs::ActorAttribute| ActorAttributeValue { id: a.id.clone(), kind: a.kind, value: value(&a.id, &a.value) };
        let attributes: Vec<_> = blueprint.attributes.iter().map(one).collect();
        if let Some((name, _)) = set.iter().find(|(name, _)| !attributes.iter().any(|a| a.id == *name)) {
            let known = attributes.iter().map(|a| a.id.as_str()).collect();
            return Err(Error::mismatch("an attribute", format!("`{name}`{}", guess(name, known)), format!("blueprint `{id}`")));
        }
        Ok(ActorDescription { uid: blueprint.uid, id: blueprint.id.clone(), attributes })
    }
    /// Blueprints of the server.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn library(&mut self) -> Result<&[ActorDefinition]> {
        if self.library.is_empty() {
            self.library = self.ask(&Call::GetActorDefinitions {})?;
        }
        Ok(&self.library)
    }
    /// Makes an actor, in the world or in its parent's frame; it is destroyed when the client goes.
    ///
    /// # Errors
    /// The server's words, for instance that the place is taken.
    pub fn spawn(&mut self, description: ActorDescription, transform: Transform, parent: Option<u32>) -> Result<Actor> {
        let socket = Tail(self.link.version.sockets().then(String::new));
        let call = match parent {
            Some(parent) => Call::SpawnActorWithParent { description, transform, parent, attachment: 0, socket },
            None => Call::SpawnActor { description, transform },
        };
        let actor: Actor = self.ask(&call)?;
        self.mine.push(actor.id);
        Ok(actor)
    }
    /// Destroys an actor.
    ///
    /// # Errors
    /// Where there is none.
    pub fn destroy(&mut self, id: u32) -> Result<()> {
        self.mine.retain(|mine| *mine != id);
        self.ask::<bool>(&Call::DestroyActor { id }).map(|_| ())
    }
    /// Many commands in one message: each one's actor or failure.
    ///
    /// # Errors
    /// Where the batch as a whole is refused.
    pub fn batch(&mut self, commands: Vec<Command>) -> Result<Vec<Result<u32>>> {
        let spawns: Vec<bool> = commands.iter().map(|c| matches!(c, Command::SpawnActor { .. })).collect();
        let result = self.link.exchange(&Call::ApplyBatch { commands, do_tick: false }, self.patience)?;
        let results = rpc::batch(&result, self.link.version)?;
        self.mine.extend(results.iter().zip(spawns).filter(|(_, spawned)| *spawned).filter_map(|(r, _)| r.as_ref().ok()));
        Ok(results)
    }
    /// Drives a vehicle; followed at the next step.
    ///
    /// # Errors
    /// A time-out.
    pub fn control(&mut self, id: u32, control: &VehicleControl) -> Result<()> {
        self.tell(&Call::ApplyControlToVehicle { id, control: control.clone() })
    }
    /// Sets the weather.
    ///
    /// # Errors
    /// A time-out.
    pub fn weather(&mut self, weather: &WeatherParameters) -> Result<()> {
        self.tell(&Call::SetWeatherParameters { weather: weather.clone() })
    }
    /// Destroys what was made and puts the settings back. Called when the client is dropped, too.
    ///
    /// # Errors
    /// The first failure; everything is tried.
    pub fn restore(&mut self) -> Result<()> {
        let mine = std::mem::take(&mut self.mine);
        let gone = if mine.is_empty() {
            Ok(())
        } else {
            // The youngest first: sensors before what carries them.
            let commands = mine.into_iter().rev().map(|id| Command::DestroyActor { id }).collect();
            self.batch(commands).map(|_| ())
        };
        let settings = match self.found.take() {
            Some(settings) => self.ask::<u64>(&Call::SetEpisodeSettings { settings }).map(|_| ()),
            None => Ok(()),
        };
        gone.and(settings)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.patience = self.patience.min(Duration::from_secs(3));
        if let Err(e) = self.restore() {
            tracing::debug!("the server may not be as it was found: {e}");
        }
    }
}
