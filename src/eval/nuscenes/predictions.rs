//! The predicted boxes that count, by class, in the order that decides ties.
//!
//! *In*: a [`ResultFile`] and the [`GroundTruth`] of its split. *Out*: [`Predictions`]. *Invariant*: within a class, samples come in
//! the order of the file's keys for an official split and of the sample table for a custom one; boxes in the file's order.

use super::truth::GroundTruth;
use crate::formats::nuscenes::{ResultBox, ResultFile};
use crate::types::num;
use std::collections::HashMap;

/// A box that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Predicted {
    /// Its place in the file's boxes.
    pub box_at: u32,
    /// The sample that it is matched in.
    pub frame: u32,
}

/// The boxes that count.
#[derive(Debug, Clone)]
pub struct Predictions<'f> {
    /// All boxes of the file.
    pub boxes: &'f [ResultBox],
    /// Those that count, by class.
    pub by_class: Vec<Vec<Predicted>>,
}

impl<'f> Predictions<'f> {
    /// Filters the boxes of a file as the truth was filtered. `official`: whether the split is one of the built-in ones.
    pub fn new(file: &'f ResultFile, truth: &GroundTruth, official: bool) -> Self {
        let strays: HashMap<usize, u32> = file.strays.iter().map(|(at, token)| (*at, truth.place(token).unwrap_or(u32::MAX))).collect();
        let mut order: Vec<(u32, std::ops::Range<usize>)> =
            file.samples.iter().filter_map(|(token, range)| Some((truth.place(token)?, range.clone()))).collect();
        if !official {
            order.sort_by_key(|(frame, _)| *frame);
        }
        let names = truth.kind.classes();
        let mut by_class = vec![Vec::new(); names.len()];
        for (place, range) in order {
            let Some(frame) = truth.frame_at(place) else { continue };
            for at in range {
                let Some(found) = file.boxes.get(at) else { continue };
                let class = usize::from(found.class);
                let (Some(name), Some(list)) = (names.get(class), by_class.get_mut(class)) else { continue };
                if !found.empty && frame.counts(name, found.translation) {
                    list.push(Predicted { box_at: num::u32(at), frame: strays.get(&at).copied().unwrap_or(place) });
                }
            }
        }
        Self { boxes: &file.boxes, by_class }
    }
    /// The box itself.
    pub fn boxed(&self, predicted: Predicted) -> Option<&'f ResultBox> {
        self.boxes.get(num::usize(predicted.box_at))
    }
}
