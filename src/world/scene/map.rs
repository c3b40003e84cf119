//! The town as a map: areas and lines by layer, and the layers around a vehicle as cells.
//!
//! *In / Out*: the town; rings and lines in the world frame, metres; a [`BevMap`] in the vehicle frame. Layer names are nuScenes'
//! map-expansion's. *Invariant*: a cell is in a layer of areas exactly where its centre is inside one of them.

use super::blocks::{ERROR, STEP, outwards};
use super::curve::Curve;
use super::grid::Grid;
use super::network::{Network, Road, Rule};
use super::polygon::{P2, bounds, edges, to_segment};
use crate::types::{BevMap, Error, Result, num};
use std::sync::Arc;

/// Layers of the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layer {
    /// Where vehicles may be.
    DrivableArea,
    /// Pedestrian crossings.
    PedCrossing,
    /// Side walks.
    Walkway,
    /// Ground before a line where vehicles stop.
    StopLine,
    /// Parking strips and stalls.
    CarparkArea,
    /// Lines between lanes of one direction.
    LaneDivider,
    /// Lines between directions.
    RoadDivider,
}

impl Layer {
    /// All layers.
    pub const ALL: [Self; 7] =
        [Self::DrivableArea, Self::PedCrossing, Self::Walkway, Self::StopLine, Self::CarparkArea, Self::LaneDivider, Self::RoadDivider];
    /// nuScenes' name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DrivableArea => "drivable_area",
            Self::PedCrossing => "ped_crossing",
            Self::Walkway => "walkway",
            Self::StopLine => "stop_line",
            Self::CarparkArea => "carpark_area",
            Self::LaneDivider => "lane_divider",
            Self::RoadDivider => "road_divider",
        }
    }
    const fn is_line(self) -> bool {
        matches!(self, Self::LaneDivider | Self::RoadDivider)
    }
}

/// One area or line.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// Its layer.
    pub layer: Layer,
    /// A ring, counter-clockwise, or a line's points.
    pub points: Vec<P2>,
    /// Index of the road, junction (for [`Layer::DrivableArea`] where `junction`), crossing or lane that it belongs to.
    pub of: usize,
    /// Whether it is the inside of a junction.
    pub junction: bool,
}

/// The map of a town.
#[derive(Debug, Clone, Default)]
pub struct TownMap {
    /// Everything on it.
    pub features: Vec<Feature>,
    near: Grid,
}

/// Cells to fill: low corner in the vehicle frame, side, numbers along x and y.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Raster {
    /// Low corner x, y, metres, vehicle frame.
    pub origin: P2,
    /// Side of a cell, metres.
    pub cell: f64,
    /// Cells along x (forward).
    pub nx: usize,
    /// Cells along y (left).
    pub ny: usize,
}

impl Raster {
    /// 100 x 100 m around the vehicle in cells of half a metre, as BEVFusion evaluates maps.
    pub const BEVFUSION: Self = Self { origin: [-50.0, -50.0], cell: 0.5, nx: 200, ny: 200 };
}

fn strip(curve: &Curve, span: P2, left: P2) -> Vec<P2> {
    let part = curve.part(span[0].max(0.0), span[1].min(curve.length()));
    let at = part.sample(STEP, ERROR);
    let right = at.iter().map(|s| part.at(*s).beside(left[0]));
    let back = at.iter().rev().map(|s| part.at(*s).beside(left[1]));
    right.chain(back).collect()
}

fn line(curve: &Curve, span: P2, left: f64) -> Vec<P2> {
    let part = curve.part(span[0].max(0.0), span[1].min(curve.length()));
    part.sample(STEP, ERROR).into_iter().map(|s| part.at(s).beside(left)).collect()
}

impl TownMap {
    /// The map of a network; `outlines` are the junctions' carriageways, `stalls` the car parks'.
    pub(crate) fn new(net: &Network, outlines: &[Vec<P2>], stalls: &[Vec<P2>]) -> Self {
        let mut map = Self::default();
        let mut add = |layer: Layer, points: Vec<P2>, of: usize, junction: bool| {
            map.near.insert(map.features.len(), bounds(&points));
            map.features.push(Feature { layer, points, of, junction });
        };
        for road in &net.roads {
            of_road(road, net, &mut add);
        }
        for (j, junction) in net.junctions.iter().enumerate() {
            add(Layer::DrivableArea, outlines.get(j).cloned().unwrap_or_default(), j, true);
            for (i, corner) in junction.corners.iter().enumerate() {
                let (Some(a), Some(b)) = (junction.arms.get(i), junction.arms.get((i + 1) % junction.arms.len().max(1))) else { continue };
                let mut ring = super::blocks::corner_edge(corner, a, b, 1.0);
                ring.extend(super::blocks::corner_edge(corner, a, b, 0.0).into_iter().rev());
                add(Layer::Walkway, ring, j, true);
            }
            for arm in &junction.arms {
                if let Some(curve) = outwards(net, arm) {
                    let length = curve.length();
                    add(Layer::Walkway, strip(&curve, [0.0, length], [-(arm.half + arm.walk), -arm.half]), arm.road, false);
                }
            }
        }
        for c in &net.crossings {
            if let Some(road) = net.roads.get(c.road) {
                add(Layer::PedCrossing, strip(&road.centre, c.span, [-road.half, road.half]), c.id, false);
            }
        }
        for lane in net.lanes.iter().filter(|l| l.rule != Rule::Free) {
            let half = lane.width / 2.0;
            add(Layer::StopLine, strip(&lane.centre, [lane.stop - 1.0, lane.stop + 0.5], [-half, half]), lane.id, false);
        }
        for (i, stall) in stalls.iter().enumerate() {
            add(Layer::CarparkArea, stall.clone(), i, false);
        }
        map
    }
    /// The layers around a vehicle at a place with a heading; bit `i` of a cell is `layers[i]`.
    ///
    /// # Errors
    /// Where the raster has no cells, more than 16 million, or a number is not finite.
    pub fn around(&self, place: P2, heading: f64, layers: &[Layer], raster: &Raster) -> Result<BevMap> {
        let Raster { origin, cell, nx, ny } = *raster;
        let finite = place.iter().chain(&origin).chain([&heading, &cell]).all(|v| v.is_finite());
        let total = nx.checked_mul(ny).filter(|n| (1..=16_000_000).contains(n) && finite && cell > 0.0);
        let Some(total) = total else {
            return Err(Error::mismatch(
                "a finite place and 1 to 16 million cells",
                format!("{nx} x {ny} cells of {cell} m at {place:?}"),
                "map",
            ));
        };
        let mut cells = vec![0u32; total];
        let (sin, cos) = heading.sin_cos();
        let corners: Vec<P2> = [[0.0, 0.0], [nx as f64, 0.0], [nx as f64, ny as f64], [0.0, ny as f64]]
            .iter()
            .map(|[i, j]| {
                let (x, y) = (origin[0] + i * cell, origin[1] + j * cell);
                [place[0] + cos * x - sin * y, place[1] + sin * x + cos * y]
            })
            .collect();
        for feature in self.near.within(bounds(&corners)).into_iter().filter_map(|i| self.features.get(i)) {
            let Some(bit) = layers.iter().position(|l| *l == feature.layer) else { continue };
            // Cell coordinates: the centre of cell (i, j) is at (i + 0.5, j + 0.5).
            let points: Vec<P2> = feature
                .points
                .iter()
                .map(|p| {
                    let (dx, dy) = (p[0] - place[0], p[1] - place[1]);
                    [(cos * dx + sin * dy - origin[0]) / cell, (cos * dy - sin * dx - origin[1]) / cell]
                })
                .collect();
            if feature.layer.is_line() {
                draw(&points, (0.25 / cell).max(0.75), [nx, ny], &mut cells, 1 << bit);
            } else {
                fill(&points, [nx, ny], &mut cells, 1 << bit);
            }
        }
        let names = layers.iter().map(|l| l.name().to_owned()).collect();
        BevMap::new(Arc::new(names), origin, cell, nx, ny, cells)
    }
}

fn of_road(road: &Road, net: &Network, add: &mut impl FnMut(Layer, Vec<P2>, usize, bool)) {
    let whole = [0.0, road.centre.length()];
    add(Layer::DrivableArea, strip(&road.centre, whole, [-road.half, road.half]), road.id, false);
    let back = |lanes: &[usize]| lanes.first().and_then(|l| net.lane(*l)).map_or(1.0, |l| l.centre.length() - l.stop);
    let span = [back(&road.backward), road.centre.length() - back(&road.forward)];
    add(Layer::RoadDivider, line(&road.centre, span, 0.0), road.id, false);
    for k in 1..road.forward.len() {
        for sign in [-1.0, 1.0] {
            add(Layer::LaneDivider, line(&road.centre, span, sign * k as f64 * road.lane_width), road.id, false);
        }
    }
    if road.parking > 0.0 {
        let drive = road.half - road.parking;
        add(Layer::CarparkArea, strip(&road.centre, whole, [-road.half, -drive]), road.id, false);
        add(Layer::CarparkArea, strip(&road.centre, whole, [drive, road.half]), road.id, false);
    }
}

/// Cells whose centre is inside a ring.
fn fill(ring: &[P2], [nx, ny]: [usize; 2], cells: &mut [u32], bit: u32) {
    let [low, high] = bounds(ring);
    let first = num::cell((low[0] - 0.5).ceil().max(0.0), nx).unwrap_or(nx);
    let mut cuts: Vec<f64> = Vec::new();
    for (i, row) in cells.chunks_exact_mut(ny).enumerate().skip(first) {
        let x = i as f64 + 0.5;
        if x > high[0] {
            break;
        }
        cuts.clear();
        cuts.extend(edges(ring).filter(|(a, b)| (a[0] > x) != (b[0] > x)).map(|(a, b)| a[1] + (b[1] - a[1]) * (x - a[0]) / (b[0] - a[0])));
        cuts.sort_by(f64::total_cmp);
        for pair in cuts.chunks_exact(2) {
            if let [from, to] = pair {
                let from = num::cell((from - 0.5).ceil().max(0.0), ny).unwrap_or(ny);
                let to = num::cell((to - 0.5).floor() + 1.0, ny + 1).unwrap_or(if *to < 0.5 { 0 } else { ny });
                if let Some(part) = row.get_mut(from..to.max(from)) {
                    part.iter_mut().for_each(|c| *c |= bit);
                }
            }
        }
    }
}

/// Cells whose centre is near a line.
fn draw(points: &[P2], near: f64, [nx, ny]: [usize; 2], cells: &mut [u32], bit: u32) {
    for pair in points.windows(2) {
        let [a, b] = pair else { continue };
        let [low, high] = bounds(&[*a, *b]);
        let first = num::cell((low[0] - near - 0.5).floor().max(0.0), nx).unwrap_or(nx);
        for (i, row) in cells.chunks_exact_mut(ny).enumerate().skip(first) {
            let x = i as f64 + 0.5;
            if x > high[0] + near {
                break;
            }
            let from = num::cell((low[1] - near - 0.5).floor().max(0.0), ny).unwrap_or(ny);
            for (j, c) in row.iter_mut().enumerate().skip(from) {
                let y = j as f64 + 0.5;
                if y > high[1] + near {
                    break;
                }
                if to_segment([x, y], *a, *b) <= near {
                    *c |= bit;
                }
            }
        }
    }
}
