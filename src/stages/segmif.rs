//! SegMiF in the pipeline: infrared and visible to one colour picture, its classes and confidences.
//!
//! *In*: a thermal and a colour picture of equal size, aligned, at least 29 x 29; a grey prior picture where a sensor brings one. *Out*:
//! `Outcome::Fused`, `Outcome::Segmentation`, `Outcome::Confidence` in the visible camera's picture, of its size. *Invariant*: without a weight
//! file the parameters are random by the seed, and [`StageInfo::weights`] says so.

use super::{pick, weights};
use crate::heads::fuse_segment::{Entry, FuseSegment, PriorChoice};
use crate::heads::planes;
use crate::heads::segment::Score;
use crate::nets::segmif::{Plane, SegMif, class_list};
use crate::nets::{self, DeviceChoice};
use crate::runtime::{Cx, Outlet, Stage, StageInfo, WeightsInfo};
use crate::types::{
    ClassList, Error, Frame, LabelImage, Outcome, OutcomeKind, Packet, Payload, Pool, Result, RgbImage, ScoreImage, SensorId, nearest,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Pictures that may be on their way at once before a buffer must be allocated.
const IDLE: usize = 16;

/// Which pair, which network, what comes out.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmifConfig {
    /// The thermal camera.
    pub infrared: SensorId,
    /// The colour camera, aligned to it pixel by pixel.
    pub visible: SensorId,
    /// A camera or folder of grey prior pictures (the data sets' `Mask2`), in place of `prior`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior_sensor: Option<SensorId>,
    /// The prior picture where no sensor brings one: `visible`, `infrared`, `maximum` or `classical`.
    #[serde(default)]
    pub prior: PriorChoice,
    /// The plane of the visible picture that is fused: `luminance` as in training, `red` as in the official test script.
    #[serde(default)]
    pub plane: Plane,
    /// Infrared counts that become 0 and 1 (16-bit cameras use a small part of their scale); without, full scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub infrared_range: Option<[u16; 2]>,
    /// `tiny` for live use, `base` for the published weights.
    #[serde(default = "tiny")]
    pub preset: String,
    /// Weight file, or `fusion=A.pth,seg=B.pth`; without, random parameters by `seed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// Seed of the random parameters where no file is named.
    #[serde(default = "one")]
    pub seed: u64,
    /// `auto`, `cpu`, `cuda` or `wgpu`.
    #[serde(default)]
    pub device: DeviceChoice,
    /// Whether the fused picture is segmented.
    #[serde(default = "yes")]
    pub segmentation: bool,
    /// Confidences that come out: `best` (of the class that won), names of classes.
    #[serde(default = "best")]
    pub confidence: Vec<String>,
}

fn tiny() -> String {
    "tiny".to_owned()
}
const fn one() -> u64 {
    1
}
const fn yes() -> bool {
    true
}
fn best() -> Vec<String> {
    vec!["best".to_owned()]
}

impl SegmifConfig {
    /// The stage, its network loaded.
    ///
    /// # Errors
    /// The preset, the device, a class or the weight file is not there or does not fit.
    pub fn build(self) -> Result<Segmif> {
        let (device, place) = nets::pick(self.device)?;
        let (network, report) = SegMif::load(&self.preset, weights::origin(self.weights.as_deref(), self.seed), &device)?;
        tracing::info!("segmif {}: {} on {place}", self.preset, report.origin);
        let classes = Arc::new(class_list(network.classes()));
        let scores = if self.segmentation { scores(&self.confidence, &classes)? } else { Vec::new() };
        let entry = Entry { plane: self.plane, prior: self.prior, infrared_range: self.infrared_range };
        let network = FuseSegment::new(network, device, entry);
        Ok(Segmif { network, weights: weights::info(&report), config: self, classes, scores, pool: Pool::new(IDLE) })
    }
}

/// Names in the configuration to scores, with the names under which they are shown.
fn scores(names: &[String], classes: &ClassList) -> Result<Vec<(String, Score)>> {
    let known = || classes.classes.iter().map(|(name, _)| name.as_str());
    let score = |name: &String| match (name.as_str(), known().position(|k| k == name)) {
        ("best", _) => Ok((name.clone(), Score::Best)),
        (_, Some(class)) => Ok((name.clone(), Score::Class(class))),
        (other, None) => {
            let hint = nearest(other, known()).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
            let list = known().collect::<Vec<_>>().join(", ");
            Err(Error::mismatch(format!("best or a class of {list}"), format!("`{other}`{hint}"), "segmif, confidence"))
        }
    };
    names.iter().map(score).collect()
}

/// See [`SegmifConfig`].
#[derive(Debug)]
pub struct Segmif {
    config: SegmifConfig,
    network: FuseSegment,
    weights: WeightsInfo,
    classes: Arc<ClassList>,
    scores: Vec<(String, Score)>,
    pool: Pool<u8>,
}

impl Segmif {
    fn see(&mut self, infrared: &Frame, visible: &Frame, prior: Option<&Frame>) -> Result<Vec<Outcome>> {
        let (thermal, rgb) = (pick::thermal(infrared)?, pick::rgb(visible)?);
        let prior = prior.map(grey).transpose()?;
        let mut data = self.pool.take(rgb.data().len());
        let scores: Vec<Score> = self.scores.iter().map(|(_, score)| *score).collect();
        let place = format_args!("sensors `{}` and `{}`", infrared.sensor, visible.sensor);
        let scores = self.config.segmentation.then_some(scores.as_slice());
        let seen = self.network.see(thermal, rgb, prior.as_deref(), &mut data, scores).map_err(|e| e.at(place.to_string()))?;
        let mut outcomes = vec![Outcome::Fused(Arc::new(RgbImage::new(rgb.width(), rgb.height(), data)?))];
        if let Some(seen) = seen {
            let classes = Arc::clone(&self.classes);
            outcomes.push(Outcome::Segmentation(Arc::new(LabelImage { labels: seen.labels, classes })));
            let named = self.scores.iter().zip(seen.scores);
            outcomes.extend(named.map(|((of, _), scores)| Outcome::Confidence(Arc::new(ScoreImage { scores, of: of.clone() }))));
        }
        Ok(outcomes)
    }
}

/// A prior picture's grey values in 0..1.
fn grey(frame: &Frame) -> Result<Vec<f32>> {
    match &frame.payload {
        Payload::Rgb(image) => Ok(planes::luma_plane(image.data())),
        Payload::Thermal(image) => planes::thermal_plane(image, None),
        _ => Err(pick::wrong_kind(frame, "a grey or colour picture")),
    }
}

impl Stage for Segmif {
    fn info(&self) -> StageInfo {
        let camera = Some(self.config.visible);
        let requires = [Some(self.config.infrared), camera, self.config.prior_sensor].into_iter().flatten().collect();
        let mut outcomes = vec![(OutcomeKind::Fused, camera)];
        if self.config.segmentation {
            outcomes.push((OutcomeKind::Segmentation, camera));
            outcomes.extend(self.scores.first().map(|_| (OutcomeKind::Confidence, camera)));
        }
        StageInfo { requires, outcomes, weights: Some(self.weights.clone()) }
    }

    fn process(&mut self, mut packet: Packet, out: &mut Outlet<'_>, _cx: &Cx) -> Result<()> {
        let bundle = Arc::clone(&packet.bundle);
        let prior = self.config.prior_sensor.map(|sensor| bundle.frame(sensor));
        let pair = bundle.frame(self.config.infrared).zip(bundle.frame(self.config.visible));
        if let (Some((infrared, visible)), None | Some(Some(_))) = (pair, prior) {
            let outcomes = self.see(infrared, visible, prior.flatten())?;
            packet.outcomes.extend(outcomes.into_iter().map(|outcome| (out.stage(), outcome)));
        }
        out.send(packet);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_that_does_not_exist_is_refused_with_a_hint() {
        let ask = |name: &str| scores(&[name.to_owned()], &class_list(9));
        assert_eq!(ask("person").unwrap(), [("person".to_owned(), Score::Class(2))]);
        assert_eq!(ask("best").unwrap(), [("best".to_owned(), Score::Best)]);
        assert!(ask("persn").unwrap_err().to_string().contains("did you mean `person`"));
    }
}
