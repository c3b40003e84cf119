//! Annotations and instances: who is where in which sample, as a chain over time.
//!
//! *In*: the truth of a tick. *Out*: tables `sample_annotation` and `instance`, numbers of objects for panoptic labels. *Invariant*: an object is
//! annotated where a point or a radar return lies on it or a part of it can be seen, within 80 m; its key is its own in each scene.

use super::super::write;
use super::files::{CATEGORIES, categories};
use super::rig::LIDAR;
use super::rows::{lines, token, wxyz, xyz};
use crate::types::{Box3, RadarScan, Result};
use crate::world::live::{Live, Tick};
use nalgebra::{Isometry3, Point3, UnitQuaternion, Vector3};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Farthest annotation, metres.
const WITHIN: f64 = 80.0;

#[derive(Serialize)]
struct Annotation {
    token: String,
    sample_token: String,
    instance_token: String,
    visibility_token: String,
    attribute_tokens: Vec<String>,
    translation: [f64; 3],
    size: [f64; 3],
    rotation: [f64; 4],
    prev: String,
    next: String,
    num_lidar_pts: usize,
    num_radar_pts: usize,
}

#[derive(Serialize)]
struct Instance {
    token: String,
    category_token: String,
    nbr_annotations: usize,
    first_annotation_token: String,
    last_annotation_token: String,
    /// Row of the last annotation.
    #[serde(skip)]
    last: usize,
}

/// Everything that was annotated.
#[derive(Default)]
pub(super) struct Objects {
    annotations: Vec<Annotation>,
    instances: Vec<Instance>,
    rows: HashMap<String, usize>,
    /// Numbers of objects by scene, category and instance.
    numbers: BTreeMap<(String, u8, u32), u16>,
    counts: BTreeMap<(String, u8), u16>,
}

impl Objects {
    /// The panoptic label of a point: thousand times the category, and for things the object's number in its scene.
    pub(super) fn panoptic(&mut self, scene: &str, id: u32, category: u8) -> u16 {
        let thing = CATEGORIES.get(usize::from(category)).is_some_and(|n| ["human", "vehicle", "movable"].iter().any(|p| n.starts_with(p)));
        let base = u16::from(category) * 1000;
        if !thing || id == 0 {
            return base;
        }
        let counts = &mut self.counts;
        let number = self.numbers.entry((scene.to_owned(), category, id)).or_insert_with(|| {
            let count = counts.entry((scene.to_owned(), category)).or_default();
            *count = (*count + 1).min(999);
            *count
        });
        base + *number
    }

    /// Annotates a sample; `radar`: scans of its key frame with vehicle from radar.
    pub(super) fn annotate(
        &mut self,
        scene: &str,
        sample: &str,
        live: &Live,
        tick: &Tick,
        map_from_vehicle: &Isometry3<f64>,
        radar: Vec<(&RadarScan, Isometry3<f64>)>,
    ) -> Result<()> {
        let returns: Vec<[f64; 2]> = radar
            .iter()
            .flat_map(|(scan, vehicle_from_radar)| {
                scan.returns.iter().map(move |r| {
                    let p = vehicle_from_radar * Point3::from(r.position.map(f64::from));
                    [p.x, p.y]
                })
            })
            .collect();
        let categories = categories(live);
        for label in live.labels(tick, WITHIN, LIDAR[2])? {
            let b = &label.box3;
            let hits = returns.iter().filter(|p| holds(b, **p)).count();
            let id = b.track.and_then(|t| u32::try_from(t).ok()).unwrap_or(0);
            let Some(category) = categories.get(&id).and_then(|c| CATEGORIES.get(usize::from(*c))) else { continue };
            if label.lidar_points + hits == 0 && label.visibility <= 0.0 {
                continue;
            }
            let instance = token(&["instance", scene, &id.to_string()]);
            let [x, y, z] = b.centre;
            let turn = UnitQuaternion::from_axis_angle(&Vector3::z_axis(), b.yaw);
            let pose = map_from_vehicle * Isometry3::from_parts(nalgebra::Translation3::new(x, y, z), turn);
            let [length, width, height] = b.size;
            self.push(
                Annotation {
                    token: token(&["annotation", sample, &instance]),
                    sample_token: sample.to_owned(),
                    instance_token: instance,
                    visibility_token: grade(label.visibility).to_owned(),
                    attribute_tokens: label.attribute.map(|a| token(&["attribute", a])).into_iter().collect(),
                    translation: xyz(&pose),
                    size: [width, length, height],
                    rotation: wxyz(&pose),
                    prev: String::new(),
                    next: String::new(),
                    num_lidar_pts: label.lidar_points,
                    num_radar_pts: hits,
                },
                category,
            );
        }
        Ok(())
    }

    fn push(&mut self, mut annotation: Annotation, category: &str) {
        let place = self.annotations.len();
        let known = self.rows.get(&annotation.instance_token).and_then(|row| self.instances.get_mut(*row));
        match known {
            Some(instance) => {
                annotation.prev.clone_from(&instance.last_annotation_token);
                if let Some(before) = self.annotations.get_mut(instance.last) {
                    before.next.clone_from(&annotation.token);
                }
                instance.nbr_annotations += 1;
                instance.last_annotation_token.clone_from(&annotation.token);
                instance.last = place;
            }
            None => {
                self.rows.insert(annotation.instance_token.clone(), self.instances.len());
                self.instances.push(Instance {
                    token: annotation.instance_token.clone(),
                    category_token: token(&["category", category]),
                    nbr_annotations: 1,
                    first_annotation_token: annotation.token.clone(),
                    last_annotation_token: annotation.token.clone(),
                    last: place,
                });
            }
        }
        self.annotations.push(annotation);
    }

    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        write(&folder.join("instance.json"), lines(&self.instances)?.as_bytes())?;
        write(&folder.join("sample_annotation.json"), lines(&self.annotations)?.as_bytes())
    }
}

/// Key of the grade of visibility.
fn grade(share: f32) -> &'static str {
    match share {
        s if s < 0.4 => "1",
        s if s < 0.6 => "2",
        s if s < 0.8 => "3",
        _ => "4",
    }
}

/// Whether a place in the plane lies in a box.
fn holds(b: &Box3, [x, y]: [f64; 2]) -> bool {
    let [cx, cy, _] = b.centre;
    let (sin, cos) = b.yaw.sin_cos();
    let (dx, dy) = (x - cx, y - cy);
    let [length, width, _] = b.size;
    (cos * dx + sin * dy).abs() <= length / 2.0 && (cos * dy - sin * dx).abs() <= width / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_of_a_scene_are_numbered_by_category() {
        let mut objects = Objects::default();
        let labels = [(7, 17), (9, 17), (7, 17), (3, 2), (0, 24), (88, 28)].map(|(id, category)| objects.panoptic("a", id, category));
        assert_eq!(labels, [17_001, 17_002, 17_001, 2_001, 24_000, 28_000]);
        assert_eq!(objects.panoptic("b", 9, 17), 17_001);
    }
}
