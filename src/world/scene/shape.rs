//! Building meshes: boxes, lofts, cylinders, balls and panels with their surfaces.
//!
//! *In / Out*: positions in metres, body frame (x forward, y left, z up) or the world frame for ground; triangles counter-clockwise
//! seen from outside. *Invariant*: no triangle without area and none with a number that is not finite is kept.

use crate::types::num;
use crate::world::model::{Body, Lamp, Material, Mesh, Surface, Tag};
use std::sync::Arc;

/// A point of a body.
pub(crate) type P3 = [f64; 3];

/// A surface without paint and lamp.
pub(crate) const fn surface(material: Material, colour: [u8; 3], tag: Tag) -> Surface {
    Surface { material, colour, painted: false, tag, lamp: Lamp::Off, layer: 0 }
}

/// Collects triangles.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shape {
    mesh: Mesh,
}

fn minus(a: P3, b: P3) -> P3 {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}
fn across(a: P3, b: P3) -> P3 {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}
fn mix(a: P3, b: P3, t: f64) -> P3 {
    [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t]
}

impl Shape {
    /// One triangle.
    pub(crate) fn triangle(&mut self, corners: [P3; 3], s: Surface) {
        let [a, b, c] = corners;
        let n = across(minus(b, a), minus(c, a));
        let double = (n[0] * n[0] + n[1] * n[1] + n[2] * n[2]).sqrt();
        if !double.is_finite() || double < 1e-7 {
            return;
        }
        let index = self.mesh.surfaces.iter().position(|k| *k == s).unwrap_or_else(|| {
            self.mesh.surfaces.push(s);
            self.mesh.surfaces.len() - 1
        });
        let first = num::u32(self.mesh.vertices.len());
        self.mesh.vertices.extend(corners.map(|p| p.map(num::f32)));
        self.mesh.triangles.push(([first, first + 1, first + 2], num::u16(index)));
    }
    /// Four corners, counter-clockwise from outside.
    pub(crate) fn quad(&mut self, q: [P3; 4], s: Surface) {
        self.triangle([q[0], q[1], q[2]], s);
        self.triangle([q[0], q[2], q[3]], s);
    }
    /// A part of a four-cornered face, lifted off it by `lift`: `u` runs along its first side, `v` along its last, 0 to 1.
    pub(crate) fn panel(&mut self, q: [P3; 4], u: [f64; 2], v: [f64; 2], lift: f64, s: Surface) {
        let n = across(minus(q[1], q[0]), minus(q[3], q[0]));
        let norm = (n[0] * n[0] + n[1] * n[1] + n[2] * n[2]).sqrt().max(1e-9);
        let at = |u: f64, v: f64| {
            let p = mix(mix(q[0], q[1], u), mix(q[3], q[2], u), v);
            [p[0] + n[0] / norm * lift, p[1] + n[1] / norm * lift, p[2] + n[2] / norm * lift]
        };
        self.quad([at(u[0], v[0]), at(u[1], v[0]), at(u[1], v[1]), at(u[0], v[1])], s);
    }
    /// Eight corners: the lower four counter-clockwise seen from above, then the upper four. `open` leaves the underside out.
    pub(crate) fn hexahedron(&mut self, low: [P3; 4], high: [P3; 4], open: bool, s: Surface) {
        for (i, j) in [(0, 1), (1, 2), (2, 3), (3, 0)] {
            if let (Some(a), Some(b), Some(c), Some(d)) = (low.get(i), low.get(j), high.get(j), high.get(i)) {
                self.quad([*a, *b, *c, *d], s);
            }
        }
        self.quad(high, s);
        if !open {
            self.quad([low[3], low[2], low[1], low[0]], s);
        }
    }
    /// An upright box by its low and high corner.
    pub(crate) fn cuboid(&mut self, low: P3, high: P3, s: Surface) {
        self.hexahedron(rectangle(low, high, low[2]), rectangle(low, high, high[2]), false, s);
    }
    /// A box that stands on the ground: its underside is never seen.
    pub(crate) fn block(&mut self, low: P3, high: P3, s: Surface) {
        self.hexahedron(rectangle(low, high, low[2]), rectangle(low, high, high[2]), true, s);
    }
    /// A box without ends between two points, `r` to each side: limbs, bars, poles. Ends are closed where `caps`.
    pub(crate) fn bar(&mut self, a: P3, b: P3, radii: [f64; 2], sides: usize, caps: bool, s: Surface) {
        let d = minus(b, a);
        let norm = (d[0] * d[0] + d[1] * d[1] + d[2] * d[2]).sqrt();
        if norm < 1e-9 {
            return;
        }
        let d = d.map(|v| v / norm);
        let helper = if d[2].abs() < 0.9 { [0.0, 0.0, 1.0] } else { [1.0, 0.0, 0.0] };
        let u = across(helper, d);
        let un = (u[0] * u[0] + u[1] * u[1] + u[2] * u[2]).sqrt().max(1e-9);
        let u = u.map(|v| v / un);
        let v = across(d, u);
        let ring = |c: P3, r: f64| -> Vec<P3> {
            (0..sides)
                .map(|i| {
                    let (sin, cos) = ((i as f64 + 0.5) / sides as f64 * std::f64::consts::TAU).sin_cos();
                    [c[0] + r * (u[0] * cos + v[0] * sin), c[1] + r * (u[1] * cos + v[1] * sin), c[2] + r * (u[2] * cos + v[2] * sin)]
                })
                .collect()
        };
        let rings = [ring(a, radii[0]), ring(b, radii[1])];
        self.loft(&rings, caps, s);
    }
    /// Rings of equally many points, each counter-clockwise seen from the end towards which they go, joined into a skin.
    pub(crate) fn loft(&mut self, rings: &[Vec<P3>], caps: bool, s: Surface) {
        self.loft_with(rings, caps, |_, _| s);
    }
    /// A loft whose panel `(ring, side)` has its own surface; caps take that of the first and last ring's side 0.
    pub(crate) fn loft_with(&mut self, rings: &[Vec<P3>], caps: bool, surface_of: impl Fn(usize, usize) -> Surface) {
        for (i, pair) in rings.windows(2).enumerate() {
            let [a, b] = pair else { continue };
            let next = |r: &[P3], j: usize| r.get((j + 1) % r.len()).copied().unwrap_or_default();
            for (j, (p, q)) in a.iter().zip(b).enumerate() {
                self.quad([*p, next(a, j), next(b, j), *q], surface_of(i, j));
            }
        }
        if let (true, Some(first), Some(last)) = (caps, rings.first(), rings.last()) {
            let back: Vec<P3> = first.iter().rev().copied().collect();
            self.fan(&back, surface_of(0, 0));
            self.fan(last, surface_of(rings.len().saturating_sub(2), 0));
        }
    }
    /// A convex polygon.
    pub(crate) fn fan(&mut self, ring: &[P3], s: Surface) {
        if let [first, rest @ ..] = ring {
            for pair in rest.windows(2) {
                if let [a, b] = pair {
                    self.triangle([*first, *a, *b], s);
                }
            }
        }
    }
    /// A wheel: a disc across y, with a rim on both sides.
    pub(crate) fn wheel(&mut self, centre: P3, radius: f64, width: f64, tyre: Surface, rim: Surface) {
        let [x, y, z] = centre;
        let h = width / 2.0;
        self.bar([x, y - h, z], [x, y + h, z], [radius; 2], 14, true, tyre);
        for (side, end) in [(-1.0, y - h - 0.005), (1.0, y + h + 0.005)] {
            let ring: Vec<P3> = (0..10)
                .map(|i| {
                    let (sin, cos) = (-side * f64::from(i) / 10.0 * std::f64::consts::TAU).sin_cos();
                    [x + 0.64 * radius * cos, end, z + 0.64 * radius * sin]
                })
                .collect();
            self.fan(&ring, rim);
        }
    }
    /// A ball with uneven radius: `bump` gives the factor for direction (longitude step, latitude step).
    pub(crate) fn ball(&mut self, centre: P3, radii: P3, steps: [usize; 2], mut bump: impl FnMut(usize, usize) -> f64, s: Surface) {
        let [around, up] = steps;
        let rings: Vec<Vec<P3>> = (0..=up)
            .map(|j| {
                let (sz, cz) = (std::f64::consts::PI * (j as f64 / up as f64 - 0.5)).sin_cos();
                (0..around)
                    .map(|i| {
                        let (s, c) = (i as f64 / around as f64 * std::f64::consts::TAU).sin_cos();
                        let f = if j == 0 || j == up { bump(0, j) } else { bump(i, j) };
                        [centre[0] + radii[0] * f * cz * c, centre[1] + radii[1] * f * cz * s, centre[2] + radii[2] * f * sz]
                    })
                    .collect()
            })
            .collect();
        self.loft(&rings, false, s);
    }
    /// Adds another shape, turned about z and moved.
    pub(crate) fn add(&mut self, other: &Self, yaw: f64, to: P3) {
        let (sin, cos) = yaw.sin_cos();
        for (corners, index) in &other.mesh.triangles {
            let at = |i: u32| {
                let p = other.mesh.vertices.get(num::usize(i)).copied().unwrap_or_default().map(f64::from);
                [cos * p[0] - sin * p[1] + to[0], sin * p[0] + cos * p[1] + to[1], p[2] + to[2]]
            };
            if let Some(s) = other.mesh.surfaces.get(usize::from(*index)) {
                self.triangle(corners.map(at), *s);
            }
        }
    }
    /// The same, mirrored left to right, is added.
    pub(crate) fn mirrored(&mut self, other: &Self) {
        for (corners, index) in &other.mesh.triangles {
            let at = |i: u32| other.mesh.vertices.get(num::usize(i)).copied().unwrap_or_default().map(f64::from);
            let [a, b, c] = corners.map(|i| {
                let p = at(i);
                [p[0], -p[1], p[2]]
            });
            if let Some(s) = other.mesh.surfaces.get(usize::from(*index)) {
                self.triangle([a, c, b], *s);
            }
        }
    }
    /// Changes surfaces one by one.
    pub(crate) fn each_surface(&mut self, change: impl FnMut(&mut Surface)) {
        self.mesh.surfaces.iter_mut().for_each(change);
    }
    /// Number of triangles.
    #[cfg(test)]
    pub(crate) fn triangles(&self) -> usize {
        self.mesh.triangles.len()
    }
    /// The mesh, with corners that coincide joined.
    pub(crate) fn finish(self) -> Mesh {
        let mut order: Vec<(usize, [u32; 3])> = self.mesh.vertices.iter().map(|v| v.map(f32::to_bits)).enumerate().collect();
        order.sort_unstable_by_key(|(i, bits)| (*bits, *i));
        let mut place = vec![0u32; order.len()];
        let mut vertices = Vec::new();
        let mut last = None;
        for (i, bits) in order {
            if last != Some(bits) {
                last = Some(bits);
                vertices.push(bits.map(f32::from_bits));
            }
            if let Some(p) = place.get_mut(i) {
                *p = num::u32(vertices.len() - 1);
            }
        }
        let new = |i: u32| place.get(num::usize(i)).copied().unwrap_or(0);
        // What the narrower numbers have made flat is left out.
        let triangles = self.mesh.triangles.iter().map(|(c, s)| (c.map(new), *s));
        let triangles = triangles.filter(|([a, b, c], _)| a != b && b != c && c != a).collect();
        Mesh { vertices, triangles, surfaces: self.mesh.surfaces }
    }
    /// A body with its size measured.
    pub(crate) fn body(self, name: impl Into<String>, class: Option<&'static str>) -> Arc<Body> {
        let mesh = self.finish();
        let mut most = [0.0f64; 3];
        for v in &mesh.vertices {
            let v = v.map(f64::from);
            most = [most[0].max(v[0].abs()), most[1].max(v[1].abs()), most[2].max(v[2])];
        }
        Arc::new(Body { name: name.into(), class, mesh, size: [2.0 * most[0], 2.0 * most[1], most[2]] })
    }
}

/// Corners of a rectangle at a height, counter-clockwise seen from above.
pub(crate) const fn rectangle(low: P3, high: P3, z: f64) -> [P3; 4] {
    [[low[0], low[1], z], [high[0], low[1], z], [high[0], high[1], z], [low[0], high[1], z]]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signed volume of a closed mesh: positive where triangles face outwards.
    fn volume(mesh: &Mesh) -> f64 {
        mesh.triangles
            .iter()
            .map(|(c, _)| {
                let [a, b, c] = c.map(|i| mesh.vertices[num::usize(i)].map(f64::from));
                let n = across(b, c);
                (a[0] * n[0] + a[1] * n[1] + a[2] * n[2]) / 6.0
            })
            .sum()
    }

    #[test]
    fn solids_face_outwards_and_have_their_volume() {
        let s = surface(Material::Metal, [0; 3], Tag::Static);
        let mut cube = Shape::default();
        cube.cuboid([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], s);
        assert_eq!(cube.triangles(), 12);
        let cube = cube.finish();
        assert_eq!(cube.vertices.len(), 8);
        assert!((volume(&cube) - 6.0).abs() < 1e-5);
        let mut bar = Shape::default();
        bar.bar([0.0, 0.0, 0.0], [0.3, 0.4, 1.2], [0.1; 2], 64, true, s);
        let exact = std::f64::consts::PI * 0.01 * 1.3;
        assert!((volume(&bar.finish()) - exact).abs() < 0.01 * exact);
        let mut ball = Shape::default();
        ball.ball([1.0, 1.0, 1.0], [0.5; 3], [48, 24], |_, _| 1.0, s);
        let exact = 4.0 / 3.0 * std::f64::consts::PI * 0.125;
        assert!((volume(&ball.finish()) - exact).abs() < 0.02 * exact);
        let mut wheel = Shape::default();
        wheel.wheel([0.0; 3], 0.3, 0.2, s, s);
        assert!(volume(&wheel.finish()) > 0.0);
    }
}
