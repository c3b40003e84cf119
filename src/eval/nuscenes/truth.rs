//! The annotated objects of a split, as the metrics see them.
//!
//! *In*: [`Tables`] with annotations and LiDAR key frames. *Out*: [`GroundTruth`]: samples in the table's order with the vehicle's
//! place, and the objects that count. *Invariant*: what is filtered here is filtered by the rules for predictions too: class range
//! (x, y, strictly), points inside, bicycle racks.

use super::classes;
use crate::formats::nuscenes::splits::Split;
use crate::formats::nuscenes::{ATTRIBUTES, NO_ATTRIBUTE, ResultKind, SampleAnnotation, Tables, Token, rotation, yaw};
use crate::types::{Error, Result, num};
use nalgebra::{UnitQuaternion, Vector3};
use std::collections::HashMap;
use std::ops::Range;

/// One object in one sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Object {
    /// Centre, metres on the map.
    pub translation: [f64; 3],
    /// Width, length, height, metres.
    pub size: [f64; 3],
    /// Angle of its length about z, radians.
    pub yaw: f64,
    /// m/s on the map; NaN where unknown.
    pub velocity: [f64; 2],
    /// Place in the task's classes.
    pub class: u8,
    /// Place in the attributes' names, or none.
    pub attribute: u8,
    /// Row of its annotation.
    pub annotation: u32,
    /// Row of its instance.
    pub instance: u32,
}

/// An oriented box that hides the cycles inside.
#[derive(Debug, Clone, Copy)]
struct Rack {
    centre: [f64; 3],
    turned: UnitQuaternion<f64>,
    half: [f64; 3],
}

impl Rack {
    fn holds(&self, point: [f64; 3]) -> bool {
        let [x, y, z] = point;
        let [cx, cy, cz] = self.centre;
        let local = self.turned.inverse_transform_vector(&Vector3::new(x - cx, y - cy, z - cz));
        let [length, width, height] = self.half;
        local.x.abs() <= length && local.y.abs() <= width && local.z.abs() <= height
    }
}

/// One sample of the split.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Its token.
    pub token: Token,
    /// Microseconds.
    pub timestamp: i64,
    /// Place of its scene in [`GroundTruth::scenes`].
    pub scene: u32,
    /// Where the vehicle is at the LiDAR's key frame, x, y on the map.
    pub ego: [f64; 2],
    /// Its objects that count.
    pub objects: Range<usize>,
    racks: Vec<Rack>,
}

impl Frame {
    /// Distance of a point from the vehicle in x and y, metres.
    pub fn distance(&self, [x, y, _]: [f64; 3]) -> f64 {
        let [ex, ey] = self.ego;
        ((x - ex) * (x - ex) + (y - ey) * (y - ey)).sqrt()
    }
    /// Whether a box of this class with its centre here is scored.
    pub fn counts(&self, class: &str, centre: [f64; 3]) -> bool {
        self.distance(centre) < classes::range_m(class) && !(classes::hidden_by_racks(class) && self.racks.iter().any(|r| r.holds(centre)))
    }
}

/// One scene of the split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SceneNote {
    /// Its token.
    pub token: Token,
    /// `scene-0103` and the like.
    pub name: String,
    /// In words: weather, time of day, what happens.
    pub description: String,
    /// The map's name.
    pub location: String,
}

/// The truth of a split.
#[derive(Debug, Clone)]
pub struct GroundTruth {
    /// The task.
    pub kind: ResultKind,
    /// Scenes in the table's order.
    pub scenes: Vec<SceneNote>,
    /// Samples in the table's order.
    pub frames: Vec<Frame>,
    /// All objects that count, sample after sample.
    pub objects: Vec<Object>,
    by_token: HashMap<Token, u32>,
}

impl GroundTruth {
    /// The truth of a split.
    ///
    /// # Errors
    /// Where the split has no scene here, or a sample has no LiDAR key frame or no pose.
    pub fn new(tables: &Tables, split: &Split, kind: ResultKind) -> Result<Self> {
        let mut truth = Self { kind, scenes: Vec::new(), frames: Vec::new(), objects: Vec::new(), by_token: HashMap::new() };
        let mut places = HashMap::new();
        for scene in tables.scenes.rows().iter().filter(|s| split.scenes.contains(&*s.name)) {
            places.insert(&scene.token, num::u32(truth.scenes.len()));
            truth.scenes.push(SceneNote {
                token: scene.token.clone(),
                name: scene.name.to_string(),
                description: scene.description.as_deref().unwrap_or_default().to_owned(),
                location: tables.logs.get(&scene.log_token).map(|l| l.location.to_string()).unwrap_or_default(),
            });
        }
        if truth.scenes.is_empty() {
            let found = format!("none of the {} scenes of {}", tables.scenes.rows().len(), tables.version);
            return Err(Error::mismatch(format!("scenes of split `{}`", split.name), found, "EmptySplit"));
        }
        for (row, sample) in tables.samples.rows().iter().enumerate() {
            if let Some(scene) = places.get(&sample.scene_token) {
                truth.frame(tables, row, *scene)?;
            }
        }
        Ok(truth)
    }

    fn frame(&mut self, tables: &Tables, row: usize, scene: u32) -> Result<()> {
        let Some(sample) = tables.samples.rows().get(row) else { return Ok(()) };
        let lidar = tables.key_frame(row, "LIDAR_TOP").and_then(|data| tables.ego_poses.get(&data.ego_pose_token));
        let Some(&[x, y, _]) = lidar.map(|pose| &pose.translation) else {
            let place = format!("MissingKeyFrame: table sample, token {}", sample.token);
            return Err(Error::mismatch("a LIDAR_TOP key frame with a pose", "none", place));
        };
        let mut racks = Vec::new();
        for rack in tables.annotations_of(row).filter(|a| tables.category_of(a) == Some(classes::BICYCLE_RACK)) {
            let [width, length, height] = rack.size;
            let turned = rotation(rack.rotation).unwrap_or_default();
            racks.push(Rack { centre: rack.translation, turned, half: [length / 2.0, width / 2.0, height / 2.0] });
        }
        let start = self.objects.len();
        let frame = Frame { token: sample.token.clone(), timestamp: sample.timestamp, scene, ego: [x, y], objects: start..start, racks };
        for annotation in tables.annotations_of(row) {
            let class = tables.category_of(annotation).and_then(|c| classes::of_category(c, self.kind));
            let Some((class, name)) = class.and_then(|c| Some((c, *self.kind.classes().get(usize::from(c))?))) else { continue };
            if annotation.num_lidar_pts + annotation.num_radar_pts != 0 && frame.counts(name, annotation.translation) {
                self.objects.push(object(tables, annotation, class));
            }
        }
        self.by_token.insert(sample.token.clone(), num::u32(self.frames.len()));
        self.frames.push(Frame { objects: start..self.objects.len(), ..frame });
        Ok(())
    }

    /// The place of a sample.
    pub fn place(&self, token: &Token) -> Option<u32> {
        self.by_token.get(token).copied()
    }
    /// A sample by its place.
    pub fn frame_at(&self, place: u32) -> Option<&Frame> {
        self.frames.get(num::usize(place))
    }
    /// How many objects of a class count.
    pub fn count(&self, class: u8) -> usize {
        self.objects.iter().filter(|o| o.class == class).count()
    }
}

fn object(tables: &Tables, annotation: &SampleAnnotation, class: u8) -> Object {
    let attribute = annotation.attribute_tokens.first().and_then(|t| tables.attributes.get(t));
    let attribute = attribute.and_then(|a| (0_u8..).zip(ATTRIBUTES).find(|(_, name)| *name == &*a.name)).map(|(place, _)| place);
    let [vx, vy, _] = tables.velocity(annotation);
    Object {
        translation: annotation.translation,
        size: annotation.size,
        yaw: rotation(annotation.rotation).map_or(0.0, |r| yaw(&r)),
        velocity: [vx, vy],
        class,
        attribute: attribute.unwrap_or(NO_ATTRIBUTE),
        annotation: tables.annotations.row(&annotation.token).map_or(u32::MAX, num::u32),
        instance: tables.instances.row(&annotation.instance_token).map_or(u32::MAX, num::u32),
    }
}
