//! Rigid motions of the plane, and the one that lays points upon points best.
//!
//! *In*: pairs of points with weights. *Out*: [`Rigid`], target from source. *Invariant*: rotation and translation only, never a reflection; few or
//! coincident points give the best translation.

use serde::{Deserialize, Serialize};

/// `(x, y)` to `(c x - s y + tx, s x + c y + ty)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rigid {
    /// Cosine of the angle.
    pub cos: f64,
    /// Sine of the angle.
    pub sin: f64,
    /// Translation x, y, pixels.
    pub shift: [f64; 2],
}

impl Default for Rigid {
    fn default() -> Self {
        Self { cos: 1.0, sin: 0.0, shift: [0.0; 2] }
    }
}

impl Rigid {
    /// A turn by `angle` (radians, x towards y), then a shift.
    pub fn new(angle: f64, shift: [f64; 2]) -> Self {
        Self { cos: angle.cos(), sin: angle.sin(), shift }
    }
    /// From the upper two rows of a matrix; the rotation is taken as it is.
    pub const fn from_rows([[a, _, x], [b, _, y]]: [[f64; 3]; 2]) -> Self {
        Self { cos: a, sin: b, shift: [x, y] }
    }
    /// The upper two rows of the 3x3 matrix.
    pub const fn rows(&self) -> [[f64; 3]; 2] {
        let [x, y] = self.shift;
        [[self.cos, -self.sin, x], [self.sin, self.cos, y]]
    }
    /// Radians, in -pi..=pi.
    pub fn angle(&self) -> f64 {
        self.sin.atan2(self.cos)
    }
    /// Moves a point.
    pub const fn apply(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [tx, ty] = self.shift;
        [self.cos * x - self.sin * y + tx, self.sin * x + self.cos * y + ty]
    }
    /// The motion back.
    #[must_use]
    pub const fn inverse(&self) -> Self {
        let [x, y] = self.shift;
        Self { cos: self.cos, sin: -self.sin, shift: [-self.cos * x - self.sin * y, self.sin * x - self.cos * y] }
    }
    /// First `first`, then this.
    #[must_use]
    pub const fn after(&self, first: &Self) -> Self {
        let cos = self.cos * first.cos - self.sin * first.sin;
        let sin = self.sin * first.cos + self.cos * first.sin;
        Self { cos, sin, shift: self.apply(first.shift) }
    }

    /// Distance of a moved point from where it should be.
    pub fn miss(&self, point: [f64; 2], [x, y]: [f64; 2]) -> f64 {
        let [mx, my] = self.apply(point);
        (mx - x).hypot(my - y)
    }

    /// Root of the **mean distance** (not of the mean square) of moved first points from second ones; `None` without any.
    pub fn root_mean_distance(&self, pairs: impl Iterator<Item = ([f64; 2], [f64; 2])>) -> Option<f64> {
        let (sum, count) = pairs.fold((0.0, 0.0), |(sum, count), (p, q)| (sum + self.miss(p, q), count + 1.0));
        (count > 0.0).then(|| f64::sqrt(sum / count))
    }

    /// The motion with the least weighted sum of squared distances from the moved first points to the second ones.
    ///
    /// `None` without a positive finite total weight.
    pub fn fit(pairs: impl Iterator<Item = ([f64; 2], [f64; 2], f64)> + Clone) -> Option<Self> {
        let (mut total, mut p0, mut q0) = (0.0, [0.0; 2], [0.0; 2]);
        for (p, q, w) in pairs.clone() {
            total += w;
            p0 = [p0[0] + w * p[0], p0[1] + w * p[1]];
            q0 = [q0[0] + w * q[0], q0[1] + w * q[1]];
        }
        if !(total > 0.0 && total.is_finite()) {
            return None;
        }
        let (p0, q0) = (p0.map(|v| v / total), q0.map(|v| v / total));
        let (mut along, mut across) = (0.0, 0.0);
        for ([px, py], [qx, qy], w) in pairs {
            let (px, py, qx, qy) = (px - p0[0], py - p0[1], qx - q0[0], qy - q0[1]);
            along += w * (px * qx + py * qy);
            across += w * (px * qy - py * qx);
        }
        let norm = along.hypot(across);
        let (cos, sin) = if norm > 1e-12 { (along / norm, across / norm) } else { (1.0, 0.0) };
        let turn = Self { cos, sin, shift: [0.0; 2] };
        let [x, y] = turn.apply(p0);
        let found = Self { shift: [q0[0] - x, q0[1] - y], ..turn };
        found.shift.iter().all(|v| v.is_finite()).then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_motion_is_found_again_and_undone() {
        let motion = Rigid::new(2.3, [40.0, -7.0]);
        let points = [[0.0, 0.0], [10.0, 3.0], [-4.0, 8.0], [100.0, 50.0]];
        let found = Rigid::fit(points.iter().map(|p| (*p, motion.apply(*p), 2.0))).unwrap();
        let both = motion.inverse().after(&found);
        assert!((both.angle()).abs() < 1e-12 && both.shift.iter().all(|v| v.abs() < 1e-9));
        assert_eq!(Rigid::from_rows(motion.rows()), motion);
    }

    #[test]
    fn mirrored_points_get_a_rotation_and_one_point_a_translation() {
        let points = [[0.0, 0.0], [10.0, 0.0], [0.0, 5.0]];
        let found = Rigid::fit(points.iter().map(|[x, y]| ([*x, *y], [-x, *y], 1.0))).unwrap();
        assert!((found.cos.hypot(found.sin) - 1.0).abs() < 1e-12);
        assert_eq!(Rigid::fit([([1.0, 2.0], [5.0, 5.0], 1.0)].into_iter()).unwrap().shift, [4.0, 3.0]);
        assert!(Rigid::fit(std::iter::empty()).is_none());
    }
}
