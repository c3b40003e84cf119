//! Which raw category belongs to which class, and how far a class is scored.
//!
//! *In*: names of categories, places of classes. *Out*: places of classes, metres. *Invariant*: a category without a class is `None`.

use crate::formats::nuscenes::{DETECTION_CLASSES, ResultKind};

/// Raw categories and their detection class.
const OF_CATEGORY: [(&str, &str); 14] = [
    ("movable_object.barrier", "barrier"),
    ("vehicle.bicycle", "bicycle"),
    ("vehicle.bus.bendy", "bus"),
    ("vehicle.bus.rigid", "bus"),
    ("vehicle.car", "car"),
    ("vehicle.construction", "construction_vehicle"),
    ("vehicle.motorcycle", "motorcycle"),
    ("human.pedestrian.adult", "pedestrian"),
    ("human.pedestrian.child", "pedestrian"),
    ("human.pedestrian.construction_worker", "pedestrian"),
    ("human.pedestrian.police_officer", "pedestrian"),
    ("movable_object.trafficcone", "traffic_cone"),
    ("vehicle.trailer", "trailer"),
    ("vehicle.truck", "truck"),
];

/// The category whose boxes hide the cycles inside them.
pub const BICYCLE_RACK: &str = "static_object.bicycle_rack";

/// The place of a category's class among the classes of a task.
pub fn of_category(category: &str, kind: ResultKind) -> Option<u8> {
    let (_, class) = OF_CATEGORY.iter().find(|(c, _)| *c == category)?;
    (0_u8..).zip(kind.classes()).find(|(_, c)| *c == class).map(|(place, _)| place)
}

/// How far from the vehicle a class is scored, metres.
pub fn range_m(class: &str) -> f64 {
    match class {
        "pedestrian" | "motorcycle" | "bicycle" => 40.0,
        "traffic_cone" | "barrier" => 30.0,
        _ => 50.0,
    }
}

/// Whether a bicycle rack hides objects of this class.
pub fn hidden_by_racks(class: &str) -> bool {
    matches!(class, "bicycle" | "motorcycle")
}

/// The name of a detection class by its place.
pub fn name(place: u8) -> &'static str {
    DETECTION_CLASSES.get(usize::from(place)).copied().unwrap_or("?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_classes_have_categories_and_seven_are_tracked() {
        let classes = |kind| OF_CATEGORY.iter().filter_map(|(c, _)| of_category(c, kind)).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(classes(ResultKind::Detection).len(), 10);
        assert_eq!(classes(ResultKind::Tracking).len(), 7);
        assert_eq!(of_category("animal", ResultKind::Detection), None);
    }
}
