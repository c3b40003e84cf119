//! The protocol's structs: geometry, episode, map, weather, blueprints, actors. Fields have the protocol's own names.
//!
//! *Units and frames*: as on the wire, metres and degrees, left-handed (x forward, y right, z up); [`super::axes`] converts.
//! *Invariant*: what is read and written again for the same version is the same bytes.

use super::pack::{Bytes, Reader, Wire, Writer, quoted, wire_struct};
use super::token::Token;
use crate::types::{Error, Result};

wire_struct! {
    /// A vector or place in space.
    Vector3D 3 { x: f32, y: f32, z: f32 }
    /// A vector in the plane.
    Vector2D 2 { x: f32, y: f32 }
    /// Degrees; pitch first.
    Rotation 3 { pitch: f32, yaw: f32, roll: f32 }
    /// A pose.
    Transform 2 { location: Vector3D, rotation: Rotation }
    /// Degrees north and east, metres up.
    GeoLocation 3 { latitude: f64, longitude: f64, altitude: f64 }
    /// 8-bit colour.
    Color 3 { r: u8, g: u8, b: u8 }
    /// An episode, and the stream of its snapshots.
    EpisodeInfo 2 { id: u64, token: Token }
    /// The map's name and spawn points.
    MapInfo 2 { name: String, spawn_points: Vec<Transform> }
    /// A blueprint.
    ActorDefinition 4 { uid: u32, id: String, tags: String, attributes: Vec<ActorAttribute> }
    /// One attribute of a blueprint; values are texts.
    ActorAttribute 6 {
        id: String, kind: AttributeKind, value: String, recommended: Vec<String>, is_modifiable: bool, restrict_to_recommended: bool,
    }
    /// One attribute of an actor.
    ActorAttributeValue 3 { id: String, kind: AttributeKind, value: String }
    /// What is asked to be spawned.
    ActorDescription 3 { uid: u32, id: String, attributes: Vec<ActorAttributeValue> }
    /// An actor that exists.
    Actor 6 { id: u32, parent: u32, description: ActorDescription, bounding_box: BoundingBox, semantic_tags: Bytes, stream_token: Bytes }
    /// A named place on a ray.
    LabelledPoint 2 { location: Vector3D, tag: u32 }
    /// A static thing of the map.
    EnvironmentObject 5 { transform: Transform, bounding_box: BoundingBox, id: u64, name: String, tag: u32 }
    /// A street light.
    LightState 6 { id: u32, location: Vector3D, intensity: f32, group: u32, color: Color, active: bool }
}

impl Vector3D {
    /// From three numbers.
    pub const fn new(x: f32, y: f32, z: f32) -> Self {
        Self { x, y, z }
    }
    /// As three numbers.
    pub const fn array(&self) -> [f32; 3] {
        [self.x, self.y, self.z]
    }
}

/// A token in its own array, as episode and `get_sensor_token` send it.
impl Wire for Token {
    fn put(&self, to: &mut Writer) {
        to.array(1);
        to.put(&Bytes(self.bytes().to_vec()));
    }
    fn take(from: &mut Reader<'_>) -> Result<Self> {
        let len = from.array_of(1, "a token")?;
        let token = from.get::<Bytes>().and_then(|b| Self::read(&b.0))?;
        from.skip_all(len - 1).map(|()| token)
    }
}

/// Type of an attribute; its numbers start at 0 or 1, depending on the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)] // the names say it
pub enum AttributeKind {
    Bool,
    Int,
    Float,
    #[default]
    String,
    Color,
}

const KINDS: [AttributeKind; 5] =
    [AttributeKind::Bool, AttributeKind::Int, AttributeKind::Float, AttributeKind::String, AttributeKind::Color];

impl Wire for AttributeKind {
    fn put(&self, to: &mut Writer) {
        let place = KINDS.iter().zip(0_u8..).find(|(k, _)| *k == self).map_or(0, |(_, n)| n);
        to.put(&(place + to.version.attribute_base()));
    }
    fn take(from: &mut Reader<'_>) -> Result<Self> {
        let number = from.get::<u8>()?;
        let place = number.checked_sub(from.version.attribute_base()).and_then(|n| KINDS.get(usize::from(n)));
        let version = from.version;
        place.copied().ok_or_else(|| Error::mismatch(format!("an attribute type of {version}"), number.to_string(), "attribute"))
    }
}

/// An upright or turned box, relative to its actor; half sizes.
#[derive(Debug, Clone, PartialEq, Default)]
#[allow(missing_docs)]
pub struct BoundingBox {
    pub location: Vector3D,
    pub extent: Vector3D,
    pub rotation: Rotation,
    pub actor_id: u32,
}

impl Wire for BoundingBox {
    fn put(&self, to: &mut Writer) {
        to.array(3 + usize::from(to.version.sockets()));
        to.put(&self.location);
        to.put(&self.extent);
        to.put(&self.rotation);
        if to.version.sockets() {
            to.put(&self.actor_id);
        }
    }
    fn take(from: &mut Reader<'_>) -> Result<Self> {
        let len = from.array_of(2, "a box")?;
        let (location, extent) = (from.get()?, from.get()?);
        let rotation = if len > 2 { from.get()? } else { Rotation::default() };
        let actor_id = if len > 3 { from.get()? } else { 0 };
        from.skip_all(len.saturating_sub(4))?;
        Ok(Self { location, extent, rotation, actor_id })
    }
}

/// How the episode runs.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, clippy::struct_excessive_bools)]
pub struct EpisodeSettings {
    pub synchronous_mode: bool,
    pub no_rendering_mode: bool,
    pub fixed_delta_seconds: Option<f64>,
    pub substepping: bool,
    pub max_substep_delta_time: f64,
    pub max_substeps: i32,
    pub max_culling_distance: f32,
    pub deterministic_ragdolls: bool,
    pub tile_stream_distance: f32,
    pub actor_active_distance: f32,
    pub spectator_as_ego: bool,
}

impl Default for EpisodeSettings {
    fn default() -> Self {
        Self {
            synchronous_mode: false,
            no_rendering_mode: false,
            fixed_delta_seconds: None,
            substepping: true,
            max_substep_delta_time: 0.01,
            max_substeps: 10,
            max_culling_distance: 0.0,
            deterministic_ragdolls: true,
            tile_stream_distance: 3000.0,
            actor_active_distance: 2000.0,
            spectator_as_ego: true,
        }
    }
}

impl Wire for EpisodeSettings {
    fn put(&self, to: &mut Writer) {
        to.array(10 + usize::from(to.version.spectator_as_ego()));
        to.put(&self.synchronous_mode);
        to.put(&self.no_rendering_mode);
        to.put(&self.fixed_delta_seconds);
        to.put(&self.substepping);
        to.put(&self.max_substep_delta_time);
        to.put(&self.max_substeps);
        to.put(&self.max_culling_distance);
        to.put(&self.deterministic_ragdolls);
        to.put(&self.tile_stream_distance);
        to.put(&self.actor_active_distance);
        if to.version.spectator_as_ego() {
            to.put(&self.spectator_as_ego);
        }
    }
    fn take(from: &mut Reader<'_>) -> Result<Self> {
        let len = from.array_of(8, "settings")?;
        let mut s = Self {
            synchronous_mode: from.get()?,
            no_rendering_mode: from.get()?,
            fixed_delta_seconds: from.get()?,
            substepping: from.get()?,
            max_substep_delta_time: from.get()?,
            max_substeps: from.get()?,
            max_culling_distance: from.get()?,
            deterministic_ragdolls: from.get()?,
            ..Self::default()
        };
        if len > 8 {
            s.tile_stream_distance = from.get()?;
        }
        if len > 9 {
            s.actor_active_distance = from.get()?;
        }
        if len > 10 {
            s.spectator_as_ego = from.get()?;
        }
        from.skip_all(len.saturating_sub(11))?;
        Ok(s)
    }
}

macro_rules! weather {
    ($($field:ident),*) => {
        /// The weather; percentages, degrees and metres as CARLA has them.
        #[derive(Debug, Clone, PartialEq, Default)]
        #[allow(missing_docs)]
        pub struct WeatherParameters { $(pub $field: f32),* }
        impl WeatherParameters {
            /// The fields in their order.
            pub const FIELDS: &[&str] = &[$(stringify!($field)),*];
        }
        impl Wire for WeatherParameters {
            fn put(&self, to: &mut Writer) {
                let count = Self::FIELDS.len() - usize::from(!to.version.dust_storm());
                to.array(count);
                [$(self.$field),*].iter().take(count).for_each(|v| to.put(v));
            }
            fn take(from: &mut Reader<'_>) -> Result<Self> {
                let mut left = from.array_of(6, "weather")?;
                let mut value = Self::default();
                for field in [$(&mut value.$field),*] {
                    if left > 0 {
                        *field = from.get()?;
                        left -= 1;
                    }
                }
                from.skip_all(left)?;
                Ok(value)
            }
        }
    };
}
weather!(
    cloudiness,
    precipitation,
    precipitation_deposits,
    wind_intensity,
    sun_azimuth_angle,
    sun_altitude_angle,
    fog_density,
    fog_distance,
    fog_falloff,
    wetness,
    scattering_intensity,
    mie_scattering_scale,
    rayleigh_scattering_scale,
    dust_storm
);

/// Colour of a traffic light.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub enum LightColour {
    Red,
    Yellow,
    Green,
    Off,
    #[default]
    Unknown,
}

impl LightColour {
    /// By its number; what is not known is unknown.
    pub const fn of(number: u8) -> Self {
        match number {
            0 => Self::Red,
            1 => Self::Yellow,
            2 => Self::Green,
            3 => Self::Off,
            _ => Self::Unknown,
        }
    }
    /// Its number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Red => 0,
            Self::Yellow => 1,
            Self::Green => 2,
            Self::Off => 3,
            Self::Unknown => 4,
        }
    }
}
impl Wire for LightColour {
    fn put(&self, to: &mut Writer) {
        to.put(&self.number());
    }
    fn take(from: &mut Reader<'_>) -> Result<Self> {
        from.get().map(Self::of)
    }
}

/// One packed value of any form, kept as it came: what a server may take without understanding.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Raw(pub Vec<u8>);

impl Wire for Raw {
    fn put(&self, to: &mut Writer) {
        to.raw(&self.0);
    }
    fn take(from: &mut Reader<'_>) -> Result<Self> {
        let all = from.left();
        from.skip()?;
        let used = all.len() - from.left().len();
        Ok(Self(all.get(..used).unwrap_or_default().to_vec()))
    }
}

/// The id and value of an attribute, where a description has it.
impl ActorDescription {
    /// The attribute's text.
    pub fn attribute(&self, id: &str) -> Option<&str> {
        self.attributes.iter().find(|a| a.id == id).map(|a| a.value.as_str())
    }
    /// The attribute as a number.
    ///
    /// # Errors
    /// Where the text is none, with the attribute's name.
    pub fn number(&self, id: &str, default: f64) -> Result<f64> {
        let Some(text) = self.attribute(id) else { return Ok(default) };
        let read = text.trim().parse::<f64>().ok().filter(|v| v.is_finite());
        read.ok_or_else(|| Error::mismatch("a number", quoted(text), format!("{}, attribute {id}", quoted(&self.id))))
    }
}
