//! A point as the vehicle sees it in LeTFuser's convention, what lies ahead on a path, and the planner that hands out a route's points.
//!
//! *In*: map coordinates in metres, headings from a compass, radians. *Out*: right and **backward** of the vehicle, metres.
//! *Invariant*: the planner never runs dry; a heading that is not a number counts as 0, as in the recorded data.

use crate::types::{Error, Result, Trajectory};
use std::collections::VecDeque;

/// `point` (x, y) seen from `ego` (x, y, heading): right, backward.
pub fn seen_from(ego: [f64; 3], point: [f64; 2]) -> [f64; 2] {
    let ([x, y, heading], [px, py]) = (ego, point);
    let (sin, cos) = if heading.is_finite() { heading.sin_cos() } else { (0.0, 1.0) };
    let (dx, dy) = (px - x, py - y);
    [-sin * dx + cos * dy, -cos * dx - sin * dy]
}

/// The point `metres` along a path in the vehicle frame (x forward, y left), as right and backward; its end where it is shorter,
/// straight ahead where it has no points.
pub fn target(path: &Trajectory, metres: f64) -> [f64; 2] {
    let [x, y] = along(path, metres).unwrap_or([metres, 0.0]);
    [-y, -x]
}

/// The command that a path in the vehicle frame amounts to: left (1) or right (2) where it turns by more than 30 degrees over the next
/// `metres`, else follow the lane (4).
pub fn command(path: &Trajectory, metres: f64) -> u8 {
    let (Some(start), Some(near), Some(before), Some(end)) =
        (along(path, 0.0), along(path, 2.0), along(path, (metres - 2.0).max(0.0)), along(path, metres))
    else {
        return 4;
    };
    let heading = |a: [f64; 2], b: [f64; 2]| (b[1] - a[1]).atan2(b[0] - a[0]);
    let turn = heading(before, end) - heading(start, near);
    let turn = turn.sin().atan2(turn.cos()).to_degrees();
    if turn > 30.0 {
        1
    } else if turn < -30.0 {
        2
    } else {
        4
    }
}

/// The point `metres` along a path from its first point.
fn along(path: &Trajectory, metres: f64) -> Option<[f64; 2]> {
    let mut points = path.points.iter().map(|[x, y, _]| [*x, *y]).filter(|p| p.iter().all(|v| v.is_finite()));
    let mut at = points.next()?;
    let mut left = metres;
    for next in points {
        let [dx, dy] = [next[0] - at[0], next[1] - at[1]];
        let length = dx.hypot(dy);
        if length > left {
            return Some([at[0] + dx * left / length, at[1] + dy * left / length]);
        }
        (at, left) = (next, left - length);
    }
    Some(at)
}

/// Follows a route of far points with a command each.
#[derive(Debug, Clone)]
pub struct RoutePlanner {
    points: VecDeque<([f64; 2], u8)>,
    reached_m: f64,
}

/// How far along the route a step looks, metres.
const AHEAD: f64 = 50.0;

impl RoutePlanner {
    /// A planner for points (x, y in metres) with commands 1 to 6; a point counts as reached within `reached_m` (4 when driving, 7.5 when recording).
    ///
    /// # Errors
    /// There is no point, or one is not finite.
    pub fn new(points: impl IntoIterator<Item = ([f64; 2], u8)>, reached_m: f64) -> Result<Self> {
        let points: VecDeque<_> = points.into_iter().collect();
        if points.is_empty() || points.iter().any(|(p, _)| p.iter().any(|v| !v.is_finite())) {
            return Err(Error::mismatch("a route of at least one finite point", format!("{} points", points.len()), "route planner"));
        }
        Ok(Self { points, reached_m })
    }

    /// The next point and its command for a vehicle at `position`.
    pub fn step(&mut self, position: [f64; 2]) -> ([f64; 2], u8) {
        let distance = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
        let (mut passed, mut farthest, mut along) = (0, f64::NEG_INFINITY, 0.0);
        let pairs = self.points.iter().zip(self.points.iter().skip(1));
        for (index, ((before, _), (point, _))) in pairs.enumerate() {
            if along > AHEAD {
                break;
            }
            along += distance(*before, *point);
            let away = distance(*point, position);
            if away <= self.reached_m && away > farthest {
                (passed, farthest) = (index + 1, away);
            }
        }
        let keep = self.points.len().saturating_sub(passed).max(2).min(self.points.len());
        self.points.drain(..self.points.len() - keep);
        self.points.get(1).or_else(|| self.points.front()).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forward_is_negative_and_right_is_positive() {
        // Heading 0 looks along +x; +y is to its right.
        assert_eq!(seen_from([1.0, 2.0, 0.0], [4.0, 4.0]), [2.0, -3.0]);
        assert_eq!(seen_from([1.0, 2.0, f64::NAN], [4.0, 4.0]), [2.0, -3.0]);
        let [right, back] = seen_from([0.0, 0.0, std::f64::consts::FRAC_PI_2], [0.0, 5.0]);
        assert!(right.abs() < 1e-12 && (back + 5.0).abs() < 1e-12);
    }

    #[test]
    fn a_path_gives_a_point_ahead_and_a_command() {
        let path = |points: &[[f64; 2]]| Trajectory { points: points.iter().map(|[x, y]| [*x, *y, 0.0]).collect(), times: Vec::new() };
        let left = path(&[[0.0, 0.0], [10.0, 0.0], [10.0, 30.0]]);
        assert_eq!(target(&left, 15.0), [-5.0, -10.0]);
        assert_eq!(target(&left, 500.0), [-30.0, -10.0]);
        assert_eq!(target(&path(&[]), 20.0), [0.0, -20.0]);
        assert_eq!([command(&left, 20.0), command(&left, 8.0), command(&path(&[]), 20.0)], [1, 4, 4]);
        assert_eq!(command(&path(&[[0.0, 0.0], [10.0, 0.0], [10.0, -30.0]]), 20.0), 2);
    }

    #[test]
    fn reached_points_are_left_behind_and_the_last_two_stay() {
        let route = (0..5).map(|i| ([20.0 * f64::from(i), 0.0], 4));
        let mut planner = RoutePlanner::new(route, 4.0).unwrap();
        assert_eq!(planner.step([0.0, 0.0]).0, [20.0, 0.0]);
        assert_eq!(planner.step([10.0, 0.0]).0, [20.0, 0.0]);
        assert_eq!(planner.step([17.0, 1.0]).0, [40.0, 0.0]);
        assert_eq!(planner.step([39.0, 0.0]).0, [60.0, 0.0]);
        assert_eq!(planner.step([59.0, 0.0]).0, [80.0, 0.0]);
        assert_eq!(planner.step([80.0, 0.0]).0, [80.0, 0.0]);
        assert_eq!(RoutePlanner::new([([3.0, 4.0], 2)], 4.0).unwrap().step([0.0, 0.0]), ([3.0, 4.0], 2));
        assert!(RoutePlanner::new([], 4.0).is_err());
    }
}
