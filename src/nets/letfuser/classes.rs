//! What the classes of the segmentation and the layers of the map mean: CARLA's table up to 0.9.13, with its colours.
//!
//! *Invariant*: a [`ClassList`] has exactly as many classes as were asked for.

use crate::types::{ClassList, num};

const CARLA: [(&str, [u8; 3]); 23] = [
    ("none", [0, 0, 0]),
    ("building", [70, 70, 70]),
    ("fence", [100, 40, 40]),
    ("other", [55, 90, 80]),
    ("pedestrian", [220, 20, 60]),
    ("pole", [153, 153, 153]),
    ("road_line", [157, 234, 50]),
    ("road", [128, 64, 128]),
    ("sidewalk", [244, 35, 232]),
    ("vegetation", [107, 142, 35]),
    ("vehicle", [0, 0, 142]),
    ("wall", [102, 102, 156]),
    ("traffic_sign", [220, 220, 0]),
    ("sky", [70, 130, 180]),
    ("ground", [81, 0, 81]),
    ("bridge", [150, 100, 100]),
    ("rail_track", [230, 150, 140]),
    ("guard_rail", [180, 165, 180]),
    ("traffic_light", [250, 170, 30]),
    ("static", [110, 190, 160]),
    ("dynamic", [170, 120, 50]),
    ("water", [45, 60, 150]),
    ("terrain", [145, 170, 100]),
];

/// Names and colours of `count` classes; beyond CARLA's 23 they are numbered.
pub fn class_list(count: usize) -> ClassList {
    let numbered =
        |index: usize| (format!("class_{index}"), [num::level((index * 37 % 256) as f32), 128, num::level((index * 91 % 256) as f32)]);
    let named = |index: usize| CARLA.get(index).map_or_else(|| numbered(index), |(name, colour)| ((*name).to_owned(), *colour));
    ClassList { classes: (0..count).map(named).collect() }
}

#[cfg(test)]
mod tests {
    #[test]
    fn roads_are_seven() {
        let list = super::class_list(24).classes;
        assert_eq!((list.len(), list[7].0.as_str(), list[23].0.as_str()), (24, "road", "class_23"));
    }
}
