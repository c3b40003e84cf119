//! What the three parts of the world share: surfaces, meshes, bodies, the static scene, and a snapshot of what moves.
//!
//! *In / Out*: plain data, world frame (x east, y north, z up), metres, seconds, radians. *Invariant*: every visible thing is
//! triangles, so that pictures, depth, labels, LiDAR and radar agree by construction; every triangle has one [`Surface`].

use nalgebra::Isometry3;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a surface is made of: decides texture, reflectance, LiDAR intensity and temperature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Material {
    /// Road surface.
    Asphalt,
    /// Kerbs, side walks, walls of concrete.
    Concrete,
    /// Paving slabs.
    Paving,
    /// Road paint: bright and flat, retro-reflecting for LiDAR, at the road's temperature.
    Paint,
    /// Lawn.
    Grass,
    /// Bare earth.
    Soil,
    /// Brick wall.
    Brick,
    /// Plastered wall.
    Plaster,
    /// A wall with a grid of windows, lit at night.
    Facade,
    /// Roof tiles.
    Tiles,
    /// Glass: dark, mirrors the sky, a weak LiDAR target, opaque for thermal cameras.
    Glass,
    /// Painted or bare sheet metal.
    Metal,
    /// Sheet metal over a running engine.
    HotMetal,
    /// Tyres.
    Rubber,
    /// Leaves.
    Foliage,
    /// Trunks, planks.
    Wood,
    /// Clothes.
    Cloth,
    /// Faces and hands.
    Skin,
    /// Retro-reflective sheet: signs, number plates, beacons' stripes.
    Reflector,
    /// A lamp's lens; shines when its [`Lamp`] is on.
    Lens,
    /// Plastic: cones, barriers, bumpers.
    Plastic,
    /// Water and puddles.
    Water,
}

/// Semantic class of a surface: CARLA's tag table of 0.9.14 and later, with its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
#[allow(missing_docs)] // the names are the table's own
pub enum Tag {
    Unlabeled = 0,
    Roads = 1,
    SideWalks = 2,
    Building = 3,
    Wall = 4,
    Fence = 5,
    Pole = 6,
    TrafficLight = 7,
    TrafficSign = 8,
    Vegetation = 9,
    Terrain = 10,
    Sky = 11,
    Pedestrian = 12,
    Rider = 13,
    Car = 14,
    Truck = 15,
    Bus = 16,
    Train = 17,
    Motorcycle = 18,
    Bicycle = 19,
    Static = 20,
    Dynamic = 21,
    Other = 22,
    Water = 23,
    RoadLine = 24,
    Ground = 25,
    Bridge = 26,
    RailTrack = 27,
    GuardRail = 28,
}

/// When a lens shines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lamp {
    /// Never.
    Off,
    /// Always.
    On,
    /// From dusk to dawn: street lamps, lit windows.
    Night,
    /// With [`Lights::head`].
    Head,
    /// With [`Lights::head`], red and dimmer.
    Tail,
    /// With [`Lights::brake`].
    Brake,
    /// With [`Lights::left`], blinking.
    Left,
    /// With [`Lights::right`], blinking.
    Right,
    /// With [`Lights::reverse`].
    Reverse,
    /// With a red [`Signal`] of the instance or of its light.
    Red,
    /// With a yellow one.
    Yellow,
    /// With a green one.
    Green,
}

/// What one triangle looks like to every sensor.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Surface {
    /// What it is made of.
    pub material: Material,
    /// sRGB base colour; instances with a [`Instance::paint`] replace it where `painted`.
    pub colour: [u8; 3],
    /// Whether the instance's paint replaces `colour`.
    pub painted: bool,
    /// Semantic class.
    pub tag: Tag,
    /// Whether it shines.
    pub lamp: Lamp,
    /// Draw order of surfaces in one plane (paint over asphalt): the higher wins.
    pub layer: u8,
}

/// Triangles with their surfaces. Counter-clockwise seen from outside.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mesh {
    /// Corner positions, metres.
    pub vertices: Vec<[f32; 3]>,
    /// Indices of corners, and of the surface.
    pub triangles: Vec<([u32; 3], u16)>,
    /// Surfaces.
    pub surfaces: Vec<Surface>,
}

/// A kind of thing that can stand anywhere: a car model, a tree, a lamp post.
#[derive(Debug, Clone, PartialEq)]
pub struct Body {
    /// Name of the model, for instance `car.hatchback`.
    pub name: String,
    /// Detection class (nuScenes' ten names), where it is one of them.
    pub class: Option<&'static str>,
    /// Shape in the body frame: x forward, y left, z up, origin on the ground below the centre.
    pub mesh: Mesh,
    /// Length, width, height of the smallest upright box centred over the origin that holds the mesh, metres.
    pub size: [f64; 3],
}

/// Lights of one instance now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools)] // six lamps
pub struct Lights {
    /// Head and tail lamps.
    pub head: bool,
    /// Brake lamps.
    pub brake: bool,
    /// Left indicator (already blinking: on or off now).
    pub left: bool,
    /// Right indicator.
    pub right: bool,
    /// Reverse lamps.
    pub reverse: bool,
}

/// Colour of a traffic light.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// Stop.
    Red,
    /// Stop where it is safe.
    Yellow,
    /// Go.
    Green,
}

/// One thing in the world: a body somewhere. Static things are in the scene, moving ones in the snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// Unique in the world and constant over time; 0 is nobody.
    pub id: u32,
    /// Its shape.
    pub body: Arc<Body>,
    /// World from body.
    pub pose: Isometry3<f64>,
    /// Velocity in the world, m/s.
    pub velocity: [f64; 3],
    /// Angular velocity about z, rad/s.
    pub yaw_rate: f64,
    /// sRGB of painted surfaces.
    pub paint: [u8; 3],
    /// Its lamps.
    pub lights: Lights,
    /// Its colour, if it is a traffic light.
    pub signal: Option<Signal>,
    /// How warm engine and body are, 0 (as the air) to 1 (driven for an hour).
    pub warmth: f32,
    /// nuScenes attribute, such as `vehicle.moving`, where the class has one.
    pub attribute: Option<&'static str>,
}

/// Time of day and weather.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sky {
    /// Hour of the day, 0 to 24.
    pub hour: f64,
    /// Cloud cover, 0 to 1.
    pub clouds: f64,
    /// Rain, 0 to 1.
    pub rain: f64,
    /// Meteorological visibility in fog, metres; infinite (or beyond 10 km) without.
    pub visibility: f64,
    /// Air temperature, degrees Celsius.
    pub celsius: f64,
}

impl Default for Sky {
    fn default() -> Self {
        Self { hour: 10.5, clouds: 0.3, rain: 0.0, visibility: 20_000.0, celsius: 14.0 }
    }
}

/// A region of the ground as one mesh with its bounds, so that only what is near is looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Tile {
    /// Ground triangles (roads, paint, side walks, grass) in the world frame.
    pub mesh: Mesh,
    /// Low and high corner in the plane, metres.
    pub bounds: [[f64; 2]; 2],
}

/// What there is and never moves, as sensors see it: ground and static instances. Lanes and rules are beside it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scene {
    /// The ground, tile by tile.
    pub tiles: Vec<Tile>,
    /// Buildings, trees, poles, signs, parked cars, traffic lights (whose signal is in the snapshot).
    pub statics: Vec<Instance>,
}

/// Everything that changes, at one instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Seconds since the start.
    pub time: f64,
    /// Counts the steps.
    pub step: u64,
    /// Vehicles, pedestrians, riders, the ego vehicle included.
    pub movers: Vec<Instance>,
    /// Signals of the static traffic lights: instance id and colour, sorted by id.
    pub signals: Vec<(u32, Signal)>,
    /// Id of the ego vehicle among the movers, if there is one.
    pub ego: Option<u32>,
    /// Time of day and weather.
    pub sky: Sky,
}
