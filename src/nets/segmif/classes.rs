//! What the logits' channels mean, by their number: the data sets that SegMiF was published for.
//!
//! *Out*: a [`ClassList`] whose index is the channel. *Invariant*: it has exactly as many classes as were asked for.

use crate::types::{ClassList, num};

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

const FMB: [(&str, [u8; 3]); 15] = [
    ("unlabelled", [0, 0, 0]),
    ("road", [179, 228, 228]),
    ("sidewalk", [181, 57, 133]),
    ("building", [67, 162, 177]),
    ("traffic lamp", [200, 178, 50]),
    ("traffic sign", [132, 45, 199]),
    ("vegetation", [66, 172, 84]),
    ("sky", [179, 73, 79]),
    ("person", [76, 99, 166]),
    ("car", [66, 121, 253]),
    ("truck", [137, 165, 91]),
    ("bus", [155, 97, 152]),
    ("motorcycle", [105, 153, 140]),
    ("bicycle", [222, 215, 158]),
    ("pole", [135, 113, 90]),
];

/// Names and colours of `count` channels: MFNet's nine, FMB's fifteen, else numbers.
pub fn class_list(count: usize) -> ClassList {
    let named = |list: &[(&str, [u8; 3])]| list.iter().map(|(name, colour)| ((*name).to_owned(), *colour)).collect();
    let numbered = |index: usize| {
        // Steps by the golden angle keep neighbours apart.
        let turn = (index as f64 * 0.618_034).fract() * std::f64::consts::TAU;
        let channel = |shift: f64| num::level(num::f32(128.0 + 100.0 * (turn + shift).cos()));
        (format!("class {index}"), if index == 0 { [0; 3] } else { [channel(0.0), channel(2.1), channel(4.2)] })
    };
    let classes = match count {
        9 => named(&MFNET),
        15 => named(&FMB),
        _ => (0..count).map(numbered).collect(),
    };
    ClassList { classes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_classes_has_as_many_distinct_names() {
        for count in [2, 9, 15, 40] {
            let list = class_list(count).classes;
            let names: std::collections::BTreeSet<_> = list.iter().map(|(n, _)| n).collect();
            assert_eq!((list.len(), names.len()), (count, count));
        }
        assert_eq!(class_list(9).classes[1], ("car".to_owned(), [64, 0, 128]));
        assert_eq!(class_list(15).classes[8].0, "person");
    }
}
