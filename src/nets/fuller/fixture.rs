//! The preset `fixture`: the published path and, side by side, every alternative to its parts; each also fed on its own.
//!
//! *In*: the inputs of the path, and whichever of `view_feature`, `bev_feature`, `head_feature`, `lss_fpn.low`, `lss_fpn.high`, `gt.*`, `map_target`,
//! `nms.*` are there. *Out*: every layer of the path and what follows from the further inputs. *Invariant*: an alternative changes nothing of the path;
//! `gt.*` are the boxes of the first sample, and what is compared with them (`match.*`, `loss.object`, `loss.center`) is that sample's.

use super::boxes::{StoredBox, circle_nms, iou, rotated_nms};
use super::center_head::CenterHead;
use super::decode::{self, floats, host};
use super::decoder::LssFpn;
use super::input::{self, Scene};
use super::pillars::Pillars;
use super::targets::{Truth, costs, group_rows, heat_maps};
use super::view::View;
use super::{
    CARD_FIXTURE, Detected, Fuller, FullerConfig, GROUPS, LidarKind, NAME, ObjectKind, Proposals, Sensors, Suppression, ViewKind, Voxels,
    assign, losses,
};
use crate::nets::loader::Report;
use crate::nets::{Card, Inputs, Model, Origin, Taps};
use crate::types::{Error, Result, num};
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor, TensorData};

/// See the module.
#[derive(Debug)]
pub struct FixtureNet {
    path: Fuller,
    depth_view: View,
    pillars: Pillars,
    centres: CenterHead,
    neck: LssFpn,
}

impl FixtureNet {
    /// Builds it.
    ///
    /// # Errors
    /// There is no configuration, it makes no sense, or the weights do not fit.
    pub fn load(changes: &toml::Table, origin: Origin, device: &Device) -> Result<(Self, Report)> {
        super::super::card::find(NAME, CARD_FIXTURE.preset)?;
        if changes.is_empty() {
            return Err(Error::mismatch("--config FILE.toml with the extents", "none", "fuller fixture"));
        }
        let config = FullerConfig::BASE.with(changes)?;
        let e = &config.extents;
        let plain = e.view == ViewKind::Lss && e.lidar_encoder == LidarKind::Sparse && e.sensors == Sensors::Both;
        if !plain || e.object_head != ObjectKind::Transfusion || !e.map_head {
            let wanted = "the keys `view`, `lidar_encoder`, `sensors`, `object_head`, `map_head` as in base";
            return Err(Error::mismatch(wanted, "others", "--config"));
        }
        config.pillars_within()?;
        let (mut loader, partial) = origin.open(device)?;
        // A network of two layers that tests of the calibration use.
        loader.tolerate("toy.");
        let path = Fuller::assemble(&mut loader, &CARD_FIXTURE, config);
        let config = &path.config;
        let view = path.camera.as_ref().map(|(_, view)| view);
        let depth_view = View::depth_lss(&mut loader, "encoders.camera.vtransform.", config, view);
        let pillars = Pillars::load(&mut loader, "encoders.lidar.backbone.", config);
        let centres = CenterHead::load(&mut loader, config);
        let neck = LssFpn::load(&mut loader, 2 * config.neck, config.second[0].channels, config.fused);
        let network = Self { path, depth_view, pillars, centres, neck };
        Ok((network, loader.finish(partial)?))
    }

    /// Parts fed with features of their own.
    fn alone(&self, inputs: &Inputs<'_>, scene: &Scene, truth: &[Truth], taps: &mut Taps) -> Result<()> {
        let config = &self.path.config;
        if let (true, Some((_, rig))) = (inputs.has("view_feature"), &scene.camera) {
            let features = inputs.tensor::<5>("view_feature")?;
            let [samples, cameras, channels, rows, columns] = features.dims();
            let wanted = [rig.count[0], rig.count[1], config.pyramid, rig.image[0].div_ceil(8), rig.image[1].div_ceil(8)];
            if features.dims() != wanted {
                return Err(Error::mismatch(format!("{wanted:?}"), format!("{:?}", features.dims()), "input `view_feature`"));
            }
            let features = features.reshape([samples * cameras, channels, rows, columns]);
            self.depth_view.forward(features, rig, &scene.clouds, taps)?;
        }
        self.pillars(scene, taps);
        if inputs.has("bev_feature") {
            taps.output("fuser.alone", self.path.decode(plan(inputs, "bev_feature", config.fused)?, &mut Taps::default()));
        }
        if inputs.has("lss_fpn.low") && inputs.has("lss_fpn.high") {
            let (high, low) = (plan(inputs, "lss_fpn.high", 2 * config.neck)?, plan(inputs, "lss_fpn.low", config.second[0].channels)?);
            if high.dims()[0] != low.dims()[0] {
                let found = format!("{} and {}", high.dims()[0], low.dims()[0]);
                return Err(Error::mismatch("as many samples", found, "inputs `lss_fpn.high`, `lss_fpn.low`"));
            }
            taps.output("lss_fpn.out", self.neck.forward(high, low));
        }
        if inputs.has("head_feature") {
            let features = plan(inputs, "head_feature", config.head_channels())?;
            self.heads_alone(features.clone(), truth, taps)?;
            self.map_alone(inputs, features, taps)?;
        }
        Ok(())
    }

    fn pillars(&self, scene: &Scene, taps: &mut Taps) {
        let device = &self.path.device;
        let encoded: Vec<Option<(Tensor<2>, Voxels)>> = scene.clouds.iter().map(|c| self.pillars.encode(c, device)).collect();
        taps.output("pillar.bev", self.pillars.canvas(&encoded, device));
        let found: Vec<&(Tensor<2>, Voxels)> = encoded.iter().flatten().collect();
        if !found.is_empty() {
            let cells: Vec<i32> = found.iter().flat_map(|(_, v)| v.coordinates.iter().flatten().copied()).collect();
            let count = cells.len() / 3;
            taps.keep("pillar.coords", TensorData::new(cells, [count, 3]));
            taps.output("pillar.features", Tensor::cat(found.iter().map(|(f, _)| f.clone()).collect(), 0));
        }
    }

    fn map_alone(&self, inputs: &Inputs<'_>, features: Tensor<4>, taps: &mut Taps) -> Result<()> {
        let Some(head) = &self.path.map else { return Ok(()) };
        let logits = head.forward(features, taps, "map.grid");
        taps.output("map.alone", sigmoid(logits.clone()));
        if inputs.has("map_target") {
            let target = inputs.tensor::<4>("map_target")?;
            if target.dims() != logits.dims() {
                return Err(Error::mismatch(format!("{:?}", logits.dims()), format!("{:?}", target.dims()), "input `map_target`"));
            }
            let target = host(&target)?;
            let target = floats(&target)?.iter().map(|v| if *v > 0.7 { 1.0 } else { 0.0 }).collect();
            taps.output("loss.map", losses::map_focal(logits, target));
        }
        Ok(())
    }

    fn heads_alone(&self, features: Tensor<4>, truth: &[Truth], taps: &mut Taps) -> Result<()> {
        let config = &self.path.config;
        if let Some(super::ObjectHead::TransFusion(head)) = &self.path.object {
            let proposals = head.forward(features.clone(), &mut Taps::default(), "object_alone")?;
            input::write_proposals(&proposals, "object_alone", taps);
            let all = decode::proposals(config, &proposals)?;
            let kept: Vec<Vec<Detected>> = all.iter().map(|boxes| decode::kept(config, boxes)).collect();
            input::write_boxes("object_alone.boxes", &kept, taps);
            if let (false, Some(boxes)) = (truth.is_empty(), all.first()) {
                self.matching(&proposals, boxes, truth, taps)?;
            }
        }
        let groups = self.centres.forward(features, taps);
        for (name, rule) in [("center.circle", Suppression::Circle), ("center.rotate", Suppression::Rotated)] {
            input::write_boxes(name, &decode::centres(config, &groups, rule)?, taps);
        }
        if !truth.is_empty() {
            let rows = losses::center_losses(config, &groups, truth);
            let count = rows.len();
            taps.output("loss.center", Tensor::cat(rows.into_iter().flatten().collect(), 0).reshape([count, 2]));
        }
        Ok(())
    }

    fn matching(&self, proposals: &Proposals, boxes: &[Detected], truth: &[Truth], taps: &mut Taps) -> Result<()> {
        let [.., logits] = &proposals.branches;
        let logits = host(logits)?;
        let (cost, overlap) = costs(&self.path.config, boxes, floats(&logits)?, truth);
        let shape = [boxes.len(), truth.len()];
        let narrow = |values: &[f64]| TensorData::new(values.iter().copied().map(num::f32).collect::<Vec<f32>>(), shape);
        taps.keep("match.iou3d", narrow(&overlap));
        taps.keep("match.cost", narrow(&cost));
        let owners = assign(&cost, truth.len());
        let numbers: Vec<i32> = owners.iter().map(|o| o.map_or(-1, num::i32)).collect();
        taps.keep("match.gt", TensorData::new(numbers, [boxes.len()]));
        let losses = losses::proposal_losses(&self.path.config, proposals, &owners, truth);
        taps.output("loss.object", Tensor::cat(losses.to_vec(), 0));
        Ok(())
    }

    fn targets(&self, truth: &[Truth], taps: &mut Taps) {
        let config = &self.path.config;
        let [nx, ny] = config.bev();
        let ints = |values: Vec<i32>| {
            let count = values.len();
            TensorData::new(values, [count])
        };
        taps.keep("gt.labels", ints(truth.iter().map(|t| num::i32(t.class)).collect()));
        taps.keep("target.radius", ints(truth.iter().map(|t| t.radius(config)).collect()));
        taps.keep("target.heatmap", TensorData::new(heat_maps(config, truth), [super::boxes::CLASSES.len(), nx, ny]));
        for (group, rows) in group_rows(config, truth, &GROUPS).into_iter().enumerate() {
            let count = rows.len();
            taps.keep(&format!("target.task{group}.cell"), ints(rows.iter().map(|(cell, _)| num::i32(*cell)).collect()));
            let codes: Vec<f32> = rows.iter().flat_map(|(_, code)| *code).collect();
            taps.keep(&format!("target.task{group}.box"), TensorData::new(codes, [count, 10]));
        }
    }
}

/// Columns `GROUP.NAME` of equal length.
fn columns<const N: usize>(inputs: &Inputs<'_>, group: &str, names: [&str; N]) -> Result<Vec<[f32; N]>> {
    let mut rows: Vec<[f32; N]> = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let name = format!("{group}.{name}");
        let data = host(&inputs.tensor::<1>(&name)?)?;
        let values = floats(&data)?;
        if index == 0 {
            rows.resize(values.len(), [0.0; N]);
        }
        if values.len() != rows.len() || values.iter().any(|v| !v.is_finite()) {
            let found = format!("{} values, perhaps not all finite", values.len());
            return Err(Error::mismatch(format!("{} finite values", rows.len()), found, format!("input `{name}`")));
        }
        for (row, value) in rows.iter_mut().zip(values) {
            row.iter_mut().skip(index).take(1).for_each(|t| *t = *value);
        }
    }
    Ok(rows)
}

/// A ground plan of so many channels.
fn plan(inputs: &Inputs<'_>, name: &str, channels: usize) -> Result<Tensor<4>> {
    let plan = inputs.tensor::<4>(name)?;
    if plan.dims()[1] != channels {
        return Err(Error::mismatch(format!("[samples, {channels}, X, Y]"), format!("{:?}", plan.dims()), format!("input `{name}`")));
    }
    Ok(plan)
}

/// The annotated boxes; none is a number of boxes, too.
fn truth(inputs: &Inputs<'_>) -> Result<Vec<Truth>> {
    if inputs.shape("gt.x").is_none_or(|shape| shape == [0]) {
        return Ok(Vec::new());
    }
    let rows = columns(inputs, "gt", ["x", "y", "z", "w", "l", "h", "yaw", "vx", "vy", "class"])?;
    let make = |row: [f32; 10]| {
        let [x, y, z, w, l, h, r, vx, vy, class] = row.map(f64::from);
        let class = num::cell(class, super::boxes::CLASSES.len())
            .ok_or_else(|| Error::mismatch("a class of 0 to 9", class.to_string(), "input `gt.class`"))?;
        if w.min(l).min(h) <= 0.0 {
            return Err(Error::mismatch("sizes above zero", format!("{w} x {l} x {h}"), "inputs `gt.w`, `gt.l`, `gt.h`"));
        }
        Ok(Truth { stored: StoredBox { at: [x, y, z], size: [w, l, h], angle: r, velocity: [vx, vy] }, class })
    };
    rows.into_iter().map(make).collect()
}

/// Overlaps of the first twenty boxes, and which of all survive.
fn suppression(inputs: &Inputs<'_>, taps: &mut Taps) -> Result<()> {
    let rows = columns(inputs, "nms", ["x", "y", "dx", "dy", "angle", "score"])?;
    let boxes: Vec<StoredBox> = rows
        .iter()
        .map(|row| {
            let [x, y, dx, dy, angle, _] = row.map(f64::from);
            StoredBox { at: [x, y, 0.0], size: [dx, dy, 1.0], angle, velocity: [0.0; 2] }
        })
        .collect();
    let scores: Vec<f32> = rows.iter().map(|[.., score]| *score).collect();
    let some: Vec<&StoredBox> = boxes.iter().take(20).collect();
    let overlaps: Vec<f32> = some.iter().flat_map(|a| some.iter().map(|b| num::f32(iou(a, b)))).collect();
    taps.keep("nms.iou", TensorData::new(overlaps, [some.len(), some.len()]));
    let mut list = |name: &str, kept: Vec<usize>| {
        let count = kept.len();
        taps.keep(name, TensorData::new(kept.into_iter().map(num::i32).collect::<Vec<i32>>(), [count]));
    };
    list("nms.rotated.keep", rotated_nms(&boxes, &scores, 0.2, 1000, usize::MAX));
    list("nms.circle.keep_4.0", circle_nms(&boxes, &scores, 4.0, usize::MAX));
    list("nms.circle.keep_0.85", circle_nms(&boxes, &scores, 0.85, usize::MAX));
    Ok(())
}

impl Model for FixtureNet {
    fn card(&self) -> &'static Card {
        &CARD_FIXTURE
    }

    fn run(&self, inputs: &Inputs<'_>, taps: &mut Taps) -> Result<()> {
        taps.keep_all();
        let scene = Scene::read(inputs)?;
        let truth = truth(inputs)?;
        let found = self.path.forward(scene.images(), &scene.clouds, taps)?;
        input::write(&self.path, &found, taps)?;
        self.alone(inputs, &scene, &truth, taps)?;
        if !truth.is_empty() {
            self.targets(&truth, taps);
        }
        if inputs.has("nms.x") {
            suppression(inputs, taps)?;
        }
        Ok(())
    }
}
