"""PairingNet in PyTorch, written from its description, to check and to time the program's own against."""
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from torch_peers import Named

PRESETS = {
    "base": dict(channels=64, graph=14, depth=5, embedding=128, length=1408),
    "tiny": dict(channels=32, graph=6, depth=2, embedding=64, length=1408),
}
SIZES = {"base": (2900, 1), "tiny": (1000, 1)}
RADIUS, HEADS, LOCAL, WINDOW = 8, 8, 4, 128
UNUSED = tuple(f"matching.{n}" for n in ("flatten_net.fc1.", "fc2.", "selfgate.fc_2.", "selfgate.fc1_2.", "selfgate.proj", "selfgate.out_layer.", "selfgate.fc3.")) + ("searching.fc_s.", "searching.fc_t.")
OUTPUTS = ["source.fused", "source.contour", "source.texture", "source.gate", "source.global"]


class Net(Named):
    def __init__(self, preset):
        super().__init__()
        p = self.p = PRESETS[preset]
        c, m, s = p["channels"], "matching.", "searching."
        for name, inputs, outputs, padding in (("flatten_net.conv1", 1, c, 0), ("encoder_t.conv1", 3, c // 2, 1), ("encoder_t.conv2", c // 2, c, 0)):
            self.conv(f"{m}{name}.conv", inputs, outputs, 3, padding=padding, bias=False)
            self.put(f"{m}{name}.bn", nn.BatchNorm2d(outputs))
        self.linear(f"{m}fc", c + 2, c)
        for branch in ("encoder_c", "gcn_t"):
            for i in range(p["graph"]):
                g = f"{m}{branch}.deep_gcn.{i}."
                self.put(f"{g}norm", nn.BatchNorm1d(c))
                self.linear(f"{g}conv.lin_src", c, c, bias=False)
                self.parameter(f"{g}conv.att_src", 1, 1, c)
                self.parameter(f"{g}conv.att_dst", 1, 1, c)
                self.parameter(f"{g}conv.bias", c)
        for n in (m, s):
            self.linear(f"{n}selfgate.fc", 2 * c, c)
            self.linear(f"{n}selfgate.fc1", c, c)
        for branch in "ct":
            for i in range(p["depth"]):
                t = f"{s}transformer_encoder_{branch}.layers.layers.{i}."
                self.put(f"{t}0.norm", nn.LayerNorm(c))
                for leaf in ("to_q", "to_k", "to_v"):
                    self.linear(f"{t}0.fn.{leaf}", c, c, bias=False)
                self.linear(f"{t}0.fn.to_out", c, c)
                self.put(f"{t}1.norm", nn.LayerNorm(c))
                self.linear(f"{t}1.fn.fn.w1", c, 4 * c)
                self.linear(f"{t}1.fn.fn.w2", 4 * c, c)
        self.linear(f"{s}out_l_1", 2 * c, p["embedding"])

    def patch(self, x, name):
        return F.relu(self.at(f"{name}.bn")(self.at(f"{name}.conv")(x)))

    def graph(self, x, g, n):
        """One graph layer; the first n rows are the ring, the others see themselves."""
        h = F.relu(self.at(f"{g}norm")(x))
        z = self.at(f"{g}conv.lin_src")(h)
        source, target = ((z * self.at(f"{g}conv.att_{side}")[0]).sum(1) for side in ("src", "dst"))
        near = (torch.arange(n)[:, None] + torch.arange(-RADIUS, RADIUS + 1)[None]) % n
        weight = F.leaky_relu(source[near] + target[:n, None], 0.2).softmax(1)
        mixed = (weight[..., None] * z[near]).sum(1)
        return x + torch.cat([mixed, z[n:]]) + self.at(f"{g}conv.bias")

    def gate(self, a, b, n):
        return torch.sigmoid(self.at(f"{n}fc1")(F.elu(self.at(f"{n}fc")(torch.cat([a, b], 1)))))

    def describe(self, pcd, c_input, t_input, n):
        m = "matching."
        line = self.patch(c_input[:, None], f"{m}flatten_net.conv1").mean((2, 3))
        contour = self.at(f"{m}fc")(torch.cat([line, pcd - pcd.mean(0) - 1], 1))
        texture = self.patch(self.patch(t_input, f"{m}encoder_t.conv1"), f"{m}encoder_t.conv2").mean((2, 3))
        for i in range(self.p["graph"]):
            contour = self.graph(contour, f"{m}encoder_c.deep_gcn.{i}.", n)
            texture = self.graph(texture, f"{m}gcn_t.deep_gcn.{i}.", n)
        w = self.gate(contour, texture, f"{m}selfgate.")
        return w * contour + (1 - w) * texture, contour, texture, w

    def transform(self, x, branch):
        for i in range(self.p["depth"]):
            t = f"searching.transformer_encoder_{branch}.layers.layers.{i}."
            normal = self.at(f"{t}0.norm")(x)
            split = lambda y: y.reshape(len(y), HEADS, -1).transpose(0, 1)
            q, k, v = (split(self.at(f"{t}0.fn.{leaf}")(normal)) for leaf in ("to_q", "to_k", "to_v"))
            window = torch.arange(len(x)) // WINDOW
            beside = (window[:, None] - window[None]).abs() <= 1
            local = F.scaled_dot_product_attention(q[:LOCAL], k[:LOCAL], v[:LOCAL], attn_mask=beside)
            far = q[LOCAL:].softmax(2) * q.shape[2] ** -0.5 @ (k[LOCAL:].softmax(1).transpose(1, 2) @ v[LOCAL:])
            x = x + self.at(f"{t}0.fn.to_out")(torch.cat([local, far]).transpose(0, 1).reshape(len(x), -1))
            x = x + self.at(f"{t}1.fn.fn.w2")(F.gelu(self.at(f"{t}1.fn.fn.w1")(self.at(f"{t}1.norm")(x))))
        return x

    def embed(self, contour, texture):
        c, t = self.transform(contour, "c"), self.transform(texture, "t")
        w = self.gate(c, t, "searching.selfgate.")
        return self.at("searching.out_l_1")(torch.cat([w * c, (1 - w) * t], 1).mean(0))

    def forward(self, pcd, c_input, t_input, points):
        fused, contour, texture, w = self.describe(pcd, c_input, t_input, points)
        rows = len(pcd)
        length = min(self.p["length"], rows - rows % WINDOW)
        return fused, contour, texture, w, self.part("embed", contour[:length], texture[:length])


def call(net, given):
    """Every fragment of the batch by itself; of one alone the leading axis is left out, as the program does."""
    points = [int(n) for n in given["source_points"]]
    columns = [given[f"source.{name}"] for name in ("pcd", "c_input", "t_input")]
    rows = [net(*(column[k] for column in columns), points[k % len(points)]) for k in range(len(columns[0]))]
    stacked = [torch.stack(parts) if len(rows) > 1 else parts[0] for parts in zip(*rows)]
    return dict(zip(OUTPUTS, stacked))


def similarity(a, b, temperature):
    cells = a @ b.T / temperature
    return cells.softmax(0) * cells.softmax(1)


def example(points, _, seed, side="source", rows=None, batch=1):
    rng = np.random.default_rng(seed)
    rows = rows or points
    draw = lambda *shape: rng.uniform(-0.4, 0.6, (batch, rows, *shape)).astype(np.float32)
    return {f"{side}.pcd": draw(2), f"{side}.c_input": draw(7, 7), f"{side}.t_input": draw(3, 7, 7), f"{side}_points": np.array([points], np.float32)}
