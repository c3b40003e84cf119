//! CenterHead: per group of classes a heat map and maps of everything else that makes a box.
//!
//! *In*: `[samples, C, X, Y]`. *Out*: per group six maps, centre offsets in cells. *Invariant*: groups and their classes follow each other in
//! the order of [`super::boxes::CLASSES`]. Yin et al., "Center-based 3D Object Detection and Tracking", CVPR 2021.

use super::FullerConfig;
use crate::nets::Taps;
use crate::nets::blocks::{Activation, Conv, ConvNorm, ConvShape};
use crate::nets::loader::Loader;
use burn::tensor::Tensor;

/// How many classes each group has.
pub const GROUPS: [usize; 6] = [1, 2, 2, 1, 2, 2];
/// The maps of a group and their channels; the heat map's are its classes.
pub const MAPS: [(&str, usize); 6] = [("reg", 2), ("height", 1), ("dim", 3), ("rot", 2), ("vel", 2), ("heatmap", 0)];
const SHARED: usize = 64;

/// The maps of one group, as in `MAPS`.
pub type GroupMaps = Vec<Tensor<4>>;

/// The head.
#[derive(Debug)]
pub(super) struct CenterHead {
    shared: ConvNorm,
    groups: Vec<Vec<(ConvNorm, Conv)>>,
}

impl CenterHead {
    /// Reads `heads.object`.
    pub(super) fn load(loader: &mut Loader, config: &FullerConfig) -> Self {
        let p = "heads.object.";
        let mut block = |name: &str, inputs: usize| {
            let name = format!("{p}{name}");
            let shape = ConvShape::same(inputs, SHARED, 3);
            ConvNorm::load(loader, &format!("{name}.conv"), &format!("{name}.bn"), shape, false, Activation::Relu)
        };
        let shared = block("shared_conv", config.head_channels());
        let mut groups = Vec::new();
        for (group, classes) in GROUPS.into_iter().enumerate() {
            let mut maps = Vec::new();
            for (map, channels) in MAPS {
                let name = format!("task_heads.{group}.{map}");
                let inner = block(&format!("{name}.0"), SHARED);
                maps.push((inner, name, if channels == 0 { classes } else { channels }));
            }
            groups.push(maps);
        }
        let mut last = |(inner, name, channels): (ConvNorm, String, usize)| {
            (inner, Conv::load(loader, &format!("{p}{name}.1"), ConvShape::same(SHARED, channels, 3), true))
        };
        let groups = groups.into_iter().map(|maps| maps.into_iter().map(&mut last).collect()).collect();
        Self { shared, groups }
    }

    /// The maps of every group.
    pub(super) fn forward(&self, x: Tensor<4>, taps: &mut Taps) -> Vec<GroupMaps> {
        let x = self.shared.forward(x);
        let group = |(number, maps): (usize, &Vec<(ConvNorm, Conv)>)| {
            let made: GroupMaps = maps.iter().map(|(inner, last)| last.forward(inner.forward(x.clone()))).collect();
            for ((name, _), map) in MAPS.iter().zip(&made) {
                taps.tap(&format!("center.task{number}.{name}"), || map.clone());
            }
            made
        };
        self.groups.iter().enumerate().map(group).collect()
    }
}
