//! Boxes over time: a Kalman filter of constant velocity per object, matched by distance.
//!
//! *In*: boxes in the vehicle frame at rising times, and where the vehicle is. *Out*: the same boxes, each with its track's number and the
//! filtered position and velocity. *Invariant*: a number belongs to one object of one class and is never used twice; time that stands still or runs
//! back starts anew. State: x, y, vx, vy in the world frame, driven by a random acceleration; assignment of least total distance.

use crate::nets::fuller::assign;
use crate::types::Box3;
use nalgebra::{Isometry3, Matrix2, Matrix2x4, Matrix4, Point3, Vector2, Vector3, Vector4};

/// What the tracker goes by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrackRule {
    /// Farther from where it was expected, a box is another object; metres.
    pub gate: f64,
    /// Seconds without a box until a track ends.
    pub patience: f64,
    /// Standard deviation of a box's position, metres.
    pub noise: f64,
    /// Standard deviation of an object's acceleration, m/s².
    pub agility: f64,
}

impl Default for TrackRule {
    fn default() -> Self {
        Self { gate: 3.0, patience: 1.5, noise: 0.3, agility: 3.0 }
    }
}

#[derive(Debug, Clone)]
struct Track {
    number: u64,
    class: String,
    state: Vector4<f64>,
    spread: Matrix4<f64>,
    seen: f64,
}

/// Follows objects.
#[derive(Debug, Clone, Default)]
pub struct Tracker {
    rule: TrackRule,
    tracks: Vec<Track>,
    last: Option<f64>,
    given: u64,
}

impl Tracker {
    /// By this rule.
    pub fn new(rule: TrackRule) -> Self {
        Self { rule, ..Self::default() }
    }

    /// Numbers the boxes of time `seconds`; `world` takes vehicle coordinates to the world.
    pub fn follow(&mut self, boxes: &[Box3], seconds: f64, world: &Isometry3<f64>) -> Vec<Box3> {
        let step = self.last.map_or(0.0, |last| seconds - last);
        if step < 0.0 || (step == 0.0 && self.last.is_some()) {
            self.tracks.clear();
        }
        self.last = Some(seconds);
        let rule = self.rule;
        self.tracks.retain(|t| seconds - t.seen <= rule.patience);
        self.tracks.iter_mut().for_each(|t| t.predict(step.max(0.0), rule.agility));
        let places: Vec<Vector2<f64>> = boxes.iter().map(|b| (world * Point3::from(b.centre)).coords.xy()).collect();
        let owners = self.owners(boxes, &places);
        let mut out = Vec::with_capacity(boxes.len());
        for ((found, place), owner) in boxes.iter().zip(&places).zip(owners) {
            let velocity = found.velocity.map(|[x, y]| (world * Vector3::new(x, y, 0.0)).xy()).filter(|v| v.iter().all(|v| v.is_finite()));
            let number = match owner {
                Some(at) => at,
                None => {
                    self.given += 1;
                    self.tracks.push(Track::new(self.given, &found.class, *place, velocity, rule.noise, seconds));
                    self.tracks.len() - 1
                }
            };
            let Some(track) = self.tracks.get_mut(number) else { continue };
            if owner.is_some() {
                track.update(*place, rule.noise);
                track.seen = seconds;
            }
            out.push(track.filtered(found, world));
        }
        out
    }

    /// For each box the place of its track in the list.
    fn owners(&self, boxes: &[Box3], places: &[Vector2<f64>]) -> Vec<Option<usize>> {
        const APART: f64 = 1e6;
        let distance = |b: &Box3, place: &Vector2<f64>, t: &Track| {
            let away = (t.state.xy() - place).norm();
            if t.class == b.class && away <= self.rule.gate { away } else { APART }
        };
        let pairs = boxes.iter().zip(places);
        let costs: Vec<f64> = pairs.flat_map(|(b, p)| self.tracks.iter().map(move |t| distance(b, p, t))).collect();
        if self.tracks.is_empty() {
            return vec![None; boxes.len()];
        }
        let found = assign(&costs, self.tracks.len());
        let near =
            |(row, column): (usize, Option<usize>)| column.filter(|c| costs.get(row * self.tracks.len() + c).is_some_and(|v| *v < APART));
        found.into_iter().enumerate().map(near).collect()
    }
}

impl Track {
    fn new(number: u64, class: &str, place: Vector2<f64>, velocity: Option<Vector2<f64>>, noise: f64, seen: f64) -> Self {
        // An unknown velocity is anything up to a motorway's.
        let speed = if velocity.is_some() { 1.0 } else { 100.0 };
        let v = velocity.unwrap_or_default();
        let spread = Matrix4::from_diagonal(&Vector4::new(noise * noise, noise * noise, speed, speed));
        Self { number, class: class.to_owned(), state: Vector4::new(place.x, place.y, v.x, v.y), spread, seen }
    }

    fn predict(&mut self, step: f64, agility: f64) {
        let mut motion = Matrix4::identity();
        let gain = nalgebra::Matrix4x2::new(step * step / 2.0, 0.0, 0.0, step * step / 2.0, step, 0.0, 0.0, step);
        motion.fixed_view_mut::<2, 2>(0, 2).copy_from(&(Matrix2::identity() * step));
        self.state = motion * self.state;
        self.spread = motion * self.spread * motion.transpose() + gain * gain.transpose() * (agility * agility);
    }

    fn update(&mut self, place: Vector2<f64>, noise: f64) {
        let look = Matrix2x4::identity();
        let innovation: Matrix2<f64> = look * self.spread * look.transpose() + Matrix2::identity() * (noise * noise);
        let Some(inverse) = innovation.try_inverse() else { return };
        let gain = self.spread * look.transpose() * inverse;
        self.state += gain * (place - look * self.state);
        self.spread = (Matrix4::identity() - gain * look) * self.spread;
    }

    /// The box with the track's number, position and velocity, back in the vehicle frame.
    fn filtered(&self, found: &Box3, world: &Isometry3<f64>) -> Box3 {
        let height = (world * Point3::from(found.centre)).z;
        let at = world.inverse_transform_point(&Point3::new(self.state.x, self.state.y, height));
        let v = world.inverse_transform_vector(&Vector3::new(self.state.z, self.state.w, 0.0));
        Box3 { centre: at.coords.into(), velocity: Some([v.x, v.y]), track: Some(self.number), ..found.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: f64, y: f64, class: &str) -> Box3 {
        Box3 { centre: [x, y, 0.5], size: [4.0, 2.0, 1.5], yaw: 0.0, velocity: None, class: class.to_owned(), score: 0.9, track: None }
    }

    #[test]
    fn crossing_cars_keep_their_numbers_and_speeds() {
        let mut tracker = Tracker::default();
        let mut last = Vec::new();
        for step in 0..20 {
            let t = f64::from(step) * 0.1;
            // Two cars meet at t = 1 s, two metres apart; the order of the list changes.
            let mut boxes = vec![at(-10.0 + 10.0 * t, 0.0, "car"), at(10.0 - 10.0 * t, 2.0, "car")];
            if step % 2 == 1 {
                boxes.reverse();
            }
            last = tracker.follow(&boxes, t, &Isometry3::identity());
            last.sort_by(|a, b| a.centre[1].total_cmp(&b.centre[1]));
            assert_eq!((last[0].track, last[1].track), (Some(1), Some(2)), "at {t}");
        }
        let v = last[0].velocity.unwrap();
        assert!((v[0] - 10.0).abs() < 0.5 && v[1].abs() < 0.3, "{v:?}");
    }

    #[test]
    fn standing_things_stay_the_same_while_the_vehicle_drives_and_classes_do_not_mix() {
        let mut tracker = Tracker::default();
        for step in 0..5 {
            let t = f64::from(step) * 0.5;
            let world = Isometry3::translation(8.0 * t, 0.0, 0.0);
            let found = tracker.follow(&[at(20.0 - 8.0 * t, 1.0, "car"), at(20.0 - 8.0 * t, 1.0, "pedestrian")], t, &world);
            assert_eq!(found.iter().map(|b| b.track.unwrap()).collect::<Vec<_>>(), [1, 2]);
        }
        // Gone for longer than the patience, or farther than the gate: somebody else.
        let later = tracker.follow(&[at(0.0, 1.0, "car")], 9.0, &Isometry3::identity());
        assert_eq!(later[0].track, Some(3));
        assert_eq!(tracker.follow(&[at(30.0, 1.0, "car")], 9.1, &Isometry3::identity())[0].track, Some(4));
        assert!(tracker.follow(&[], 9.2, &Isometry3::identity()).is_empty());
    }
}
