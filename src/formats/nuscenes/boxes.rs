//! Annotated boxes at the time of a file, in any frame, and whether a picture shows them.
//!
//! *In*: [`Tables`] with annotations, a [`SampleData`]. *Out*: [`ObjectBox`]es, m/s of an annotation. *Invariant*: at a key frame the boxes are the
//! table's, in its order; between key frames they are those of the sample that the file belongs to, moved towards the sample before it.

use super::{SampleAnnotation, SampleData, Tables, rotation};
use crate::types::{Error, Result};
use nalgebra::{Isometry3, Matrix3, Point3, UnitQuaternion};
use std::collections::HashMap;

/// Longest time over which a velocity is taken, seconds; twice that where both neighbours are there.
const MOST_SECONDS: f64 = 1.5;
/// Depths that a corner must have: to be seen, and not to be behind the camera; metres.
const SEEN_M: f64 = 1.0;
const FRONT_M: f64 = 0.1;

/// How much of a box a picture must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Any box counts.
    None,
    /// One corner inside the picture, more than a metre deep, and no corner behind the camera.
    Any,
    /// All corners inside the picture and more than a metre deep.
    All,
}

/// A box around an object, seen from some frame.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectBox<'t> {
    /// Its annotation; of a box between key frames the one after it. The size (width, length, height) is the annotation's.
    pub annotation: &'t SampleAnnotation,
    /// Name of its category.
    pub category: &'t str,
    /// Centre, metres.
    pub centre: [f64; 3],
    /// Frame from box: length along x, width along y.
    pub rotation: UnitQuaternion<f64>,
}

impl ObjectBox<'_> {
    /// The same box in a sensor's frame, where `frame_from_sensor` leads from there to the box's present frame.
    #[must_use]
    pub fn seen_from(&self, frame_from_sensor: &Isometry3<f64>) -> Self {
        let back = frame_from_sensor.inverse();
        let centre = back * Point3::from(self.centre);
        Self { centre: centre.coords.into(), rotation: back.rotation * self.rotation, ..self.clone() }
    }
    /// Four corners of the front, then four of the back; signs of x, y, z: +++ +-+ +-- ++- -++ --+ --- -+-.
    pub fn corners(&self) -> [Point3<f64>; 8] {
        let [w, l, h] = self.annotation.size.map(|s| s / 2.0);
        let place = Isometry3::from_parts(Point3::from(self.centre).into(), self.rotation);
        let face = |x: f64| [(w, h), (-w, h), (-w, -h), (w, -h)].map(|(y, z)| place * Point3::new(x, y, z));
        let ([a, b, c, d], [e, f, g, i]) = (face(l), face(-l));
        [a, b, c, d, e, f, g, i]
    }
    /// Whether a picture shows a box of the camera's frame (x right, y down, z ahead).
    pub fn shown(&self, intrinsic: &[[f64; 3]; 3], [width, height]: [f64; 2], how: Shown) -> bool {
        if how == Shown::None {
            return true;
        }
        let k = Matrix3::from_fn(|r, c| intrinsic.get(r).and_then(|row| row.get(c)).copied().unwrap_or(0.0));
        let corners = self.corners();
        let seen = |corner: &Point3<f64>| {
            let p = k * corner.coords;
            let (u, v) = (p.x / p.z, p.y / p.z);
            corner.z > SEEN_M && 0.0 < u && u < width && 0.0 < v && v < height
        };
        let in_front = corners.iter().all(|c| c.z > FRONT_M);
        in_front && if how == Shown::Any { corners.iter().any(seen) } else { corners.iter().all(seen) }
    }
}

impl Tables {
    /// The boxes at the time of a file, in the world.
    ///
    /// # Errors
    /// Where the file's sample, an annotation's object or its category is not there, a number is not finite, or a rotation cannot be normalised.
    pub fn boxes_at(&self, data: &SampleData) -> Result<Vec<ObjectBox<'_>>> {
        let row = self.samples.row(&data.sample_token).ok_or_else(|| absent("a sample", data))?;
        let sample = self.samples.rows().get(row).ok_or_else(|| absent("a sample", data))?;
        let before = self.samples.row(&sample.prev).filter(|_| !data.is_key_frame);
        let earlier: HashMap<_, _> = before.into_iter().flat_map(|row| self.annotations_of(row)).map(|a| (&a.instance_token, a)).collect();
        let from = before.and_then(|row| self.samples.rows().get(row)).map_or(sample.timestamp, |s| s.timestamp);
        let span = sample.timestamp.saturating_sub(from) as f64;
        let share = if span > 0.0 { (data.timestamp.saturating_sub(from) as f64 / span).clamp(0.0, 1.0) } else { 1.0 };
        let one = |annotation| {
            let category = self.category_of(annotation).ok_or_else(|| absent("a category", data))?;
            let (mut centre, mut turned) = (finite(annotation)?, turn(annotation)?);
            if let Some(before) = earlier.get(&annotation.instance_token) {
                centre.iter_mut().zip(finite(before)?).for_each(|(to, from)| *to = (*to - from) * share + from);
                // Half a turn between two samples has no middle: the box keeps its end.
                turned = turn(before)?.try_slerp(&turned, share, 1e-12).unwrap_or(turned);
            }
            Ok(ObjectBox { annotation, category, centre, rotation: turned })
        };
        self.annotations_of(row).map(one).collect()
    }

    /// The velocity of an annotation by its neighbours in time, m/s on the map; NaN where it is alone or they are too far apart.
    pub fn velocity(&self, annotation: &SampleAnnotation) -> [f64; 3] {
        let (before, after) = (self.annotations.get(&annotation.prev), self.annotations.get(&annotation.next));
        let seconds = |a: &SampleAnnotation| self.samples.get(&a.sample_token).map_or(f64::NAN, |s| 1e-6 * s.timestamp as f64);
        if before.is_none() && after.is_none() {
            return [f64::NAN; 3];
        }
        let (first, last) = (before.unwrap_or(annotation), after.unwrap_or(annotation));
        let took = seconds(last) - seconds(first);
        let most = if before.is_some() && after.is_some() { 2.0 * MOST_SECONDS } else { MOST_SECONDS };
        if took.is_nan() || took > most {
            return [f64::NAN; 3];
        }
        let mut moved = last.translation;
        moved.iter_mut().zip(first.translation).for_each(|(to, from)| *to = (*to - from) / took);
        moved
    }
}

fn absent(what: &str, data: &SampleData) -> Error {
    Error::mismatch(what, "none", format!("sample_data {}", data.token))
}

fn finite(annotation: &SampleAnnotation) -> Result<[f64; 3]> {
    if annotation.translation.iter().chain(&annotation.size).all(|v| v.is_finite()) {
        return Ok(annotation.translation);
    }
    let found = format!("{:?} of size {:?}", annotation.translation, annotation.size);
    Err(Error::mismatch("finite numbers", found, format!("sample_annotation {}", annotation.token)))
}

fn turn(annotation: &SampleAnnotation) -> Result<UnitQuaternion<f64>> {
    let place = || format!("sample_annotation {}", annotation.token);
    rotation(annotation.rotation)
        .ok_or_else(|| Error::mismatch("a quaternion that can be normalised", format!("{:?}", annotation.rotation), place()))
}
