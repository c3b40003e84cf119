"""LeTFuser in PyTorch, written from its description (network, projection and heads), to check and to time the program's own against."""
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from torch_peers import Named, attend, image_of, tokens_of

PRESETS = {
    "base": dict(dims=(64, 192, 384), depths=(1, 2, 10), heads=(1, 3, 6), whole=True, shallow=24, decoder=(384, 192, 64, 32, 32),
                 bird=(32, 16, 24, 40, 80, 112), blocks=(2, 3, 3, 4, 4), neck=(384, 136), measure=(112, 96), control=384, speed=96,
                 columns=(224, 320, 224), focal=160.0, axes=(112.0, 160.0, 112.0), ahead=(30.0, 40.0, 30.0), across=(75.0, 80.0, 75.0),
                 yaws=(65.0, -65.0), twice=True, unit=False, relu=False, stop=False),
    "tiny": dict(dims=(32, 96, 192), depths=(1, 2, 3), heads=(1, 3, 6), whole=False, shallow=16, decoder=(96, 64, 32, 16, 16),
                 bird=(16, 8, 16, 24, 40, 56), blocks=(1, 2, 2, 2, 2), neck=(128, 80), measure=(64, 48), control=96, speed=48,
                 columns=(112, 160, 112), focal=138.5640646055102, axes=(32.0, 80.0, 80.0), ahead=(39.5,) * 3, across=(55.5, 79.5, 55.5),
                 yaws=(60.0, -60.0), twice=False, unit=True, relu=True, stop=True),
}
UNUSED = ("SC_encoder.features.6.", "SC_encoder.features.7.", "SC_encoder.features.8.")
OUTPUTS = ["seg", "sdc_bits", "waypoints", "steer", "throttle", "brake", "red_light", "stop_sign", "speed"]
SIZES = {"base": (768, 160), "tiny": (384, 80)}
CLASSES = 23
KERNELS = ((3, 2), (3, 1), (3, 2), (5, 2), (3, 2), (5, 1))


class Net(Named):
    def __init__(self, preset):
        super().__init__()
        p = self.p = PRESETS[preset]
        before = 3
        for s, (dim, depth) in enumerate(zip(p["dims"], p["depths"])):
            n = f"cvt.encoder.stages.{s}."
            self.conv(f"{n}embedding.convolution_embeddings.projection", before, dim, 7 if s == 0 else 3, 4 if s == 0 else 2, 2 if s == 0 else 1)
            self.put(f"{n}embedding.convolution_embeddings.normalization", nn.LayerNorm(dim))
            if s == 2:
                self.parameter(f"{n}cls_token", 1, 1, dim)
            for l in range(depth):
                m = f"{n}layers.{l}."
                self.put(f"{m}layernorm_before", nn.LayerNorm(dim))
                self.put(f"{m}layernorm_after", nn.LayerNorm(dim))
                for kind, stride in (("query", 1), ("key", 2), ("value", 2)):
                    c = f"{m}attention.attention.convolution_projection_{kind}.convolution_projection."
                    self.conv(f"{c}convolution", dim, dim, 3, stride, bias=False, groups=dim)
                    self.put(f"{c}normalization", nn.BatchNorm2d(dim))
                    self.linear(f"{m}attention.attention.projection_{kind}", dim, dim)
                self.linear(f"{m}attention.output.dense", dim, dim)
                self.linear(f"{m}intermediate.dense", dim, 4 * dim)
                self.linear(f"{m}output.dense", 4 * dim, dim)
            before = dim
        self.cbr("conv1_down", 3, p["shallow"])
        before = p["dims"][2]
        beside = (0, p["dims"][1], p["dims"][0], p["shallow"])
        for level, (outputs, more) in enumerate(zip(p["decoder"], beside)):
            self.cbr(f"conv{3 - level}_ss_f.conv_block0", before + more, outputs)
            self.cbr(f"conv{3 - level}_ss_f.conv_block1", outputs, outputs)
            before = outputs
        self.cbr("final_ss_f.conv_block0", before, p["decoder"][4])
        self.conv("final_ss_f.conv_block1.0", p["decoder"][4], CLASSES, 1)
        self.bird_layers(p)
        deep, bird, (wide, narrow), (first, second) = p["dims"][2], p["bird"][5], p["neck"], p["measure"]
        hidden = self.hidden = narrow + second
        self.linear("tls_predictor.2", deep, 1)
        self.linear("tls_biasing_bypass.2", deep, hidden)
        if p["stop"]:
            self.linear("stop_predictor.2", deep, 1)
        self.linear("speed_head.0", deep, p["speed"])
        self.linear("speed_head.2", p["speed"], 1)
        self.put("fuse_BN", nn.BatchNorm2d(deep + bird))
        self.conv("necks_net.0", deep + bird, wide, 1)
        self.linear("necks_net.3", wide, narrow)
        self.linear("measurements.0", 9, first)
        self.linear("measurements.2", first, second)
        self.put("gru", nn.GRUCell(4, hidden))
        self.put("gru_control", nn.GRUCell(5, hidden))
        self.linear("pred_dwp", 2 * hidden, 2)
        for name, inputs in (("controller", hidden), ("pred_control", 2 * hidden)):
            self.linear(f"{name}.0", inputs, p["control"])
            self.linear(f"{name}.1", p["control"], 3)

    def cbr(self, name, inputs, outputs):
        self.conv(f"{name}.conv", inputs, outputs, 3, 2 if name == "conv1_down" else 1)
        self.put(f"{name}.bn", nn.BatchNorm2d(outputs))

    def bird_layers(self, p):
        n = "SC_encoder.features."
        self.conv(f"{n}0.0", CLASSES, p["bird"][0], 3, 2, bias=False)
        self.put(f"{n}0.1", nn.BatchNorm2d(p["bird"][0]))
        self.blocks, before = [], p["bird"][0]
        for s, (outputs, count, (kernel, stride)) in enumerate(zip(p["bird"][1:], p["blocks"], KERNELS[1:]), 1):
            for b in range(count):
                m, first = f"{n}{s}.{b}.block.", int(s > 1)
                wide, step = before * (6 if first else 1), stride if b == 0 else 1
                layers = [(first, wide, wide, kernel, step, wide), (first + 2, wide, outputs, 1, 1, 1)]
                layers += [(0, before, wide, 1, 1, 1)] if first else []
                for at, inputs, out, k, st, groups in layers:
                    self.conv(f"{m}{at}.0", inputs, out, k, st, bias=False, groups=groups)
                    self.put(f"{m}{at}.1", nn.BatchNorm2d(out))
                self.conv(f"{m}{first + 1}.fc1", wide, max(before // 4, 1), 1)
                self.conv(f"{m}{first + 1}.fc2", max(before // 4, 1), wide, 1)
                self.blocks.append((m, first, step == 1 and before == outputs))
                before = outputs

    def encode(self, x):
        maps, token = [], None
        for s, depth in enumerate(self.p["depths"]):
            n = f"cvt.encoder.stages.{s}."
            x = self.at(f"{n}embedding.convolution_embeddings.projection")(x)
            height, width = x.shape[2:]
            t = self.at(f"{n}embedding.convolution_embeddings.normalization")(tokens_of(x))
            front = int(s == 2)
            if front:
                t = torch.cat([self.at(f"{n}cls_token").expand(t.shape[0], 1, t.shape[2]), t], 1)
            for l in range(depth):
                t = self.layer(t, f"{n}layers.{l}.", height, width, front, s)
            token = t[:, 0] if front else None
            x = image_of(t[:, front:], height, width)
            maps.append(x)
        return maps, token

    def layer(self, t, m, height, width, front, stage):
        normal = self.at(f"{m}layernorm_before")(t)
        image = image_of(normal[:, front:], height, width)
        parts = []
        for kind in ("query", "key", "value"):
            c = f"{m}attention.attention.convolution_projection_{kind}.convolution_projection."
            local = tokens_of(self.at(f"{c}normalization")(self.at(f"{c}convolution")(image)))
            local = torch.cat([normal[:, :front], local], 1) if front else local
            parts.append(self.at(f"{m}attention.attention.projection_{kind}")(local))
        dim, heads = t.shape[2], self.p["heads"][stage]
        scale = (dim if self.p["whole"] else dim // heads) ** -0.5
        t = t + self.at(f"{m}attention.output.dense")(attend(*parts, heads, scale))
        inner = F.gelu(self.at(f"{m}intermediate.dense")(self.at(f"{m}layernorm_after")(t)))
        return t + self.at(f"{m}output.dense")(inner)

    def block(self, x, name):
        return F.relu(self.at(f"{name}.bn")(self.at(f"{name}.conv")(x)))

    def decode(self, picture, maps):
        up = lambda t: F.interpolate(t, scale_factor=2, mode="bilinear", align_corners=True)
        shallow, x = self.block(picture, "conv1_down"), maps[2]
        for level, beside in enumerate((None, maps[1], maps[0], shallow)):
            x = x if beside is None else torch.cat([up(x), beside], 1)
            for part in ("conv_block0", "conv_block1"):
                x = self.block(x, f"conv{3 - level}_ss_f.{part}")
        return torch.sigmoid(self.at("final_ss_f.conv_block1.0")(self.block(up(x), "final_ss_f.conv_block0")))

    def bird(self, x):
        n = "SC_encoder.features."
        norm = lambda x, name: self.at(f"{name}.1")(self.at(f"{name}.0")(x))
        x = F.silu(norm(x, f"{n}0"))
        for m, first, residual in self.blocks:
            before = x
            if first:
                x = F.silu(norm(x, f"{m}0"))
            x = F.silu(norm(x, f"{m}{first}"))
            squeezed = F.silu(self.at(f"{m}{first + 1}.fc1")(x.mean((2, 3), keepdim=True)))
            x = norm(x * torch.sigmoid(self.at(f"{m}{first + 1}.fc2")(squeezed)), f"{m}{first + 2}")
            x = x + before if residual else x
        return x

    def decide(self, deep, token, bird, route, speed, command):
        two = lambda x, name, between: self.at(f"{name}.1")(F.relu(self.at(f"{name}.0")(x)) if between else self.at(f"{name}.0")(x))
        mean = deep.mean((2, 3))
        light = torch.sigmoid(self.at("tls_predictor.2")(mean))[:, 0]
        bias = torch.sigmoid(self.at("tls_biasing_bypass.2")(mean))
        stop = torch.sigmoid(self.at("stop_predictor.2")(mean))[:, 0] if self.p["stop"] else torch.zeros_like(light)
        neck = self.at("necks_net.0")(self.at("fuse_BN")(torch.cat([deep, bird], 1))).mean((2, 3))
        one_hot = F.one_hot(command.long() - 1, 6).float()
        known = torch.cat([route, speed[:, None], one_hot], 1)
        known = F.relu(self.at("measurements.2")(F.relu(self.at("measurements.0")(known))))
        start = h = torch.cat([self.at("necks_net.3")(neck), known], 1)
        xy, points = torch.zeros_like(route), []
        for _ in range(3):
            h = self.at("gru")(torch.cat([xy, route], 1), h)
            xy = xy + self.at("pred_dwp")(torch.cat([h, bias], 1))
            points.append(xy)
        c = F.relu(two(h + bias, "controller", self.p["relu"]))
        h = self.at("gru_control")(torch.cat([c, route], 1), start)
        c = c + torch.sigmoid(two(torch.cat([h, bias], 1), "pred_control", self.p["relu"]))
        speed = self.at("speed_head.2")(F.relu(self.at("speed_head.0")(token)))
        return [torch.stack(points, 1), 2 * c[:, 0] - 1, 0.75 * c[:, 1], c[:, 2], light, stop, speed]

    def project(self, scores, depth):
        """The semantic map of one picture, (classes, H, W), 0 or 1."""
        p, classes = self.p, scores.shape[0]
        height, width = depth.shape
        label, metres = scores.argmax(0), depth * 1000
        canvas = torch.zeros(classes, 2 * height, width, dtype=torch.bool)
        left, front, right = p["columns"]
        turns = ((2 * p["yaws"][0], p["yaws"][1]) if p["twice"] else (p["yaws"][0], p["yaws"][1]))
        sectors = ((0, 0), (2, left + front), (1, left))
        merged = []
        for number, (index, start) in enumerate(sectors):
            w = p["columns"][index]
            ahead, across = np.float32(p["ahead"][index]), np.float32(p["across"][index])
            d = metres[:, start:start + w]
            m = (torch.arange(w, dtype=torch.float32) - np.float32(p["axes"][index])) / np.float32(p["focal"])
            cx = torch.round(((d * m + across / 2) * (w - 1)) / across)
            cz = torch.round((d * -(height - 1)) / ahead + (height - 1))
            good = (cx >= 0) & (cx <= w - 1) & (cz >= 0) & (cz <= height - 1)
            drawn = torch.zeros(classes, 2 * height, width, dtype=torch.bool)
            drawn[label[:, start:start + w][good], cz[good].long(), cx[good].long() + (width - w) // 2] = True
            if p["twice"]:
                canvas |= drawn
                canvas = self.turned(canvas, turns[number]) if number < 2 else canvas
            else:
                merged.append(self.turned(drawn, turns[number]) if number < 2 else drawn)
        if merged:
            canvas = merged[0] | merged[1] | merged[2]
        return canvas[:, :height]

    @staticmethod
    def turned(canvas, degrees):
        _, rows, columns = canvas.shape
        y, x = torch.meshgrid(torch.arange(rows) + 0.5 - rows / 2, torch.arange(columns) + 0.5 - columns / 2, indexing="ij")
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        xs = torch.round(cos * x - sin * y + columns / 2 - 0.5).long()
        ys = torch.round(sin * x + cos * y + rows / 2 - 0.5).long()
        good = (xs >= 0) & (xs < columns) & (ys >= 0) & (ys < rows)
        return torch.where(good, canvas[:, ys.clamp(0, rows - 1), xs.clamp(0, columns - 1)], torch.zeros((), dtype=torch.bool))

    def look(self, rgb):
        """The part before the projection: scores, last map, class token."""
        span = 255.0 if self.p["unit"] else 1.0
        mean = torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1) * span
        deviation = torch.tensor([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1) * span
        picture = (rgb - mean) / deviation
        maps, token = self.encode(picture)
        return self.decode(picture, maps), maps[2], token

    def drive(self, deep, token, seen, route, speed, command):
        """The part after it."""
        return self.decide(deep, token, self.bird(seen), route, speed, command)

    def forward(self, rgb, depth, target_point, velocity, command):
        scores, deep, token = self.part("look", rgb)
        seen = torch.stack([self.project(s, d) for s, d in zip(scores, depth.reshape(-1, *depth.shape[-2:]))])
        rest = self.part("drive", deep, token, seen.float(), target_point, velocity, command)
        bits = (seen.double() * 2.0 ** torch.arange(CLASSES, dtype=torch.float64).reshape(1, -1, 1, 1)).sum(1).float()
        return scores, bits, *rest


def call(net, given):
    return dict(zip(OUTPUTS, net(*(given[name] for name in ("rgb", "depth", "target_point", "velocity", "command")))))


def example(width, height, seed, batch=1):
    rng = np.random.default_rng(seed)
    draw = lambda low, high, *shape: rng.uniform(low, high, shape).astype(np.float32)
    return {"rgb": draw(0, 255, batch, 3, height, width), "depth": draw(0.001, 0.045, batch, 1, height, width),
            "target_point": draw(-20, 20, batch, 2), "velocity": draw(0, 9, batch), "command": rng.integers(1, 7, batch).astype(np.int64)}
