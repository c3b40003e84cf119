//! Vector maps (expansion 1.3): all layers, found by place, drawn as masks.
//!
//! *In*: the bytes of `maps/expansion/<location>.json`. *Out*: [`VectorMap`]. *Invariant*: coordinates are metres from the map's
//! south-west corner; what a record names and the file lacks is noted as a fault and left out.

mod clip;
mod draw;
mod parse;
mod prior;
mod stroke;
mod window;

pub use prior::PriorMask;

use crate::types::num;
use std::collections::BTreeMap;

/// Layers whose records are areas.
pub const AREAS: [&str; 9] =
    ["drivable_area", "road_segment", "road_block", "lane", "ped_crossing", "walkway", "stop_line", "carpark_area", "lane_connector"];
/// Layers whose records are lines.
pub const LINES: [&str; 3] = ["road_divider", "lane_divider", "traffic_light"];
/// Edge of a cell of the index, metres.
const CELL_M: f64 = 64.0;

/// A closed ring or an open line, metres.
pub type Path = Vec<[f64; 2]>;

/// An area with what is cut out of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Area {
    /// Its outer ring.
    pub outer: Path,
    /// Rings cut out of it.
    pub holes: Vec<Path>,
    /// Whether no ring crosses itself.
    pub simple: bool,
}

/// One record of a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// Its token.
    pub token: String,
    /// Its areas: one, or for a drivable area several.
    pub areas: Vec<Area>,
    /// Its line; empty for an area.
    pub line: Path,
    /// Its other fields that are plain values, by name.
    pub fields: BTreeMap<String, String>,
}

/// Records of one layer, in the file's order, and where they are.
#[derive(Debug, Clone, Default)]
pub struct Layer {
    features: Vec<Feature>,
    bounds: Vec<[f64; 4]>,
    cells: BTreeMap<(i64, i64), Vec<u32>>,
}

impl Layer {
    fn push(&mut self, feature: Feature) {
        let points = feature.areas.iter().flat_map(|a| &a.outer).chain(&feature.line);
        let start = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
        let bounds = points.fold(start, |[a, b, c, d], [x, y]| [a.min(*x), b.min(*y), c.max(*x), d.max(*y)]);
        let row = num::u32(self.features.len());
        for cell in cells(bounds) {
            self.cells.entry(cell).or_default().push(row);
        }
        self.features.push(feature);
        self.bounds.push(bounds);
    }
    /// All records.
    pub fn features(&self) -> &[Feature] {
        &self.features
    }
    /// Records whose bounds meet a box (left, low, right, high), in the file's order.
    pub fn near(&self, window: [f64; 4]) -> Vec<&Feature> {
        let mut rows: Vec<u32> = cells(window).filter_map(|c| self.cells.get(&c)).flatten().copied().collect();
        rows.sort_unstable();
        rows.dedup();
        let [left, low, right, high] = window;
        let meets =
            |row: &u32| self.bounds.get(num::usize(*row)).is_some_and(|[a, b, c, d]| *a <= right && *c >= left && *b <= high && *d >= low);
        rows.iter().filter(|r| meets(r)).filter_map(|r| self.features.get(num::usize(*r))).collect()
    }
}

/// Cells that a box touches; none where it is empty or beyond all reason.
fn cells([left, low, right, high]: [f64; 4]) -> impl Iterator<Item = (i64, i64)> {
    let sound = left <= right && low <= high && (right - left) < 1e5 && (high - low) < 1e5;
    let cell = |v: f64| num::round_i64((v / CELL_M).floor());
    let columns = sound.then(|| cell(left)..=cell(right)).into_iter().flatten();
    columns.flat_map(move |x| (cell(low)..=cell(high)).map(move |y| (x, y)))
}

/// A map.
#[derive(Debug, Clone, Default)]
pub struct VectorMap {
    /// Width and height, metres.
    pub canvas: [f64; 2],
    layers: BTreeMap<&'static str, Layer>,
    /// Lanes that lead into and out of each lane.
    pub connectivity: BTreeMap<String, [Vec<String>; 2]>,
}

/// A window on the map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Patch {
    /// Its centre, metres.
    pub centre: [f64; 2],
    /// Width and height before it is turned, metres.
    pub size: [f64; 2],
    /// Counter-clockwise, radians.
    pub angle: f64,
    /// Columns and rows of the mask.
    pub canvas: [usize; 2],
}

impl Patch {
    /// A point of the map in cells: column from the left, row from the lowest y.
    fn cell(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let ([cx, cy], [width, height]) = (self.centre, self.size);
        let [columns, rows] = self.canvas;
        let (sin, cos) = (-self.angle).sin_cos();
        let (dx, dy) = (x - cx, y - cy);
        let (across, up) = (cos * dx - sin * dy, sin * dx + cos * dy);
        [(across + width / 2.0) * (columns as f64 / width), (up + height / 2.0) * (rows as f64 / height)]
    }
    /// The upright box around it.
    fn window(&self) -> [f64; 4] {
        let ([cx, cy], [width, height]) = (self.centre, self.size);
        let (sin, cos) = self.angle.sin_cos();
        let half_x = (width * cos.abs() + height * sin.abs()) / 2.0;
        let half_y = (width * sin.abs() + height * cos.abs()) / 2.0;
        [cx - half_x, cy - half_y, cx + half_x, cy + half_y]
    }
}

impl VectorMap {
    /// A layer by its name.
    pub fn layer(&self, name: &str) -> Option<&Layer> {
        self.layers.get(name)
    }
    /// The first record of a layer whose area holds a point strictly inside.
    pub fn at_point(&self, layer: &str, [x, y]: [f64; 2]) -> Option<&Feature> {
        let near = self.layers.get(layer)?.near([x, y, x, y]);
        let holds = |a: &Area| clip::inside(&a.outer, [x, y]) && !a.holes.iter().any(|h| clip::inside(h, [x, y]));
        near.into_iter().find(|f| f.areas.iter().any(holds))
    }
    /// The mask of a layer in a patch: one byte a cell, 1 where set, row 0 at the lowest y.
    pub fn mask(&self, layer: &str, patch: &Patch) -> Vec<u8> {
        let [columns, rows] = patch.canvas;
        let mut mask = draw::Mask::new(columns, rows);
        let Some(records) = self.layers.get(layer) else { return mask.cells };
        let drivable = layer == "drivable_area";
        for feature in records.near(patch.window()) {
            for area in feature.areas.iter().filter(|a| a.simple || drivable) {
                let to_cells = |path: &Path| path.iter().map(|p| patch.cell(*p)).collect::<Path>();
                let (rings, holes) = clip::area(to_cells(&area.outer), area.holes.iter().map(to_cells), [columns as f64, rows as f64]);
                mask.fill(&rings, 1);
                holes.iter().for_each(|hole| mask.fill(std::slice::from_ref(hole), 0));
            }
            if !feature.line.is_empty() && layer != "traffic_light" {
                window::pieces(&feature.line, patch).iter().for_each(|piece| mask.stroke(piece));
            }
        }
        mask.cells
    }
}
