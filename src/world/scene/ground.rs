//! The ground as triangles: asphalt, kerbs, side walks, blocks, and paint in layers above the asphalt.
//!
//! *In / Out*: network and blocks; tiles of some 48 m. Road level is 0; side walks and blocks lie one kerb higher.
//! *Invariant*: every place has exactly one ground below the paint; paint lies in the plane of the asphalt and wins by its layer.

use super::blocks::{Block, ERROR, STEP, Use, around, corner_edge, outwards};
use super::curve::Curve;
use super::network::{Arm, Junction, Network, Road};
use super::polygon::{P2, area, cut, triangulate};
use super::shape::{Shape, surface};
use crate::types::num;
use crate::world::model::{Material, Surface, Tag, Tile};
use std::collections::BTreeMap;

/// Height of kerbs.
pub(crate) const KERB: f64 = 0.14;
const KERB_WIDTH: f64 = 0.16;
const SIDE: f64 = 48.0;
/// Where lines end at a mouth without crossing.
pub(crate) const STEP_BACK: f64 = 1.0;

/// A surface at a layer.
pub(crate) const fn layered(material: Material, colour: [u8; 3], tag: Tag, layer: u8) -> Surface {
    Surface { layer, ..surface(material, colour, tag) }
}

pub(crate) const ASPHALT: Surface = layered(Material::Asphalt, [74, 75, 78], Tag::Roads, 1);
const JUNCTION: Surface = layered(Material::Asphalt, [70, 71, 74], Tag::Roads, 1);
const STRIP: Surface = layered(Material::Asphalt, [92, 90, 88], Tag::Roads, 1);
const KERBSTONE: Surface = surface(Material::Concrete, [158, 156, 150], Tag::SideWalks);
const SLABS: Surface = surface(Material::Paving, [142, 138, 132], Tag::SideWalks);
/// White paint.
pub(crate) const WHITE: Surface = layered(Material::Paint, [226, 226, 220], Tag::RoadLine, 3);
/// Yellow paint.
pub(crate) const YELLOW: Surface = layered(Material::Paint, [222, 178, 52], Tag::RoadLine, 3);

/// Collects ground by tiles.
#[derive(Default)]
pub(crate) struct Ground {
    tiles: BTreeMap<(i64, i64), Shape>,
}

fn cell(p: P2) -> (i64, i64) {
    (num::round_i64((p[0] / SIDE).floor()), num::round_i64((p[1] / SIDE).floor()))
}

impl Ground {
    fn tile(&mut self, p: P2) -> &mut Shape {
        self.tiles.entry(cell(p)).or_default()
    }
    /// A four-cornered face anywhere, counter-clockwise from outside.
    pub(crate) fn face(&mut self, q: [[f64; 3]; 4], s: Surface) {
        let middle = [(q[0][0] + q[2][0]) / 2.0, (q[0][1] + q[2][1]) / 2.0];
        self.tile(middle).quad(q, s);
    }
    /// A convex flat polygon.
    pub(crate) fn flat(&mut self, ring: &[P2], z: f64, s: Surface) {
        if let Some(first) = ring.first() {
            let lifted: Vec<[f64; 3]> = ring.iter().map(|p| [p[0], p[1], z]).collect();
            self.tile(*first).fan(&lifted, s);
        }
    }
    /// A strip beside a curve between two lateral distances (low, high), over a part of its length.
    pub(crate) fn ribbon(&mut self, curve: &Curve, span: [f64; 2], left: [f64; 2], z: f64, s: Surface) {
        let part = curve.part(span[0].max(0.0), span[1].min(curve.length()));
        let at: Vec<(P2, P2)> =
            part.sample(STEP, ERROR).into_iter().map(|d| (part.at(d).beside(left[0]), part.at(d).beside(left[1]))).collect();
        for pair in at.windows(2) {
            if let [(a, b), (c, d)] = pair {
                self.face([[a[0], a[1], z], [c[0], c[1], z], [d[0], d[1], z], [b[0], b[1], z]], s);
            }
        }
    }
    /// A broken line: marks and gaps along a curve.
    pub(crate) fn dashes(&mut self, curve: &Curve, span: [f64; 2], left: f64, width: f64, [mark, gap]: [f64; 2], s: Surface) {
        let mut at = span[0];
        while at < span[1] {
            self.ribbon(curve, [at, (at + mark).min(span[1])], [left - width / 2.0, left + width / 2.0], 0.0, s);
            at += mark + gap;
        }
    }
    /// A polygon of any shape, cut to the tiles.
    pub(crate) fn area(&mut self, ring: &[P2], z: f64, s: Surface) {
        for triangle in triangulate(ring) {
            let [low, high] = super::polygon::bounds(&triangle).map(cell);
            for x in low.0..=high.0 {
                for y in low.1..=high.1 {
                    let corner = [x as f64 * SIDE, y as f64 * SIDE];
                    let piece = cut(&triangle, corner, [corner[0] + SIDE, corner[1] + SIDE]);
                    if area(&piece) > 1e-6 {
                        let lifted: Vec<[f64; 3]> = piece.iter().map(|p| [p[0], p[1], z]).collect();
                        self.tiles.entry((x, y)).or_default().fan(&lifted, s);
                    }
                }
            }
        }
    }
    /// Kerb and side walk along rows of points: road edge, and the same place at the kerb's back and the walk's back.
    fn walk(&mut self, rows: &[[P2; 3]]) {
        let up = |p: P2, z: f64| [p[0], p[1], z];
        for pair in rows.windows(2) {
            let [[a, ak, aw], [b, bk, bw]] = pair else { continue };
            // Rows run with the road on their left.
            self.face([up(*b, 0.0), up(*a, 0.0), up(*a, KERB), up(*b, KERB)], KERBSTONE);
            self.face([up(*a, KERB), up(*ak, KERB), up(*bk, KERB), up(*b, KERB)], KERBSTONE);
            self.face([up(*ak, KERB), up(*aw, KERB), up(*bw, KERB), up(*bk, KERB)], SLABS);
        }
    }
    /// The tiles.
    pub(crate) fn finish(self) -> Vec<Tile> {
        let tile = |shape: Shape| {
            let mesh = shape.finish();
            let plane: Vec<P2> = mesh.vertices.iter().map(|v| [f64::from(v[0]), f64::from(v[1])]).collect();
            Tile { bounds: super::polygon::bounds(&plane), mesh }
        };
        self.tiles.into_values().map(tile).filter(|t| !t.mesh.triangles.is_empty()).collect()
    }
}

/// Everything that belongs to streets.
pub(crate) fn streets(ground: &mut Ground, net: &Network) {
    for road in &net.roads {
        carriageway(ground, road);
        super::paint::road(ground, net, road);
    }
    for junction in &net.junctions {
        self::junction(ground, junction);
        for arm in &junction.arms {
            if let Some(curve) = outwards(net, arm) {
                side(ground, &curve, arm);
            }
        }
    }
    super::paint::crossings(ground, net);
}

fn carriageway(ground: &mut Ground, road: &Road) {
    let (whole, drive) = ([0.0, road.centre.length()], road.half - road.parking);
    ground.ribbon(&road.centre, whole, [-drive, drive], 0.0, ASPHALT);
    if road.parking > 0.0 {
        ground.ribbon(&road.centre, whole, [-road.half, -drive], 0.0, STRIP);
        ground.ribbon(&road.centre, whole, [drive, road.half], 0.0, STRIP);
    }
}

/// The right side (seen outwards) of an arm's road: each road has two arms, so both sides are made once.
fn side(ground: &mut Ground, curve: &Curve, arm: &Arm) {
    let rows: Vec<[P2; 3]> = curve
        .sample(STEP, ERROR)
        .into_iter()
        .map(|s| [arm.half, arm.half + KERB_WIDTH, arm.half + arm.walk].map(|d| curve.at(s).beside(-d)))
        .collect();
    ground.walk(&rows);
}

fn junction(ground: &mut Ground, junction: &Junction) {
    ground.area(&outline(junction), 0.0, JUNCTION);
    for (i, corner) in junction.corners.iter().enumerate() {
        let (Some(a), Some(b)) = (junction.arms.get(i), junction.arms.get((i + 1) % junction.arms.len().max(1))) else { continue };
        let kerb: Vec<P2> = corner.sample(2.0, ERROR).into_iter().map(|s| corner.at(s).beside(-KERB_WIDTH)).collect();
        let rows: Vec<[P2; 3]> =
            corner_edge(corner, a, b, 0.0).into_iter().zip(kerb).zip(corner_edge(corner, a, b, 1.0)).map(|((e, k), w)| [e, k, w]).collect();
        ground.walk(&rows);
    }
}

/// The carriageway of a junction, counter-clockwise.
pub(crate) fn outline(junction: &Junction) -> Vec<P2> {
    let mut ring = Vec::new();
    for (arm, corner) in junction.arms.iter().zip(&junction.corners) {
        ring.push(arm.mouth.beside(-arm.half));
        ring.extend(corner.sample(2.0, ERROR).into_iter().map(|s| corner.at(s).point()));
    }
    super::polygon::tidy(&ring)
}

/// Fills the blocks.
pub(crate) fn fill(ground: &mut Ground, blocks: &[Block]) {
    for block in blocks {
        let s = match block.usage {
            Use::Houses => surface(Material::Grass, [88, 112, 58], Tag::Terrain),
            Use::Row => surface(Material::Grass, [84, 104, 58], Tag::Terrain),
            Use::Offices => surface(Material::Grass, [82, 108, 60], Tag::Terrain),
            Use::Park => surface(Material::Grass, [76, 106, 50], Tag::Terrain),
            Use::CarPark => surface(Material::Asphalt, [82, 82, 84], Tag::Ground),
            Use::Outside => surface(Material::Grass, [98, 112, 66], Tag::Terrain),
        };
        if block.usage == Use::Outside {
            ground.area(&around(&block.ring, 160.0), KERB, s);
        } else {
            ground.area(&block.ring, KERB, s);
        }
        if block.usage == Use::Row {
            // Shops stand a step behind the side walk.
            for front in &block.fronts {
                ground.ribbon(
                    &front.edge,
                    [0.0, front.edge.length()],
                    [-0.7, 0.0],
                    KERB,
                    layered(Material::Paving, [124, 120, 114], Tag::Ground, 2),
                );
            }
        }
    }
}
