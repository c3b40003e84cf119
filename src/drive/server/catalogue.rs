//! Which body stands behind which blueprint.
//!
//! *In / Out*: CARLA's blueprint names and the gallery's bodies. *Invariant*: every listed blueprint has a body in every town; a
//! resident's blueprint is one of the list.

use crate::carla::server::{attribute, tags};
use crate::carla::{ActorAttribute, ActorDefinition, ActorDescription, AttributeKind};
use crate::world::model::Body;
use crate::world::scene::bodies::Gallery;
use std::sync::Arc;

/// Blueprint, body, CARLA's base type, wheels.
const VEHICLES: [(&str, &str, &str, u8); 14] = [
    ("vehicle.tesla.model3", "car.sedan", "car", 4),
    ("vehicle.lincoln.mkz_2020", "car.sedan", "car", 4),
    ("vehicle.lincoln.mkz_2017", "car.sedan", "car", 4),
    ("vehicle.audi.a2", "car.hatchback", "car", 4),
    ("vehicle.audi.etron", "car.estate", "car", 4),
    ("vehicle.nissan.patrol", "car.suv", "car", 4),
    ("vehicle.mini.cooper_s", "car.small", "car", 4),
    ("vehicle.volkswagen.t2", "car.van", "van", 4),
    ("vehicle.tesla.cybertruck", "car.pickup", "car", 4),
    ("vehicle.carlamotors.carlacola", "truck.box", "truck", 4),
    ("vehicle.carlamotors.european_hgv", "truck.tipper", "truck", 4),
    ("vehicle.mitsubishi.fusorosa", "bus.city", "bus", 4),
    ("vehicle.yamaha.yzr", "motorcycle.ridden", "motorcycle", 2),
    ("vehicle.diamondback.century", "bicycle.ridden", "bicycle", 2),
];
const PROPS: [(&str, &str); 2] = [("static.prop.trafficcone01", "cone"), ("static.prop.streetbarrier", "barrier")];
/// Walkers of the list; people of the gallery in turn.
const WALKERS: usize = 12;

fn fixed(id: &str, kind: AttributeKind, value: &str) -> ActorAttribute {
    ActorAttribute { is_modifiable: false, ..attribute(id, kind, value) }
}

fn chosen(id: &str, kind: AttributeKind, values: &[&str]) -> ActorAttribute {
    let recommended = values.iter().map(|v| (*v).to_owned()).collect();
    ActorAttribute { recommended, ..attribute(id, kind, values.first().copied().unwrap_or_default()) }
}

/// Blueprints of everything with a body.
pub(crate) fn blueprints() -> Vec<ActorDefinition> {
    let blueprint = |id: &str, attributes| ActorDefinition { uid: 0, id: id.to_owned(), tags: tags(id), attributes };
    let vehicle = |(id, _, base, wheels): &(&str, &str, &str, u8)| {
        let attributes = vec![
            fixed("number_of_wheels", AttributeKind::Int, &wheels.to_string()),
            fixed("base_type", AttributeKind::String, base),
            fixed("generation", AttributeKind::Int, "2"),
            fixed("special_type", AttributeKind::String, ""),
            fixed("has_lights", AttributeKind::Bool, "true"),
            fixed("object_type", AttributeKind::String, ""),
            chosen("color", AttributeKind::Color, &["40,60,140", "180,30,30", "235,235,235", "25,25,28", "120,125,130"]),
            attribute("sticky_control", AttributeKind::Bool, "true"),
            attribute("role_name", AttributeKind::String, "autopilot"),
        ];
        blueprint(id, attributes)
    };
    let walker = |n: usize| {
        let attributes = vec![
            fixed("generation", AttributeKind::Int, "2"),
            fixed("gender", AttributeKind::String, "other"),
            fixed("age", AttributeKind::String, "adult"),
            chosen("speed", AttributeKind::Float, &["0.0", "1.4", "2.6"]),
            attribute("is_invincible", AttributeKind::Bool, "true"),
            attribute("role_name", AttributeKind::String, "pedestrian"),
        ];
        blueprint(&walker_name(n), attributes)
    };
    let prop = |(id, _): &(&str, &str)| blueprint(id, vec![attribute("role_name", AttributeKind::String, "prop")]);
    VEHICLES.iter().map(vehicle).chain((0..WALKERS).map(walker)).chain(PROPS.iter().map(prop)).collect()
}

fn walker_name(n: usize) -> String {
    format!("walker.pedestrian.{:04}", n + 1)
}

/// The body of a blueprint.
pub(crate) fn body(gallery: &Gallery, id: &str) -> Option<Arc<Body>> {
    if let Some(number) = id.strip_prefix("walker.pedestrian.").and_then(|n| n.parse::<usize>().ok()) {
        let count = gallery.people.len().max(1);
        return gallery.people.get(number.saturating_sub(1) % count).map(|p| p.stand.clone());
    }
    let name = VEHICLES.iter().map(|v| (v.0, v.1)).chain(PROPS).find(|(blueprint, _)| *blueprint == id)?.1;
    let single = [&gallery.bus, &gallery.motorcycle, &gallery.bicycle, &gallery.cone, &gallery.barrier];
    let found = gallery.cars.iter().chain(&gallery.trucks).chain(single).find(|b| b.name.contains(name));
    found.cloned()
}

/// What a body of the world is called to clients.
pub(crate) fn described(body: &Body, paint: [u8; 3], id: u32) -> ActorDescription {
    let listed = VEHICLES.iter().find(|v| v.1 == body.name).map(|v| v.0.to_owned());
    let name = listed.unwrap_or_else(|| {
        let n = crate::types::num::usize(id) % WALKERS;
        if body.class == Some("pedestrian") { walker_name(n) } else { format!("vehicle.{}", body.name) }
    });
    let [r, g, b] = paint;
    let value = |id: &str, kind, value: String| crate::carla::ActorAttributeValue { id: id.to_owned(), kind, value };
    let wheels = VEHICLES.iter().find(|v| v.0 == name).map(|v| value("number_of_wheels", AttributeKind::Int, v.3.to_string()));
    let mut attributes =
        vec![value("role_name", AttributeKind::String, "world".into()), value("color", AttributeKind::Color, format!("{r},{g},{b}"))];
    attributes.extend(wheels);
    ActorDescription { uid: 0, id: name, attributes }
}

/// The semantic tag of a body.
pub(crate) fn tag(body: &Body) -> u8 {
    match body.class {
        Some("car") => 14,
        Some("truck" | "construction_vehicle" | "trailer") => 15,
        Some("bus") => 16,
        Some("motorcycle") => 18,
        Some("bicycle") => 19,
        Some("pedestrian") => 12,
        _ => 21,
    }
}

/// What CARLA would call a fixed obstacle of this class.
pub(crate) fn fixed_name(class: Option<&str>) -> (&'static str, u8) {
    match class {
        Some("car" | "truck" | "bus" | "trailer" | "construction_vehicle" | "motorcycle" | "bicycle") => ("static.vehicle", 14),
        Some(_) => ("static.prop", 21),
        None => ("static.static", 20),
    }
}
