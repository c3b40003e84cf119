//! The JSON of a map expansion.
//!
//! *In*: bytes. *Out*: [`VectorMap`]. *Invariant*: a record whose geometry is not there is left out and noted, by layer, token and field.

use super::{AREAS, Area, Feature, LINES, Path, VectorMap, clip};
use crate::formats::nuscenes::fault::{Fault, FaultKind as K, Faults};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// The oldest version that is read.
const VERSION: f64 = 1.3;
/// Tables beside the layers.
const TABLES: [&str; 5] = ["polygon", "line", "node", "arcline_path_3", "connectivity"];

struct Parser<'p> {
    file: &'p str,
    faults: &'p mut Faults,
    nodes: HashMap<String, [f64; 2]>,
    polygons: HashMap<String, Area>,
    lines: HashMap<String, Path>,
}

impl VectorMap {
    /// Reads a map; what is wrong is noted in `faults` under the name `file`.
    pub fn read(bytes: &[u8], file: &str, faults: &mut Faults) -> Self {
        let root: Map<String, Value> = match serde_json::from_slice(bytes) {
            Ok(root) => root,
            Err(e) => {
                faults.add(Fault::new(K::BadJson, file, "a map as JSON", e.to_string()));
                return Self::default();
            }
        };
        let version = root.get("version").map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).unwrap_or_default();
        if version.parse::<f64>().is_ok_and(|v| v < VERSION) || version.is_empty() {
            faults.add(Fault::new(K::MapVersion, file, format!("version {VERSION} or later"), format!("`{version}`")).field("version"));
        }
        for name in AREAS.iter().chain(&LINES).chain(&TABLES) {
            if !root.contains_key(*name) {
                faults.add(Fault::new(K::MissingField, file, format!("a layer `{name}`"), "none").field(*name));
            }
        }
        let mut parser = Parser { file, faults, nodes: HashMap::new(), polygons: HashMap::new(), lines: HashMap::new() };
        parser.geometry(&root);
        let mut map = Self::default();
        let edge = root.get("canvas_edge").and_then(Value::as_array);
        let metres = |at: usize| edge.and_then(|e| e.get(at)).and_then(Value::as_f64).unwrap_or(0.0);
        map.canvas = [metres(0), metres(1)];
        for name in AREAS.iter().chain(&LINES) {
            let layer = map.layers.entry(name).or_default();
            for record in records(&root, name) {
                layer.push(parser.feature(name, record));
            }
        }
        if let Some(lanes) = root.get("connectivity").and_then(Value::as_object) {
            let tokens = |lane: &Value, key: &str| lane.get(key).map(texts).unwrap_or_default();
            map.connectivity = lanes.iter().map(|(t, lane)| (t.clone(), [tokens(lane, "incoming"), tokens(lane, "outgoing")])).collect();
        }
        map
    }
}

fn records<'v>(root: &'v Map<String, Value>, name: &str) -> impl Iterator<Item = &'v Value> {
    root.get(name).and_then(Value::as_array).into_iter().flatten()
}
fn text<'v>(record: &'v Value, key: &str) -> &'v str {
    record.get(key).and_then(Value::as_str).unwrap_or_default()
}
fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

impl Parser<'_> {
    fn geometry(&mut self, root: &Map<String, Value>) {
        for node in records(root, "node") {
            let metres = |key: &str| node.get(key).and_then(Value::as_f64).unwrap_or(f64::NAN);
            let point = [metres("x"), metres("y")];
            if !point.iter().all(|v| v.is_finite()) {
                let fault = Fault::new(K::NonFinite, self.file, "finite coordinates", format!("{point:?}"));
                self.faults.add(fault.of(text(node, "token")).field("node"));
            }
            self.nodes.insert(text(node, "token").to_owned(), point);
        }
        for record in records(root, "polygon") {
            let outer = self.path(record, "polygon", record.get("exterior_node_tokens"), "exterior_node_tokens");
            let holes = record.get("holes").and_then(Value::as_array).into_iter().flatten();
            let holes: Vec<Path> = holes.map(|h| self.path(record, "polygon", h.get("node_tokens"), "holes.node_tokens")).collect();
            let simple = clip::simple(&outer) && holes.iter().all(|h| clip::simple(h));
            self.polygons.insert(text(record, "token").to_owned(), Area { outer, holes, simple });
        }
        for record in records(root, "line") {
            let path = self.path(record, "line", record.get("node_tokens"), "node_tokens");
            self.lines.insert(text(record, "token").to_owned(), path);
        }
    }

    fn dangling(&mut self, record: &Value, layer: &str, field: &str, table: &str, token: &str) {
        let fault = Fault::new(K::DanglingToken, self.file, format!("a record of table {table}"), format!("none with token `{token}`"));
        self.faults.add(fault.of(text(record, "token")).field(format!("{layer}.{field}")));
    }

    fn path(&mut self, record: &Value, table: &str, tokens: Option<&Value>, field: &str) -> Path {
        let mut path = Path::new();
        for token in tokens.map(texts).unwrap_or_default() {
            match self.nodes.get(&token) {
                Some(point) => path.push(*point),
                None => self.dangling(record, table, field, "node", &token),
            }
        }
        path.retain(|p| p.iter().all(|v| v.is_finite()));
        path
    }

    fn feature(&mut self, layer: &str, record: &Value) -> Feature {
        let (mut areas, mut line) = (Vec::new(), Path::new());
        let several = record.get("polygon_tokens").map(texts).unwrap_or_default();
        let single = record.get("polygon_token").and_then(Value::as_str).map(str::to_owned);
        for token in several.into_iter().chain(single) {
            match self.polygons.get(&token) {
                Some(area) => areas.push(area.clone()),
                None => self.dangling(record, layer, "polygon_token", "polygon", &token),
            }
        }
        if LINES.contains(&layer) {
            match self.lines.get(text(record, "line_token")) {
                Some(path) => line.clone_from(path),
                None => self.dangling(record, layer, "line_token", "line", text(record, "line_token")),
            }
        }
        let plain = |(key, value): (&String, &Value)| match value {
            Value::String(text) if key != "token" => Some((key.clone(), text.clone())),
            Value::Bool(_) | Value::Number(_) => Some((key.clone(), value.to_string())),
            _ => None,
        };
        let fields = record.as_object().into_iter().flatten().filter_map(plain).collect();
        Feature { token: text(record, "token").to_owned(), areas, line, fields }
    }
}
