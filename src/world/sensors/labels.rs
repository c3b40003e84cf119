//! Names, colours and numberings of what surfaces are.
//!
//! *In*: [`Tag`]s: CARLA's table of 0.9.14 and later. *Out*: the same in other numberings. *Invariant*: every tag has a number in every
//! numbering; what the other table does not know becomes its nearest class or its "unlabelled".
//!
//! | tag | older CARLA (0.9.10 to 0.9.13) | nuScenes lidarseg challenge | MFNet |
//! |---|---|---|---|
//! | roads, ground | 7 road, 14 ground | 11 driveable surface, 12 other flat | 0 |
//! | side walks, terrain | 8, 22 | 13 side walk, 14 terrain | 0 |
//! | building, wall, fence, pole, lights, signs, bridge | 1, 11, 2, 5, 18, 12, 15 | 15 manmade | 0 |
//! | guard rail | 17 | 15 manmade | 6 guardrail |
//! | vegetation | 9 | 16 | 0 |
//! | pedestrian, rider | 4 | 7 pedestrian | 2 person |
//! | car, truck, bus, train | 10 vehicle | 4, 10, 3, 0 | 1 car |
//! | motorcycle, bicycle | 10 vehicle | 6, 2 | 3 bike |
//! | static, dynamic, other | 19, 20, 3 | 0, 0, 12 | 0 |
//!
//! Cones, barriers, trailers and construction vehicles have no tag of their own; where the instance's detection class is known,
//! [`Numbering::of`] uses it.

use crate::types::ClassList;
use crate::world::model::Tag;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Which table labels are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Numbering {
    /// CARLA 0.9.14 and later, 29 classes.
    #[default]
    Carla,
    /// CARLA 0.9.10 to 0.9.13, 23 classes: what LeTFuser was trained on.
    CarlaOld,
    /// The lidarseg challenge of nuScenes, 0 (ignored) to 16.
    Lidarseg,
    /// MFNet's nine, also those of MSRS.
    Mfnet,
}

/// Tag, name and colour in CARLA's table, in the order of its numbers.
const TAGS: [(Tag, &str, [u8; 3]); 29] = [
    (Tag::Unlabeled, "unlabeled", [0, 0, 0]),
    (Tag::Roads, "roads", [128, 64, 128]),
    (Tag::SideWalks, "sidewalks", [244, 35, 232]),
    (Tag::Building, "building", [70, 70, 70]),
    (Tag::Wall, "wall", [102, 102, 156]),
    (Tag::Fence, "fence", [190, 153, 153]),
    (Tag::Pole, "pole", [153, 153, 153]),
    (Tag::TrafficLight, "traffic light", [250, 170, 30]),
    (Tag::TrafficSign, "traffic sign", [220, 220, 0]),
    (Tag::Vegetation, "vegetation", [107, 142, 35]),
    (Tag::Terrain, "terrain", [152, 251, 152]),
    (Tag::Sky, "sky", [70, 130, 180]),
    (Tag::Pedestrian, "pedestrian", [220, 20, 60]),
    (Tag::Rider, "rider", [255, 0, 0]),
    (Tag::Car, "car", [0, 0, 142]),
    (Tag::Truck, "truck", [0, 0, 70]),
    (Tag::Bus, "bus", [0, 60, 100]),
    (Tag::Train, "train", [0, 80, 100]),
    (Tag::Motorcycle, "motorcycle", [0, 0, 230]),
    (Tag::Bicycle, "bicycle", [119, 11, 32]),
    (Tag::Static, "static", [110, 190, 160]),
    (Tag::Dynamic, "dynamic", [170, 120, 50]),
    (Tag::Other, "other", [55, 90, 80]),
    (Tag::Water, "water", [45, 60, 150]),
    (Tag::RoadLine, "road line", [157, 234, 50]),
    (Tag::Ground, "ground", [81, 0, 81]),
    (Tag::Bridge, "bridge", [150, 100, 100]),
    (Tag::RailTrack, "rail track", [230, 150, 140]),
    (Tag::GuardRail, "guard rail", [180, 165, 180]),
];

/// The older table: name and colour by number.
const OLD: [(&str, [u8; 3]); 23] = [
    ("none", [0, 0, 0]),
    ("building", [70, 70, 70]),
    ("fences", [100, 40, 40]),
    ("other", [55, 90, 80]),
    ("pedestrian", [220, 20, 60]),
    ("pole", [153, 153, 153]),
    ("road lines", [157, 234, 50]),
    ("road", [128, 64, 128]),
    ("sidewalk", [244, 35, 232]),
    ("vegetation", [107, 142, 35]),
    ("vehicle", [0, 0, 142]),
    ("wall", [102, 102, 156]),
    ("traffic sign", [220, 220, 0]),
    ("sky", [70, 130, 180]),
    ("ground", [81, 0, 81]),
    ("bridge", [150, 100, 100]),
    ("rail track", [230, 150, 140]),
    ("guard rail", [180, 165, 180]),
    ("traffic light", [250, 170, 30]),
    ("static", [110, 190, 160]),
    ("dynamic", [170, 120, 50]),
    ("water", [45, 60, 150]),
    ("terrain", [145, 170, 100]),
];

const LIDARSEG: [(&str, [u8; 3]); 17] = [
    ("ignored", [0, 0, 0]),
    ("barrier", [112, 128, 144]),
    ("bicycle", [220, 20, 60]),
    ("bus", [255, 127, 80]),
    ("car", [255, 158, 0]),
    ("construction_vehicle", [233, 150, 70]),
    ("motorcycle", [255, 61, 99]),
    ("pedestrian", [0, 0, 230]),
    ("traffic_cone", [47, 79, 79]),
    ("trailer", [255, 140, 0]),
    ("truck", [255, 99, 71]),
    ("driveable_surface", [0, 207, 191]),
    ("other_flat", [175, 0, 75]),
    ("sidewalk", [75, 0, 75]),
    ("terrain", [112, 180, 60]),
    ("manmade", [222, 184, 135]),
    ("vegetation", [0, 175, 0]),
];

const MFNET: [(&str, [u8; 3]); 9] = [
    ("unlabelled", [0, 0, 0]),
    ("car", [64, 0, 128]),
    ("person", [64, 64, 0]),
    ("bike", [0, 128, 192]),
    ("curve", [0, 0, 192]),
    ("car stop", [128, 128, 0]),
    ("guardrail", [64, 64, 128]),
    ("colour cone", [192, 128, 128]),
    ("bump", [192, 64, 0]),
];

/// The colour of a tag in CARLA's pictures.
pub fn tag_colour(tag: Tag) -> [u8; 3] {
    TAGS.iter().find(|(t, ..)| *t == tag).map_or([0; 3], |(.., colour)| *colour)
}

/// Names and colours of a numbering.
pub fn class_list(numbering: Numbering) -> Arc<ClassList> {
    let owned = |list: &[(&str, [u8; 3])]| list.iter().map(|(name, colour)| ((*name).to_owned(), *colour)).collect();
    let classes = match numbering {
        Numbering::Carla => TAGS.iter().map(|(_, name, colour)| ((*name).to_owned(), *colour)).collect(),
        Numbering::CarlaOld => owned(&OLD),
        Numbering::Lidarseg => owned(&LIDARSEG),
        Numbering::Mfnet => owned(&MFNET),
    };
    Arc::new(ClassList { classes })
}

impl Numbering {
    /// The number of a surface: by its tag and, where it says more, the detection class of its instance.
    pub fn of(self, tag: Tag, class: Option<&str>) -> u16 {
        match self {
            Self::Carla => u16::from(tag as u8),
            Self::CarlaOld => old(tag),
            Self::Lidarseg => lidarseg(tag, class),
            Self::Mfnet => mfnet(tag, class),
        }
    }
}

const fn old(tag: Tag) -> u16 {
    match tag {
        Tag::Unlabeled => 0,
        Tag::Building => 1,
        Tag::Fence => 2,
        Tag::Other => 3,
        Tag::Pedestrian | Tag::Rider => 4,
        Tag::Pole => 5,
        Tag::RoadLine => 6,
        Tag::Roads => 7,
        Tag::SideWalks => 8,
        Tag::Vegetation => 9,
        Tag::Car | Tag::Truck | Tag::Bus | Tag::Train | Tag::Motorcycle | Tag::Bicycle => 10,
        Tag::Wall => 11,
        Tag::TrafficSign => 12,
        Tag::Sky => 13,
        Tag::Ground => 14,
        Tag::Bridge => 15,
        Tag::RailTrack => 16,
        Tag::GuardRail => 17,
        Tag::TrafficLight => 18,
        Tag::Static => 19,
        Tag::Dynamic => 20,
        Tag::Water => 21,
        Tag::Terrain => 22,
    }
}

fn lidarseg(tag: Tag, class: Option<&str>) -> u16 {
    let by_class = class.and_then(|c| LIDARSEG.iter().position(|(name, _)| *name == c));
    if let Some(number) = by_class.and_then(|n| u16::try_from(n).ok()) {
        return number;
    }
    match tag {
        Tag::Unlabeled | Tag::Sky | Tag::Train | Tag::Static | Tag::Dynamic => 0,
        Tag::Bicycle => 2,
        Tag::Bus => 3,
        Tag::Car => 4,
        Tag::Motorcycle => 6,
        Tag::Pedestrian | Tag::Rider => 7,
        Tag::Truck => 10,
        Tag::Roads | Tag::RoadLine => 11,
        Tag::Ground | Tag::RailTrack | Tag::Water | Tag::Other => 12,
        Tag::SideWalks => 13,
        Tag::Terrain => 14,
        Tag::Building | Tag::Wall | Tag::Fence | Tag::Pole | Tag::TrafficLight | Tag::TrafficSign | Tag::Bridge | Tag::GuardRail => 15,
        Tag::Vegetation => 16,
    }
}

fn mfnet(tag: Tag, class: Option<&str>) -> u16 {
    match (tag, class) {
        (_, Some("traffic_cone")) => 7,
        (_, Some("barrier")) | (Tag::GuardRail, _) => 6,
        (Tag::Pedestrian | Tag::Rider, _) => 2,
        (Tag::Motorcycle | Tag::Bicycle, _) => 3,
        (Tag::Car | Tag::Truck | Tag::Bus | Tag::Train, _) => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tag_has_its_row_and_a_number_within_each_table() {
        for (index, (tag, name, _)) in TAGS.iter().enumerate() {
            assert_eq!(usize::from(*tag as u8), index, "{name}");
            for numbering in [Numbering::Carla, Numbering::CarlaOld, Numbering::Lidarseg, Numbering::Mfnet] {
                for class in [None, Some("traffic_cone"), Some("car"), Some("nonsense")] {
                    assert!(usize::from(numbering.of(*tag, class)) < class_list(numbering).classes.len());
                }
            }
        }
        // LeTFuser's own list, by name, where the names agree.
        for (tag, name, _) in TAGS {
            let number = usize::from(Numbering::CarlaOld.of(tag, None));
            if let Some(same) = OLD.iter().position(|(old, _)| old.trim_end_matches('s') == name.trim_end_matches('s')) {
                assert_eq!(number, same, "{name}");
            }
        }
        assert_eq!(Numbering::Mfnet.of(Tag::Static, Some("traffic_cone")), 7);
        assert_eq!(Numbering::Lidarseg.of(Tag::Truck, Some("trailer")), 9);
    }
}
