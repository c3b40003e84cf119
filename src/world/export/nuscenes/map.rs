//! The town as a map expansion (version 1.3): nodes, lines, polygons, and the layers made of them.
//!
//! *In*: a town. *Out*: the JSON of `maps/expansion/LOCATION.json`. *Frames*: metres from the map's south-west corner, which lies outside of
//! everything. *Invariant*: every layer that the public reader wants is there, and every token that is named exists.

use super::rows::token;
use crate::world::scene::{Curve, Feature, Lane, Layer, Light, P2, Road, Rule, Town};
use serde_json::{Map, Value, json};

/// Room around the streets: yards, and what is seen from the outermost street, metres.
const MARGIN: f64 = 100.0;
/// Distance of nodes along a line at most, and of the chord from the arc, metres.
const STEP: f64 = 6.0;
const ERROR: f64 = 0.03;
/// Radius that stands for a straight line.
const STRAIGHT: f64 = 999.999;

/// The map's origin in the world.
pub(super) fn south_west(town: &Town) -> P2 {
    let [low, _] = town.bounds();
    low.map(|v| (v - MARGIN).floor())
}
/// Width and height of the map, metres.
pub(super) fn size(town: &Town) -> P2 {
    let ([low_x, low_y], [_, [x, y]]) = (south_west(town), town.bounds());
    [(x + MARGIN - low_x).ceil(), (y + MARGIN - low_y).ceil()]
}

struct Builder<'t> {
    town: &'t Town,
    shift: P2,
    nodes: Vec<Value>,
    lines: Vec<Value>,
    polygons: Vec<Value>,
    layers: Map<String, Value>,
}

/// The whole file.
pub(super) fn expansion(town: &Town, shift: P2) -> Value {
    let layers = Map::new();
    let mut builder = Builder { town, shift, nodes: Vec::new(), lines: Vec::new(), polygons: Vec::new(), layers };
    builder.areas();
    builder.roads();
    let (arcs, connectivity) = builder.lanes();
    builder.lights();
    let Builder { nodes, lines, polygons, layers, .. } = builder;
    let mut file = Map::new();
    file.insert("polygon".into(), Value::Array(polygons));
    file.insert("line".into(), Value::Array(lines));
    file.insert("node".into(), Value::Array(nodes));
    file.extend(layers);
    file.insert("version".into(), json!("1.3"));
    file.insert("canvas_edge".into(), json!(size(town)));
    file.insert("arcline_path_3".into(), Value::Object(arcs));
    file.insert("connectivity".into(), Value::Object(connectivity));
    Value::Object(file)
}

fn place(layer: &str, at: usize) -> String {
    token(&[layer, &at.to_string()])
}
/// The road segment that a road or junction is.
fn segment(of: usize, junction: bool) -> String {
    place(if junction { "segment.junction" } else { "segment.road" }, of)
}
fn along(curve: &Curve, left: f64) -> Vec<P2> {
    curve.sample(STEP, ERROR).into_iter().map(|s| curve.at(s).beside(left)).collect()
}
/// The ground between two lines beside a curve, counter-clockwise.
fn strip(curve: &Curve, right: f64, left: f64) -> Vec<P2> {
    along(curve, right).into_iter().chain(along(curve, left).into_iter().rev()).collect()
}

impl Builder<'_> {
    fn put(&mut self, layer: &str, record: Value) {
        if let Some(list) = self.layers.entry(layer).or_insert_with(|| json!([])).as_array_mut() {
            list.push(record);
        }
    }
    fn path(&mut self, name: &str, points: &[P2]) -> Vec<String> {
        let mut tokens = Vec::with_capacity(points.len());
        for (at, [x, y]) in points.iter().enumerate() {
            let token = token(&["node", name, &at.to_string()]);
            let [x, y] = [x - self.shift[0], y - self.shift[1]].map(|v| (v * 1e4).round() / 1e4);
            self.nodes.push(json!({ "token": token, "x": x, "y": y }));
            tokens.push(token);
        }
        tokens
    }
    fn polygon(&mut self, name: &str, points: &[P2]) -> String {
        let (token, nodes) = (token(&["polygon", name]), self.path(&format!("polygon {name}"), points));
        self.polygons.push(json!({ "token": token, "exterior_node_tokens": nodes, "holes": [] }));
        token
    }
    fn line(&mut self, name: &str, points: &[P2]) -> (String, Vec<String>) {
        let (token, nodes) = (token(&["line", name]), self.path(&format!("line {name}"), points));
        self.lines.push(json!({ "token": token, "node_tokens": nodes }));
        (token, nodes)
    }

    /// Layers of the town's own map.
    fn areas(&mut self) {
        for layer in Layer::ALL {
            self.layers.insert(layer.name().into(), json!([]));
        }
        for (at, feature) in self.town.map.features.iter().enumerate() {
            self.feature(at, feature);
        }
    }
    fn feature(&mut self, at: usize, feature: &Feature) {
        let (name, token) = (feature.layer.name(), place(feature.layer.name(), at));
        let unique = format!("{name} {at}");
        let nowhere = String::new();
        let record = match feature.layer {
            Layer::DrivableArea => {
                let polygon = self.polygon(&unique, &feature.points);
                let segment = segment(feature.of, feature.junction);
                self.put(
                    "road_segment",
                    json!({ "token": segment, "polygon_token": polygon, "is_intersection": feature.junction, "drivable_area_token": token }),
                );
                json!({ "token": token, "polygon_tokens": [polygon] })
            }
            Layer::PedCrossing => {
                let road = self.town.network.crossings.get(feature.of).map_or(0, |c| c.road);
                let polygon = self.polygon(&unique, &feature.points);
                json!({ "token": token, "polygon_token": polygon, "road_segment_token": segment(road, false) })
            }
            Layer::Walkway => json!({ "token": token, "polygon_token": self.polygon(&unique, &feature.points) }),
            Layer::StopLine => {
                let polygon = self.polygon(&unique, &feature.points);
                let lane = self.town.network.lane(feature.of);
                let (kind, lights) = match lane.map(|l| l.rule) {
                    Some(Rule::Light(light)) => ("TRAFFIC_LIGHT", vec![place("traffic_light", light)]),
                    Some(Rule::Stop) => ("STOP_SIGN", vec![]),
                    _ => ("YIELD", vec![]),
                };
                json!({ "token": token, "polygon_token": polygon, "stop_line_type": kind, "ped_crossing_tokens": [],
                    "traffic_light_tokens": lights, "road_block_token": lane.map_or(nowhere, block_of) })
            }
            Layer::CarparkArea => {
                let polygon = self.polygon(&unique, &feature.points);
                let heading = match feature.points.as_slice() {
                    [[ax, ay], [bx, by], ..] => (by - ay).atan2(bx - ax),
                    _ => 0.0,
                };
                json!({ "token": token, "polygon_token": polygon, "orientation": heading, "road_block_token": nowhere })
            }
            Layer::RoadDivider => {
                let (line, _) = self.line(&unique, &feature.points);
                json!({ "token": token, "line_token": line, "road_segment_token": segment(feature.of, false) })
            }
            Layer::LaneDivider => {
                let (line, nodes) = self.line(&unique, &feature.points);
                json!({ "token": token, "line_token": line, "lane_divider_segments": segments(&nodes, "DASHED_WHITE") })
            }
        };
        self.put(name, record);
    }

    /// A block for each direction of a road.
    fn roads(&mut self) {
        for layer in ["road_segment", "road_block"] {
            self.layers.entry(layer).or_insert_with(|| json!([]));
        }
        for road in &self.town.network.roads {
            for (forward, curve) in [(true, road.centre.clone()), (false, road.centre.reversed())] {
                self.block(road, forward, &curve);
            }
        }
    }
    fn block(&mut self, road: &Road, forward: bool, curve: &Curve) {
        let name = format!("block {} {forward}", road.id);
        let polygon = self.polygon(&name, &strip(curve, -road.half, 0.0));
        let edges = self.edges(&name, curve, -road.half, 0.0);
        self.put(
            "road_block",
            json!({ "token": block(road.id, forward), "polygon_token": polygon, "from_edge_line_token": edges[0],
                "to_edge_line_token": edges[1], "road_segment_token": segment(road.id, false) }),
        );
    }
    /// Lines across a curve at its start and its end.
    fn edges(&mut self, name: &str, curve: &Curve, right: f64, left: f64) -> [String; 2] {
        [("from", 0.0), ("to", curve.length())].map(|(end, s)| {
            let here = curve.at(s);
            self.line(&format!("{name} {end}"), &[here.beside(left), here.beside(right)]).0
        })
    }

    /// Lanes and connections, their centre lines, and which leads to which.
    fn lanes(&mut self) -> (Map<String, Value>, Map<String, Value>) {
        let (mut arcs, mut connectivity) = (Map::new(), Map::new());
        for layer in ["lane", "lane_connector"] {
            self.layers.insert(layer.into(), json!([]));
        }
        let lanes = &self.town.network.lanes;
        for lane in lanes {
            let (token, name, half) = (lane_token(lane), format!("lane {}", lane.id), lane.width / 2.0);
            let polygon = self.polygon(&name, &strip(&lane.centre, -half, half));
            if lane.junction.is_some() {
                self.put("lane_connector", json!({ "token": token, "polygon_token": polygon }));
            } else {
                let [from, to] = self.edges(&name, &lane.centre, -half, half);
                let mut side = |which: &str, left: f64, kind: &str| {
                    let nodes = self.path(&format!("{name} {which}"), &along(&lane.centre, left));
                    segments(&nodes, kind)
                };
                let inner = if lane.left.is_some() { "DASHED_WHITE" } else { "DOUBLE_SOLID_WHITE" };
                let outer = if lane.right.is_some() { "DASHED_WHITE" } else { "SINGLE_SOLID_WHITE" };
                let (left, right) = (side("left", half, inner), side("right", -half, outer));
                self.put(
                    "lane",
                    json!({ "token": token, "polygon_token": polygon, "lane_type": "CAR", "from_edge_line_token": from,
                        "to_edge_line_token": to, "left_lane_divider_segments": left, "right_lane_divider_segments": right }),
                );
            }
            let tokens = |ids: &[usize]| ids.iter().filter_map(|id| lanes.get(*id)).map(lane_token).collect::<Vec<_>>();
            connectivity.insert(token.clone(), json!({ "incoming": tokens(&lane.previous), "outgoing": tokens(&lane.next) }));
            arcs.insert(token, self.arcs(&lane.centre));
        }
        (arcs, connectivity)
    }
    /// A curve as arc-line paths: each of its pieces is one, of which only one segment has a length.
    fn arcs(&self, curve: &Curve) -> Value {
        let pose = |s: crate::world::scene::Station| json!([s.x - self.shift[0], s.y - self.shift[1], s.heading]);
        let pieces = curve.pieces().iter().filter(|p| p.length > 1e-6).map(|p| {
            let k = p.start.curvature;
            let (shape, radius, lengths) = match k {
                k if k.abs() < 1e-9 => ("LSR", STRAIGHT, [0.0, p.length, 0.0]),
                k if k > 0.0 => ("LSR", 1.0 / k, [p.length, 0.0, 0.0]),
                _ => ("RSL", -1.0 / k, [p.length, 0.0, 0.0]),
            };
            json!({ "start_pose": pose(p.start), "end_pose": pose(p.at(p.length)), "shape": shape, "radius": radius, "segment_length": lengths })
        });
        pieces.collect()
    }

    fn lights(&mut self) {
        self.layers.insert("traffic_light".into(), json!([]));
        for light in &self.town.network.lights {
            self.light(light);
        }
    }
    fn light(&mut self, light: &Light) {
        let lane = light.lanes.first().and_then(|l| self.town.network.lane(*l));
        let shown = light.instances.first().and_then(|id| self.town.scene.statics.get(crate::types::num::usize(id.checked_sub(1)?)));
        let (Some(lane), Some(shown)) = (lane, shown) else { return };
        let (at, [_, _, yaw]) = (shown.pose.translation, <[f64; 3]>::from(shown.pose.rotation.euler_angles()));
        let (sin, cos) = yaw.sin_cos();
        let height = shown.body.size[2];
        let (line, _) = self.line(&format!("light {}", light.id), &[[at.x, at.y], [at.x + 0.3 * cos, at.y + 0.3 * sin]]);
        let [x, y] = [at.x - self.shift[0], at.y - self.shift[1]];
        let lamp = |(colour, up): (&str, f64)| {
            json!({ "color": colour, "shape": "CIRCLE", "to_road_block_tokens": [],
                "rel_pos": { "tx": 0.0, "ty": 0.0, "tz": up, "rx": 0.0, "ry": 0.0, "rz": 0.0 } })
        };
        let items: Vec<Value> = [("RED", 0.6), ("YELLOW", 0.3), ("GREEN", 0.0)].map(lamp).into();
        self.put(
            "traffic_light",
            json!({ "token": place("traffic_light", light.id), "line_token": line, "traffic_light_type": "VERTICAL",
                "from_road_block_token": block_of(lane), "items": items,
                "pose": { "tx": x, "ty": y, "tz": at.z + height - 1.0, "rx": 0.0, "ry": 0.0, "rz": yaw } }),
        );
    }
}

fn lane_token(lane: &Lane) -> String {
    place("lane", lane.id)
}
fn block(road: usize, forward: bool) -> String {
    place(if forward { "block.forward" } else { "block.backward" }, road)
}
/// The block that a road's lane lies in.
fn block_of(lane: &Lane) -> String {
    block(lane.road, lane.number < 0)
}
fn segments(nodes: &[String], kind: &str) -> Vec<Value> {
    nodes.iter().map(|n| json!({ "node_token": n, "segment_type": kind })).collect()
}
