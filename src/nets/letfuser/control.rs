//! The heads: traffic light, stop sign, speed, way points by a recurrent cell, and direct control.
//!
//! *In*: the encoder's last map and class token, the bird's-eye map, and what the vehicle knows (route point, speed, command).
//! *Out*: [`Decision`]. *Invariant*: nothing clips the controls here. The neck's norm, 1x1 convolution and mean over the pixels are
//! exchanged (all three are linear), so its convolution sees one pixel.

use super::config::{LetFuserConfig, StopSign};
use crate::nets::Taps;
use crate::nets::blocks::{Activation, Linear, Mlp, batch_norm};
use crate::nets::loader::{Init, Loader};
use burn::tensor::Tensor;
use burn::tensor::activation::{relu, sigmoid, tanh};

/// Way points that are drawn, half a second apart.
pub(super) const STEPS: usize = 3;

/// What the vehicle knows without looking.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    /// `[batch, 2]`, next route point: right, backward, metres.
    pub route: Tensor<2>,
    /// `[batch, 1]`, m/s.
    pub speed: Tensor<2>,
    /// `[batch, 6]`, one of the six commands.
    pub command: Tensor<2>,
}

/// What the heads say.
#[derive(Debug, Clone)]
pub struct Decision {
    /// `[batch, 3, 2]`: right, backward, metres, at 0.5, 1.0 and 1.5 s.
    pub waypoints: Tensor<3>,
    /// `[batch, 3]`: steer in -1.., throttle in 0.., brake in 0..; a little above 1 is possible.
    pub controls: Tensor<2>,
}

/// What is read off the encoder alone.
#[derive(Debug, Clone)]
pub struct Signs {
    /// `[batch]`, probability of a red light.
    pub red_light: Tensor<1>,
    /// `[batch]`, probability of a stop sign; 0 without a head.
    pub stop_sign: Tensor<1>,
    /// `[batch, 1]`, m/s.
    pub speed: Tensor<2>,
    /// `[batch, hidden]`.
    light_bias: Tensor<2>,
    /// `[batch, channels]`: the encoder's last map, mean over its pixels.
    mean: Tensor<2>,
}

/// The heads' parameters.
#[derive(Debug)]
pub(super) struct Heads {
    light: Linear,
    light_bias: Linear,
    stop: Option<Linear>,
    speed: Mlp,
    norm: (Tensor<1>, Tensor<1>),
    neck: [Linear; 2],
    measurements: Mlp,
    recurrent: GruCell,
    step: Linear,
    controller: Mlp,
    refine: GruCell,
    correction: Mlp,
}

impl Heads {
    pub(super) fn load(loader: &mut Loader, config: &LetFuserConfig) -> Self {
        let [.., deep] = config.encoder_channels;
        let [.., bird] = config.bird_channels;
        let hidden = config.hidden();
        let [wide, narrow] = config.neck_channels;
        let [first, second] = config.measurement_channels;
        let inner = config.control_channels;
        let between = config.control_between.activation();
        let neck = Linear {
            weight: loader
                .tensor::<4>("necks_net.0.weight", [wide, deep + bird, 1, 1], Init::Normal(0.02))
                .reshape([wide, deep + bird])
                .transpose(),
            bias: Some(loader.tensor("necks_net.0.bias", [wide], Init::Constant(0.0))),
        };
        Self {
            light: Linear::load(loader, "tls_predictor.2", deep, 1, true),
            light_bias: Linear::load(loader, "tls_biasing_bypass.2", deep, hidden, true),
            stop: (config.stop_sign == StopSign::Head).then(|| Linear::load(loader, "stop_predictor.2", deep, 1, true)),
            speed: Mlp::load(loader, ["speed_head.0", "speed_head.2"], [deep, config.speed_channels, 1], Activation::Relu),
            norm: batch_norm(loader, "fuse_BN", deep + bird, 1e-5),
            neck: [neck, Linear::load(loader, "necks_net.3", wide, narrow, true)],
            measurements: Mlp::load(loader, ["measurements.0", "measurements.2"], [9, first, second], Activation::Relu),
            recurrent: GruCell::load(loader, "gru", 4, hidden),
            step: Linear::load(loader, "pred_dwp", 2 * hidden, 2, true),
            controller: Mlp::load(loader, ["controller.0", "controller.1"], [hidden, inner, 3], between),
            refine: GruCell::load(loader, "gru_control", 5, hidden),
            correction: Mlp::load(loader, ["pred_control.0", "pred_control.1"], [2 * hidden, inner, 3], between),
        }
    }

    /// What the encoder alone tells.
    pub(super) fn signs(&self, deep: &Tensor<4>, class: Tensor<2>, taps: &mut Taps) -> Signs {
        let mean = pixel_mean(deep);
        let [batch, _] = mean.dims();
        let probability = |head: &Linear| sigmoid(head.forward(mean.clone())).reshape([batch]);
        let light_bias = sigmoid(self.light_bias.forward(mean.clone()));
        taps.tap("tls_bias", || light_bias.clone());
        Signs {
            red_light: probability(&self.light),
            stop_sign: self.stop.as_ref().map_or_else(|| Tensor::zeros([batch], &mean.device()), probability),
            speed: self.speed.forward(class),
            light_bias,
            mean,
        }
    }

    /// Way points and controls. Taps, under `prefix`: `neck`, `measurements`, `control_first`, `control_delta`.
    pub(super) fn decide(&self, signs: &Signs, bird: &Tensor<4>, known: &Measured, taps: &mut Taps, prefix: &str) -> Decision {
        let mean = Tensor::cat(vec![signs.mean.clone(), pixel_mean(bird)], 1);
        let [batch, _] = mean.dims();
        let (scale, shift) = &self.norm;
        let [wide, narrow] = &self.neck;
        let neck = narrow.forward(wide.forward(mean * scale.clone().unsqueeze::<2>() + shift.clone().unsqueeze::<2>()));
        taps.tap(&format!("{prefix}neck"), || neck.clone());
        let measured = Tensor::cat(vec![known.route.clone(), known.speed.clone(), known.command.clone()], 1);
        let measured = relu(self.measurements.forward(measured));
        taps.tap(&format!("{prefix}measurements"), || measured.clone());
        let start = Tensor::cat(vec![neck, measured], 1);
        let beside_bias = |state: &Tensor<2>| Tensor::cat(vec![state.clone(), signs.light_bias.clone()], 1);

        let mut state = start.clone();
        let mut at = Tensor::<2>::zeros([batch, 2], &start.device());
        let mut points: Vec<Tensor<3>> = Vec::with_capacity(STEPS);
        for _ in 0..STEPS {
            state = self.recurrent.forward(Tensor::cat(vec![at.clone(), known.route.clone()], 1), state);
            at = at + self.step.forward(beside_bias(&state));
            points.push(at.clone().unsqueeze_dim(1));
        }
        let first = relu(self.controller.forward(state + signs.light_bias.clone()));
        taps.tap(&format!("{prefix}control_first"), || first.clone());
        let refined = self.refine.forward(Tensor::cat(vec![first.clone(), known.route.clone()], 1), start);
        let delta = sigmoid(self.correction.forward(beside_bias(&refined)));
        taps.tap(&format!("{prefix}control_delta"), || delta.clone());
        let raw = first + delta;
        let column = |index: usize, factor: f64, offset: f64| raw.clone().narrow(1, index, 1) * factor + offset;
        let controls = Tensor::cat(vec![column(0, 2.0, -1.0), column(1, 0.75, 0.0), column(2, 1.0, 0.0)], 1);
        Decision { waypoints: Tensor::cat(points, 1), controls }
    }
}

fn pixel_mean(map: &Tensor<4>) -> Tensor<2> {
    let [batch, channels, height, width] = map.dims();
    map.clone().reshape([batch, channels, height * width]).mean_dim(2).reshape([batch, channels])
}

/// Gated recurrent unit; rows of its weights are the gates in the order reset, update, new.
#[derive(Debug)]
struct GruCell {
    input: Linear,
    state: Linear,
    hidden: usize,
}

impl GruCell {
    fn load(loader: &mut Loader, name: &str, inputs: usize, hidden: usize) -> Self {
        let bound = Init::Uniform(1.0 / (hidden as f64).sqrt());
        let mut half = |kind: &str, columns: usize| Linear {
            weight: loader.tensor::<2>(&format!("{name}.weight_{kind}"), [3 * hidden, columns], bound).transpose(),
            bias: Some(loader.tensor(&format!("{name}.bias_{kind}"), [3 * hidden], bound)),
        };
        Self { input: half("ih", inputs), state: half("hh", hidden), hidden }
    }

    fn forward(&self, x: Tensor<2>, state: Tensor<2>) -> Tensor<2> {
        let (from_input, from_state) = (self.input.forward(x), self.state.forward(state.clone()));
        let gate = |all: &Tensor<2>, index: usize| all.clone().narrow(1, index * self.hidden, self.hidden);
        let reset = sigmoid(gate(&from_input, 0) + gate(&from_state, 0));
        let update = sigmoid(gate(&from_input, 1) + gate(&from_state, 1));
        let fresh = tanh(gate(&from_input, 2) + reset * gate(&from_state, 2));
        (update.clone() * -1.0 + 1.0) * fresh + update * state
    }
}
