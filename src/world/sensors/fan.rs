//! Exact ray casting for a fan of beams: all beams of one LiDAR column, or a single ray.
//!
//! The beams of a column lie in one half-plane. Cut by it, a triangle is a segment, and a beam's hit is where the segment crosses a line: cheaper
//! by far than beam after beam, and every beam of the column shares one walk through the trees.
//! *In*: origin, the unit vectors `along` and `up` that span the half-plane, and the beams' slopes (up per along), rising.
//! *Out*: per beam the nearest facet that faces the origin. *Invariant*: the hit is the facet a camera at the origin sees in that direction.

use super::bvh::{Bvh, Visitor};
use super::geometry::{Moment, Placed};
use super::shape::Shape;
use crate::types::num;
use nalgebra::{Rotation3, Vector3};

type V3 = Vector3<f32>;

/// A surface of a higher layer wins within this share of the distance per layer: paint lies on asphalt.
pub const LAYER_LIFT: f32 = 1e-4;
/// Nearest distance that is seen, metres.
pub const NEAR: f32 = 0.05;

/// Where beams start and lie.
#[derive(Debug, Clone, Copy)]
pub struct Fan {
    /// World, metres.
    pub origin: Vector3<f64>,
    /// Unit vector in the world.
    pub along: V3,
    /// Unit vector in the world, at right angles to `along`.
    pub up: V3,
}

/// What one beam met.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Distance in the direction of `along`, metres.
    pub along: f32,
    /// The same, less what its layer is worth: what nearest means.
    rank: f32,
    /// Number of what was met, as [`Moment::placed`] counts.
    pub owner: u32,
    /// Index of the facet.
    pub facet: u32,
}

/// Fan in the frame of one shape.
struct Cut<'a> {
    shape: &'a Shape,
    origin: V3,
    axes: [V3; 3],
    spans: [V3; 3],
    beams: &'a mut Beams,
    owner: u32,
}

/// The slopes of the beams and the nearest hits so far.
#[derive(Debug, Clone, Default)]
pub struct Beams {
    slopes: Vec<f32>,
    hits: Vec<Hit>,
    limit: f32,
}

impl Beams {
    /// Beams of these slopes, which rise, up to `limit` metres along.
    pub fn new(slopes: &[f32], limit: f32) -> Self {
        let none = Hit { along: limit, rank: limit, owner: u32::MAX, facet: 0 };
        Self { slopes: slopes.to_vec(), hits: vec![none; slopes.len()], limit }
    }
    /// Forgets all hits.
    pub fn clear(&mut self) {
        let limit = self.limit;
        self.hits.iter_mut().for_each(|h| *h = Hit { along: limit, rank: limit, owner: u32::MAX, facet: 0 });
    }
    /// The hits, in the order of the slopes.
    pub fn hits(&self) -> impl Iterator<Item = Option<&Hit>> {
        self.hits.iter().map(|h| (h.owner != u32::MAX).then_some(h))
    }
    /// Whether any beam between two slopes could still find something nearer.
    #[inline]
    fn wanted(&self, low: f32, high: f32, near: f32) -> bool {
        let from = self.slopes.partition_point(|s| *s < low);
        let beams = self.slopes.iter().zip(&self.hits).skip(from);
        beams.take_while(|(s, _)| **s <= high).any(|(_, h)| h.rank > near)
    }
    /// How near a box is along the fan, if a beam needs it. `spans`: per axis of the fan the absolute values of its parts.
    #[inline]
    fn enter(&self, offset: &V3, half: &V3, axes: &[V3; 3], spans: &[V3; 3]) -> Option<f32> {
        let [along, up, side] = axes;
        let [wide_along, wide_up, wide_side] = spans;
        if offset.dot(side).abs() > half.dot(wide_side) {
            return None;
        }
        let (middle, reach) = (offset.dot(along), half.dot(wide_along));
        let far = middle + reach;
        if far < NEAR {
            return None;
        }
        let near = (middle - reach).max(NEAR);
        let (height, tall) = (offset.dot(up), half.dot(wide_up));
        let (bottom, top) = (height - tall, height + tall);
        let low = if bottom < 0.0 { bottom / near } else { bottom / far };
        let high = if top > 0.0 { top / near } else { top / far };
        self.wanted(low, high, near).then_some(near)
    }
}

impl Cut<'_> {
    fn facet(&mut self, index: usize) {
        let Some(facet) = self.shape.facets.get(index) else { return };
        let [along, up, side] = &self.axes;
        let [a, b, c] = facet.corners.map(|p| p - self.origin);
        if facet.normal.dot(&a) >= 0.0 {
            return;
        }
        let (qa, qb, qc) = (a.dot(side), b.dot(side), c.dot(side));
        let (ia, ib, ic) = (qa >= 0.0, qb >= 0.0, qc >= 0.0);
        if ia == ib && ib == ic {
            return;
        }
        // The corner that lies alone on its side, and the two others.
        let (p, qp, l, ql, r, qr) = if ib == ic {
            (a, qa, b, qb, c, qc)
        } else if ia == ic {
            (b, qb, c, qc, a, qa)
        } else {
            (c, qc, a, qa, b, qb)
        };
        let cross = |o: &V3, qo: f32| {
            let t = qp / (qp - qo);
            (p.dot(along) + t * (o - p).dot(along), p.dot(up) + t * (o - p).dot(up))
        };
        let ((s0, h0), (s1, h1)) = (cross(&l, ql), cross(&r, qr));
        if s0 < NEAR && s1 < NEAR {
            return;
        }
        let (mut low, mut high) = (f32::NEG_INFINITY, f32::INFINITY);
        if s0 > NEAR && s1 > NEAR {
            let (t0, t1) = (h0 / s0, h1 / s1);
            let slack = 1e-5 * (t0.abs() + t1.abs() + 1e-3);
            (low, high) = (t0.min(t1) - slack, t0.max(t1) + slack);
        }
        let lift = 1.0 - LAYER_LIFT * f32::from(facet.layer);
        let from = self.beams.slopes.partition_point(|s| *s < low);
        for (slope, hit) in self.beams.slopes.iter().zip(self.beams.hits.iter_mut()).skip(from) {
            if *slope > high {
                break;
            }
            let (g0, g1) = (h0 - slope * s0, h1 - slope * s1);
            if (g0 >= 0.0) == (g1 >= 0.0) {
                continue;
            }
            let s = s0 + (s1 - s0) * (g0 / (g0 - g1));
            if s > NEAR && s * lift < hit.rank {
                *hit = Hit { along: s, rank: s * lift, owner: self.owner, facet: num::u32(index) };
            }
        }
    }
}

impl Visitor for Cut<'_> {
    #[inline]
    fn enter(&mut self, centre: &V3, half: &V3) -> Option<f32> {
        self.beams.enter(&(centre - self.origin), half, &self.axes, &self.spans)
    }
    fn still(&self, _: f32) -> bool {
        true
    }
    fn items(&mut self, first: usize, count: usize) {
        (first..first + count).for_each(|index| self.facet(index));
    }
}

/// Walks over static things and into each.
struct Town<'a> {
    moment: &'a Moment,
    origin: V3,
    fan: &'a Fan,
    axes: [V3; 3],
    spans: [V3; 3],
    beams: &'a mut Beams,
}

impl Visitor for Town<'_> {
    #[inline]
    fn enter(&mut self, centre: &V3, half: &V3) -> Option<f32> {
        self.beams.enter(&(centre - self.origin), half, &self.axes, &self.spans)
    }
    fn still(&self, _: f32) -> bool {
        true
    }
    fn items(&mut self, first: usize, count: usize) {
        let geometry = &self.moment.geometry;
        for owner in geometry.order.get(first..first + count).unwrap_or_default() {
            if let Some(placed) = geometry.statics.get(num::usize(*owner)) {
                let (centre, half) = (placed.bounds.centre(), placed.bounds.half());
                if self.beams.enter(&(centre - self.origin), &half, &self.axes, &self.spans).is_some() {
                    self.fan.cut(&placed.shape, placed.local(&self.fan.origin), |v| placed.turn.tr_mul(&v), *owner, self.beams);
                }
            }
        }
    }
}

impl Fan {
    fn cut(&self, shape: &Shape, origin: V3, turn: impl Fn(V3) -> V3, owner: u32, beams: &mut Beams) {
        let axes = [turn(self.along), turn(self.up), turn(self.along.cross(&self.up))];
        let mut cut = Cut { shape, origin, axes, spans: axes.map(|a| a.abs()), beams, owner };
        shape.tree.walk(&mut cut);
    }
    /// Finds what each beam meets, with movers where they are `lag` seconds after the moment; `skip` is seen by nobody.
    pub fn cast(&self, moment: &Moment, lag: f64, skip: Option<u32>, beams: &mut Beams) {
        let axes = [self.along, self.up, self.along.cross(&self.up)];
        let spans = axes.map(|a| a.abs());
        let origin = self.origin.map(num::f32);
        for (owner, placed) in (moment.first_mover()..).zip(&moment.movers) {
            self.mover(placed, owner, lag, skip, &axes, &spans, beams);
        }
        let tree: &Bvh = &moment.geometry.tree;
        tree.walk(&mut Town { moment, origin, fan: self, axes, spans, beams });
    }
    #[allow(clippy::too_many_arguments)] // the fan's own state, passed on to save its making
    fn mover(&self, placed: &Placed, owner: u32, lag: f64, skip: Option<u32>, axes: &[V3; 3], spans: &[V3; 3], beams: &mut Beams) {
        let Some(instance) = placed.instance.as_ref().filter(|i| Some(i.id) != skip) else { return };
        let shift = Vector3::from(instance.velocity) * lag;
        let offset = (placed.bounds.centre().cast::<f64>() + shift - self.origin).map(num::f32);
        // A turn during the lag moves the corners by less than this.
        let half = placed.bounds.half().add_scalar(num::f32((instance.yaw_rate * lag).abs() * 8.0));
        if beams.enter(&offset, &half, axes, spans).is_none() {
            return;
        }
        let turned = Rotation3::from_axis_angle(&Vector3::z_axis(), num::f32(instance.yaw_rate * lag)).matrix() * placed.turn;
        let local = turned.tr_mul(&(self.origin - placed.at - shift).map(num::f32));
        self.cut(&placed.shape, local, |v| turned.tr_mul(&v), owner, beams);
    }
}

/// What a single ray meets within `limit` metres: how far, and the number of the instance (0 for the ground).
pub fn probe(moment: &Moment, origin: &Vector3<f64>, direction: &Vector3<f64>, limit: f64, skip: Option<u32>) -> Option<(f64, u32)> {
    let direction = direction.map(num::f32).try_normalize(1e-9)?;
    let aside = if direction.z.abs() < 0.9 { V3::z() } else { V3::x() };
    let up = direction.cross(&aside).try_normalize(1e-9)?;
    let mut beams = Beams::new(&[0.0], num::f32(limit));
    Fan { origin: *origin, along: direction, up }.cast(moment, 0.0, skip, &mut beams);
    let hit = beams.hits().next().flatten()?;
    Some((f64::from(hit.along), moment.placed(hit.owner).map_or(0, Placed::id)))
}
