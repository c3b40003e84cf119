//! A mesh made ready for sensors: facets with their planes, and a tree over them.
//!
//! *In*: a [`Mesh`]. *Out*: facets in the tree's order, in the mesh's own frame, metres. *Invariant*: a facet has three finite corners, an area
//! above zero, a normal that points to its outside, and a surface; what has not is left out, and so seen by no sensor at all. Round things are
//! made of flat facets; light, and nothing else, sees them with normals that turn from corner to corner.

use super::bvh::{Bounds, Bvh};
use crate::types::num;
use crate::world::model::{Lamp, Material, Mesh, Surface, Tag};
use nalgebra::Vector3;
use std::collections::HashMap;

type V3 = Vector3<f32>;

/// A triangle.
#[derive(Debug, Clone, Copy)]
pub struct Facet {
    /// Corners, counter-clockwise seen from outside.
    pub corners: [V3; 3],
    /// Unit normal.
    pub normal: V3,
    /// Index of its surface.
    pub surface: u16,
    /// Draw order within a plane.
    pub layer: u8,
}

/// A lens: where it is and where it shines.
#[derive(Debug, Clone, Copy)]
pub struct Lens {
    /// Middle, in the frame of the shape.
    pub at: V3,
    /// Area, square metres.
    pub area: f32,
    /// When it shines.
    pub lamp: Lamp,
    /// Its colour, sRGB.
    pub colour: [u8; 3],
    /// What it is part of: a lit window lights no street.
    pub tag: Tag,
}

/// A mesh with its tree.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Triangles, in the tree's order.
    pub facets: Vec<Facet>,
    /// Tree over them.
    pub tree: Bvh,
    /// Surfaces that facets name.
    pub surfaces: Vec<Surface>,
    /// Smallest upright box, in the mesh's frame.
    pub bounds: Bounds,
    /// Middle of each surface that is a lens.
    pub lenses: Vec<Lens>,
    /// Normals at the corners of each facet, as light sees them; none where they are the facet's own, empty where nothing is round.
    rounded: Vec<Option<[V3; 3]>>,
}

/// What a facet of an unknown surface looks like.
pub const PLAIN: Surface =
    Surface { material: Material::Plaster, colour: [128; 3], painted: false, tag: Tag::Unlabeled, lamp: Lamp::Off, layer: 0 };

impl Shape {
    /// Of a mesh.
    pub fn new(mesh: &Mesh) -> Self {
        let corner = |i: u32| mesh.vertices.get(num::usize(i)).map(|v| V3::from(*v)).filter(|v| v.iter().all(|c| c.is_finite()));
        let facets: Vec<Facet> = mesh
            .triangles
            .iter()
            .filter_map(|([a, b, c], surface)| {
                let corners = [corner(*a)?, corner(*b)?, corner(*c)?];
                let layer = mesh.surfaces.get(usize::from(*surface))?.layer;
                let normal = normal(&corners)?;
                Some(Facet { corners, normal, surface: *surface, layer })
            })
            .collect();
        let boxes: Vec<Bounds> = facets.iter().map(|f| f.corners.iter().fold(Bounds::EMPTY, |b, c| b.with(c))).collect();
        let bounds = boxes.iter().fold(Bounds::EMPTY, |all, b| all.and(b));
        let (tree, order) = Bvh::build(&boxes);
        let facets: Vec<Facet> = order.iter().filter_map(|i| facets.get(num::usize(*i)).copied()).collect();
        let lenses = lenses(&facets, &mesh.surfaces);
        let rounded = rounded(&facets, &mesh.surfaces);
        Self { facets, tree, surfaces: mesh.surfaces.clone(), bounds, lenses, rounded }
    }
    /// The normal of the round thing that a facet is a piece of, at a place on the facet, in the mesh's frame; none where that is the facet's.
    #[inline]
    pub fn normal_at(&self, facet: usize, place: &V3) -> Option<V3> {
        let (normals, flat) = (self.rounded.get(facet)?.as_ref()?, self.facets.get(facet)?);
        let [a, b, c] = &flat.corners;
        let part = |p: &V3, q: &V3| (p - place).cross(&(q - place)).dot(&flat.normal).max(0.0);
        (normals[0] * part(b, c) + normals[1] * part(c, a) + normals[2] * part(a, b)).try_normalize(1e-12)
    }
    /// The surface of a facet.
    #[inline]
    pub fn surface(&self, facet: &Facet) -> &Surface {
        self.surfaces.get(usize::from(facet.surface)).unwrap_or(&PLAIN)
    }
}

/// Unit normal in double precision, so that long thin triangles of one plane agree about it.
fn normal(corners: &[V3; 3]) -> Option<V3> {
    let [a, b, c] = corners.map(|v| v.cast::<f64>());
    let n = (b - a).cross(&(c - a));
    let length = n.norm();
    (length > 1e-12).then(|| (n / length).map(num::f32))
}

/// How far the facets of something round may turn from one to the next: the cosine.
const fn bend(material: Material) -> Option<f32> {
    match material {
        Material::Metal | Material::HotMetal | Material::Plastic | Material::Rubber | Material::Wood => Some(0.72),
        Material::Foliage | Material::Cloth | Material::Skin => Some(0.2),
        _ => None,
    }
}

/// Normals at corners: the mean over the facets of one kind that meet there and turn little from this one, by the corner's angle.
fn rounded(facets: &[Facet], surfaces: &[Surface]) -> Vec<Option<[V3; 3]>> {
    let kind = |f: &Facet| surfaces.get(usize::from(f.surface)).and_then(|s| Some((s.material, bend(s.material)?)));
    if !facets.iter().any(|f| kind(f).is_some()) {
        return Vec::new();
    }
    // Sheet metal is one skin whether an engine is under it or not.
    let skin = |m: Material| if m == Material::HotMetal { Material::Metal } else { m };
    let bits = |c: &V3| [c.x, c.y, c.z].map(|v| (v + 0.0).to_bits());
    let mut meeting: HashMap<[u32; 3], Vec<(V3, Material, f32)>> = HashMap::new();
    for facet in facets {
        let Some((material, _)) = kind(facet) else { continue };
        let [a, b, c] = facet.corners;
        for (at, p, q) in [(a, b, c), (b, c, a), (c, a, b)] {
            meeting.entry(bits(&at)).or_default().push((facet.normal, skin(material), (p - at).angle(&(q - at))));
        }
    }
    let corner = |facet: &Facet, at: &V3| {
        let Some((material, least)) = kind(facet) else { return facet.normal };
        let others = meeting.get(&bits(at)).map(Vec::as_slice).unwrap_or_default();
        let near = others.iter().filter(|(n, m, _)| *m == skin(material) && n.dot(&facet.normal) > least);
        near.fold(V3::zeros(), |sum, (n, _, angle)| sum + n * *angle).try_normalize(1e-6).unwrap_or(facet.normal)
    };
    let all = facets.iter().map(|f| (f, f.corners.map(|at| corner(f, &at))));
    all.map(|(f, normals)| normals.iter().any(|n| n.dot(&f.normal) < 0.9999).then_some(normals)).collect()
}

fn lenses(facets: &[Facet], surfaces: &[Surface]) -> Vec<Lens> {
    let mut found = Vec::new();
    for (index, surface) in surfaces.iter().enumerate().filter(|(_, s)| s.material == Material::Lens && s.lamp != Lamp::Off) {
        // One surface may be several lamps (left and right): apart by more than half a metre, they are counted apart.
        let mut groups: Vec<(V3, f32)> = Vec::new();
        for facet in facets.iter().filter(|f| usize::from(f.surface) == index) {
            let [a, b, c] = facet.corners;
            let (middle, area) = ((a + b + c) / 3.0, (b - a).cross(&(c - a)).norm() * 0.5);
            match groups.iter_mut().find(|(sum, total)| (*sum / *total - middle).norm() < 0.5) {
                Some((sum, total)) => (*sum, *total) = (*sum + middle * area, *total + area),
                None => groups.push((middle * area, area)),
            }
        }
        found.extend(groups.iter().map(|(sum, area)| Lens {
            at: sum / *area,
            area: *area,
            lamp: surface.lamp,
            colour: surface.colour,
            tag: surface.tag,
        }));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn light_sees_a_ball_round_and_a_box_square() {
        let look = |material, corners: &dyn Fn(usize) -> [f32; 3], triangles: Vec<[u32; 3]>, count| Mesh {
            vertices: (0..count).map(corners).collect(),
            triangles: triangles.into_iter().map(|t| (t, 0)).collect(),
            surfaces: vec![Surface { material, ..PLAIN }],
        };
        // An octahedron: normals at its corners lean towards the axes, and in the middle of a facet they are the facet's.
        let tips = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, -1.0]];
        let faces: Vec<[u32; 3]> = (0..4).flat_map(|i| [[i, (i + 1) % 4, 4], [(i + 1) % 4, i, 5]]).collect();
        for (material, round) in [(Material::Cloth, true), (Material::Metal, false), (Material::Plaster, false)] {
            let shape = Shape::new(&look(material, &|i| tips[i], faces.clone(), 6));
            for (index, facet) in shape.facets.iter().enumerate() {
                let middle = (facet.corners[0] + facet.corners[1] + facet.corners[2]) / 3.0;
                let at = |p: &V3| shape.normal_at(index, p).unwrap_or(facet.normal);
                assert!((at(&middle) - facet.normal).norm() < 1e-5);
                for tip in facet.corners {
                    let along = at(&tip).dot(&tip);
                    let wanted = if round { along > 0.9 } else { (at(&tip) - facet.normal).norm() < 1e-5 };
                    assert!(wanted, "{material:?}: {:?} at {tip:?}", at(&tip));
                }
            }
        }
    }

    #[test]
    fn facets_without_area_or_with_corners_nowhere_are_left_out() {
        let mesh = Mesh {
            vertices: vec![[0.0; 3], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [2.0, 0.0, 0.0], [f32::NAN, 0.0, 0.0]],
            triangles: vec![([0, 1, 2], 0), ([0, 1, 3], 0), ([0, 1, 4], 0), ([0, 1, 9], 0), ([0, 1, 2], 7)],
            surfaces: vec![PLAIN],
        };
        let shape = Shape::new(&mesh);
        assert_eq!(shape.facets.len(), 1);
        assert_eq!(shape.facets[0].normal, V3::z());
    }
}
