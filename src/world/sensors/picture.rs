//! Pictures of a view: colour, depth, labels, instances.
//!
//! *In*: a [`View`]. *Out*: [`RgbImage`], [`DepthImage`] (metres along the optical axis, sky NaN), [`LabelImage`]. *Invariant*: pixel for pixel
//! they show the same facets.

use super::develop::{Develop, develop};
use super::labels::{Numbering, class_list};
use super::shade::Shader;
use super::shadow::ShadowField;
use super::view::View;
use crate::types::{ClassList, DepthImage, LabelImage, Result, RgbImage, num};
use crate::world::model::Tag;
use ndarray::Array2;
use std::sync::Arc;

/// How a camera makes a colour picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Camera {
    /// Deviation of the noise in daylight, levels of 255.
    pub noise: f32,
    /// Chance.
    pub seed: u32,
    /// Counts pictures.
    pub frame: u32,
}

impl View<'_> {
    /// Colour as a camera gives it.
    ///
    /// # Errors
    /// None for a view that was made.
    pub fn rgb(&self, shadows: Option<&ShadowField>, camera: &Camera) -> Result<RgbImage> {
        let k = self.shot.intrinsics;
        let radiance = Shader::new(self, shadows).picture();
        let rain = if self.moment.sky.rain.is_finite() { num::f32(self.moment.sky.rain) } else { 0.0 };
        let how = Develop { noise: camera.noise, seed: camera.seed, frame: camera.frame };
        develop(&radiance, k.width, k.height, &self.moment.light, rain, &how)
    }
    /// The shadows that its pictures need; `None` without sunshine.
    pub fn shadows(&self) -> Option<ShadowField> {
        ShadowField::new(self)
    }
    /// Depth along the optical axis; NaN for the sky and beyond `range` metres.
    pub fn depth(&self, range: f32) -> DepthImage {
        let depth = |(y, x)| {
            let (sx, sy) = self.at_pixel(x, y);
            self.sample(sx, sy).map_or(f32::NAN, |(_, d)| if d <= range { d } else { f32::NAN })
        };
        DepthImage { metres: Array2::from_shape_fn((self.shot.intrinsics.height, self.shot.intrinsics.width), depth) }
    }
    /// Class per pixel.
    pub fn semantic(&self, numbering: Numbering) -> LabelImage {
        let label = |(y, x)| {
            let (sx, sy) = self.at_pixel(x, y);
            let seen = self.sample(sx, sy).and_then(|(drawn, _)| self.facet(drawn));
            seen.map_or_else(
                || numbering.of(Tag::Sky, None),
                |(placed, facet)| numbering.of(placed.shape.surface(facet).tag, placed.instance.as_ref().and_then(|i| i.body.class)),
            )
        };
        let labels = Array2::from_shape_fn((self.shot.intrinsics.height, self.shot.intrinsics.width), label);
        LabelImage { labels, classes: class_list(numbering) }
    }
    /// Number of the instance per pixel; 0 for ground and sky.
    pub fn instances(&self) -> Array2<u32> {
        let id = |(y, x)| {
            let (sx, sy) = self.at_pixel(x, y);
            self.sample(sx, sy).and_then(|(drawn, _)| self.moment.placed(drawn.owner)).map_or(0, |p| p.id())
        };
        Array2::from_shape_fn((self.shot.intrinsics.height, self.shot.intrinsics.width), id)
    }
    /// The same as labels: numbers beyond 16 bits become 65535.
    pub fn instance_labels(&self) -> LabelImage {
        let labels = self.instances().mapv(|id| u16::try_from(id).unwrap_or(u16::MAX));
        LabelImage { labels, classes: Arc::new(ClassList::default()) }
    }
}
