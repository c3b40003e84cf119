//! What a simulator behind the protocol does: load towns, hold bodies, step, sense.
//!
//! *Units and frames*: the wire's own (left-handed, metres, degrees); whoever implements it converts. *Invariant*: ids are given
//! by the episode, those of a town's own things excepted, and never reused in it; the simulator knows nothing of clients, sessions and streams.

use super::super::physics::{VehicleAckermannControl, VehicleControl, VehiclePhysicsControl, WalkerControl};
use super::super::sensor::SensorKind;
use super::super::structs::{ActorDefinition, ActorDescription, BoundingBox, LightColour, Transform, Vector3D, WeatherParameters};

/// A town as clients are told of it.
#[derive(Debug, Clone, Default)]
pub struct Site {
    /// Last part of its name, `Town01`.
    pub name: String,
    /// OpenDRIVE of its road network.
    pub opendrive: String,
    /// Where vehicles may be put.
    pub spawn_points: Vec<Transform>,
    /// Latitude and longitude of the origin, as the OpenDRIVE text has them.
    pub origin: [f64; 2],
    /// Traffic lights; the place in the list is the light's number.
    pub lights: Vec<LightSite>,
    /// Other signs: blueprint name and place.
    pub signs: Vec<(String, Transform)>,
    /// What the world moves by itself.
    pub residents: Vec<Resident>,
    /// Ids below this are the town's own; the episode gives its ids from here on.
    pub first_free: u32,
    /// Speed limit where nothing else is known, km/h.
    pub speed_limit: f32,
}

/// A traffic light of a town.
#[derive(Debug, Clone, Default)]
pub struct LightSite {
    /// Pole.
    pub transform: Transform,
    /// Id of its signal in OpenDRIVE.
    pub sign: String,
    /// Its junction: lights of one junction change together.
    pub group: u32,
    /// Its housing.
    pub boxes: Vec<BoundingBox>,
}

/// A vehicle or walker that the world moves.
#[derive(Debug, Clone, Default)]
pub struct Resident {
    /// Its id, below the site's first free one.
    pub id: u32,
    /// What it is.
    pub description: ActorDescription,
    /// Its size.
    pub bounding_box: BoundingBox,
    /// Its semantic tag.
    pub tag: u8,
}

/// A body now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Motion {
    /// World pose.
    pub transform: Transform,
    /// m/s.
    pub velocity: Vector3D,
    /// Degrees/s.
    pub angular_velocity: Vector3D,
    /// m/s2.
    pub acceleration: Vector3D,
    /// The control it follows, for vehicles.
    pub control: VehicleControl,
    /// The same for walkers.
    pub walk: WalkerControl,
    /// km/h, for vehicles.
    pub speed_limit: f32,
    /// The light that holds it: its number.
    pub at_light: Option<usize>,
}

/// What an actor is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// Pedals and wheel.
    Vehicle(VehicleControl),
    /// Target speed and steer.
    Ackermann(VehicleAckermannControl),
    /// Walk.
    Walker(WalkerControl),
    /// Be there.
    Transform(Transform),
    /// m/s, once.
    Velocity(Vector3D),
    /// Degrees/s, once.
    AngularVelocity(Vector3D),
    /// m/s in its own frame until told otherwise.
    ConstantVelocity(Option<Vector3D>),
    /// N s.
    Impulse(Vector3D),
    /// N, for one step.
    Force(Vector3D),
    /// Whether it moves by physics.
    Physics(bool),
    /// Whether it collides.
    Collisions(bool),
    /// Whether the world drives it.
    Autopilot(bool),
    /// Lamps.
    Lights(u32),
    /// Engine, body, wheels.
    Setup(Box<VehiclePhysicsControl>),
}

/// What traffic lights are told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LightOrder {
    /// This colour now.
    Colour(usize, LightColour),
    /// Seconds of green, yellow, red where given.
    Times(usize, [Option<f32>; 3]),
    /// Stand still, all of them.
    Freeze(bool),
    /// The group of this light starts again; without one, all do.
    Reset(Option<usize>),
}

/// A light now.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LightNow {
    /// Its colour.
    pub colour: LightColour,
    /// Seconds of green, yellow, red.
    pub times: [f32; 3],
    /// Seconds since it changed.
    pub elapsed: f32,
    /// Whether it stands still.
    pub frozen: bool,
}

/// The other side of a contact.
#[derive(Debug, Clone, PartialEq)]
pub enum Other {
    /// An actor.
    Actor(u32),
    /// A fixed thing, by the name that CARLA would give it, such as `static.building`, and its tag.
    Fixed(&'static str, u8),
}

/// Two things touched in this step.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Who.
    pub actor: u32,
    /// Whom.
    pub other: Other,
    /// N s, in the world.
    pub impulse: Vector3D,
}

/// A sensor whose reading is wanted.
#[derive(Debug)]
pub struct Wanted {
    /// Its actor.
    pub id: u32,
    /// What it is.
    pub kind: SensorKind,
    /// Its world pose.
    pub transform: Transform,
    /// Its velocity in the world, m/s.
    pub velocity: Vector3D,
    /// What carries it.
    pub parent: u32,
    /// Length of the step, seconds.
    pub delta: f64,
    /// The message so far; the body is appended.
    pub message: Vec<u8>,
    /// Whether there is something to send.
    pub ready: bool,
}

/// A result, or the words that the client shows.
pub type Said<T> = Result<T, String>;

/// The world behind the server.
pub trait Simulator: Send {
    /// Names of the towns.
    fn maps(&self) -> Vec<String>;
    /// Blueprints of everything with a body: vehicles, walkers, props.
    fn bodies(&self) -> Vec<ActorDefinition>;
    /// Loads a town and forgets everything else.
    ///
    /// # Errors
    /// Where there is no such town.
    fn load(&mut self, map: &str) -> Said<Site>;
    /// Puts a body into the world: its size and semantic tag.
    ///
    /// # Errors
    /// Where the place is taken, or the description is not understood.
    fn spawn(&mut self, id: u32, what: &ActorDescription, at: &Transform) -> Said<(BoundingBox, u8)>;
    /// Takes it away.
    fn destroy(&mut self, id: u32);
    /// Prepares a sensor.
    ///
    /// # Errors
    /// Where an attribute is not understood or out of bounds.
    fn mount(&mut self, id: u32, kind: SensorKind, what: &ActorDescription) -> Said<()>;
    /// Tells an actor what to do.
    ///
    /// # Errors
    /// Where the actor cannot do that.
    fn order(&mut self, id: u32, order: Order) -> Said<()>;
    /// Tells traffic lights what to do.
    fn lights(&mut self, order: LightOrder);
    /// All lights, by their numbers.
    fn light_states(&self) -> Vec<LightNow>;
    /// Sets the weather.
    fn weather(&mut self, weather: &WeatherParameters);
    /// Moves everything on and says what touched.
    fn step(&mut self, seconds: f64) -> Vec<Hit>;
    /// A body now.
    fn motion(&self, id: u32) -> Option<Motion>;
    /// Physics of a vehicle.
    fn setup(&self, id: u32) -> Option<VehiclePhysicsControl>;
    /// Appends bodies of messages to what is wanted: cameras, LiDARs, radars.
    fn sense(&mut self, wanted: &mut [Wanted]);
    /// What an obstacle sensor sees, and how far.
    fn obstacle(&mut self, id: u32, at: &Transform, parent: u32) -> Option<(Other, f32)>;
    /// The first thing on a line: place and tag.
    fn ray(&self, from: &Vector3D, to: &Vector3D) -> Vec<(Vector3D, u8)>;
}
