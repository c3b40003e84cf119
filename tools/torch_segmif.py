#!/usr/bin/env python3
"""SegMiF in PyTorch, written from its description, to check and to time the program's own against. Needs torch and numpy.

    torch_segmif.py weights PRESET OUT [--seed N]              random parameters with the official names (.safetensors, .pth)
    torch_segmif.py inputs HEIGHT WIDTH OUT [--seed N]         infrared, visible and prior pictures (.safetensors)
    torch_segmif.py forward PRESET WEIGHTS INPUTS OUT          every output (.safetensors)
    torch_segmif.py compare OURS THEIRS                        largest difference of each tensor; exit 1 beyond 1e-4

The operators are in the published order (concatenations, attended maps, projections after upsampling), so that agreement with the
program's regrouped ones says something.
"""
import argparse
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from torch_peers import Named, fill, read, write

PRESETS = {
    "base": dict(dims=(64, 128, 320, 512), depths=(3, 4, 18, 3), embedding=256, channels=64, growth=32),
    "tiny": dict(dims=(32, 64, 160, 256), depths=(2, 2, 2, 2), embedding=128, channels=16, growth=8),
}
HEADS, REDUCTIONS = (1, 2, 5, 8), (8, 4, 2, 1)
MEAN, DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def image_of(tokens, height, width):
    batch, _, channels = tokens.shape
    return tokens.transpose(1, 2).reshape(batch, channels, height, width)


class Attention(nn.Module):
    def __init__(self, dim, heads, reduction):
        super().__init__()
        self.heads, self.reduction = heads, reduction
        self.q, self.kv, self.proj = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim), nn.Linear(dim, dim)
        if reduction > 1:
            self.sr, self.norm = nn.Conv2d(dim, dim, reduction, reduction), nn.LayerNorm(dim)

    def forward(self, x, height, width):
        batch, count, dim = x.shape
        source = x
        if self.reduction > 1:
            source = self.norm(self.sr(image_of(x, height, width)).flatten(2).transpose(1, 2))

        def split(t):
            return t.reshape(batch, -1, self.heads, dim // self.heads).transpose(1, 2)

        keys, values = self.kv(source).chunk(2, dim=2)
        scores = split(self.q(x)) @ split(keys).transpose(2, 3) / (dim // self.heads) ** 0.5
        mixed = scores.softmax(dim=3) @ split(values)
        return self.proj(mixed.transpose(1, 2).reshape(batch, count, dim))


class Depthwise(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)


class Mlp(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.fc1, self.dwconv, self.fc2 = nn.Linear(dim, 4 * dim), Depthwise(4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x, height, width):
        x = self.dwconv.dwconv(image_of(self.fc1(x), height, width))
        return self.fc2(F.gelu(x.flatten(2).transpose(1, 2)))


class Block(nn.Module):
    def __init__(self, dim, heads, reduction):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.attn, self.mlp = Attention(dim, heads, reduction), Mlp(dim)

    def forward(self, x, height, width):
        x = x + self.attn(self.norm1(x), height, width)
        return x + self.mlp(self.norm2(x), height, width)


class PatchEmbed(nn.Module):
    def __init__(self, inputs, dim, kernel, stride):
        super().__init__()
        self.proj, self.norm = nn.Conv2d(inputs, dim, kernel, stride, kernel // 2), nn.LayerNorm(dim)


class Encoder(nn.Module):
    def __init__(self, dims, depths):
        super().__init__()
        inputs = 3
        for i, (dim, depth, heads, reduction) in enumerate(zip(dims, depths, HEADS, REDUCTIONS), 1):
            setattr(self, f"patch_embed{i}", PatchEmbed(inputs, dim, 7 if i == 1 else 3, 4 if i == 1 else 2))
            setattr(self, f"block{i}", nn.ModuleList(Block(dim, heads, reduction) for _ in range(depth)))
            setattr(self, f"norm{i}", nn.LayerNorm(dim, eps=1e-6))
            inputs = dim

    def forward(self, x, stages=4):
        maps = []
        for i in range(1, stages + 1):
            embed = getattr(self, f"patch_embed{i}")
            x = embed.proj(x)
            height, width = x.shape[2:]
            x = embed.norm(x.flatten(2).transpose(1, 2))
            for block in getattr(self, f"block{i}"):
                x = block(x, height, width)
            x = image_of(getattr(self, f"norm{i}")(x), height, width)
            maps.append(x)
        return maps


class Projection(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.proj = nn.Linear(inputs, outputs)


class Fuse(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)


class Decoder(nn.Module):
    def __init__(self, dims, embedding, classes):
        super().__init__()
        for i in (4, 3, 2, 1):
            setattr(self, f"linear_c{i}", Projection(dims[i - 1], embedding))
        self.linear_fuse, self.linear_pred = Fuse(4 * embedding, embedding), nn.Conv2d(embedding, classes, 1)

    def forward(self, maps):
        size = maps[0].shape[2:]
        parts = []
        for i in (4, 3, 2, 1):
            x = maps[i - 1]
            x = image_of(getattr(self, f"linear_c{i}").proj(x.flatten(2).transpose(1, 2)), *x.shape[2:])
            parts.append(F.interpolate(x, size=size, mode="bilinear", align_corners=False))
        return self.linear_pred(F.relu(self.linear_fuse.bn(self.linear_fuse.conv(torch.cat(parts, 1)))))


class Drdb(nn.Module):
    def __init__(self, channels, growth):
        super().__init__()
        for k in range(5):
            setattr(self, f"Dcov{k + 1}", nn.Conv2d(channels + k * growth, growth, 3, padding=2, dilation=2))
        self.conv = nn.Conv2d(channels + 5 * growth, channels, 1)

    def forward(self, x):
        all_maps = x
        for k in range(5):
            all_maps = torch.cat([all_maps, F.relu(getattr(self, f"Dcov{k + 1}")(all_maps))], 1)
        return x + F.relu(self.conv(all_maps))


class KeyValue(nn.Module):
    def __init__(self, names, channels):
        super().__init__()
        for name in names:
            setattr(self, name, nn.Linear(channels, 2 * channels, bias=False))


class Cross(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.channel_proj1, self.channel_proj2, self.channel_proj3 = (nn.Linear(c, 2 * c) for _ in range(3))
        self.cross_attn, self.cross_attn2 = KeyValue(["kv3"], c), KeyValue(["kv1", "kv2"], c)
        self.end_proj1, self.end_proj2 = nn.Linear(2 * c, c), nn.Linear(2 * c, c)
        self.norm1, self.norm2 = nn.LayerNorm(c), nn.LayerNorm(c)

    def forward(self, a, b, s):
        height, width = a.shape[2:]
        a, b, s = (t.flatten(2).transpose(1, 2) for t in (a, b, s))
        y1, u1 = F.relu(self.channel_proj1(a)).chunk(2, 2)
        y2, u2 = F.relu(self.channel_proj2(b)).chunk(2, 2)
        y3, u3 = F.relu(self.channel_proj3(s)).chunk(2, 2)

        def heads(t):
            return t.reshape(t.shape[0], t.shape[1], -1, 8).transpose(1, 2)

        def context(kv, t):
            keys, values = (heads(h) for h in kv(t).chunk(2, 2))
            return (keys.transpose(2, 3) @ values * 8**-0.5).softmax(dim=2)

        def attend(t, by):
            return (heads(t) @ by).transpose(1, 2).reshape(t.shape)

        by_s = context(self.cross_attn.kv3, u3)
        v1, v2 = attend(u1, by_s), attend(u2, by_s)
        z1, z2 = attend(y3, context(self.cross_attn2.kv1, y1)), attend(y3, context(self.cross_attn2.kv2, y2))
        a = self.norm1(a + self.end_proj1(torch.cat([z1, v1], 2)))
        b = self.norm2(b + self.end_proj2(torch.cat([z2, v2], 2)))
        return image_of(a, height, width), image_of(b, height, width)


class Ffm(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.cross = Cross(channels)


class Fusion(nn.Module):
    def __init__(self, c, growth, dims):
        super().__init__()
        self.conv1_ir, self.conv1_vis = nn.Conv2d(1, c, 3, padding=1), nn.Conv2d(1, c, 3, padding=1)
        self.DRDB1, self.DRDB2, self.DRDB3, self.DRDB4 = (Drdb(c, growth) for _ in range(4))
        self.conv2, self.relu, self.ffm = nn.Conv2d(2 * c, c, 3, padding=1), nn.PReLU(), Ffm(c)
        self.conv3, self.conv4 = nn.Conv2d(dims[0], c, 1), nn.Conv2d(dims[1], c, 1)
        self.conv21, self.conv22 = nn.Conv2d(c, c // 2, 3, padding=1), nn.Conv2d(c // 2, 1, 3, padding=1)

    def forward(self, ir, y, out0, out1):
        a, b = self.DRDB1(self.relu(self.conv1_ir(ir))), self.DRDB2(self.relu(self.conv1_vis(y)))
        a, b = self.ffm.cross(a, b, self.conv3(out0))
        a, b = self.ffm.cross(self.DRDB3(a), self.DRDB4(b), self.conv4(out1))
        x = self.relu(self.conv2(torch.cat([a, b], 1)))
        return self.relu(self.conv22(self.relu(self.conv21(x))))


class Segmenter(nn.Module):
    def __init__(self, dims, depths, embedding, classes):
        super().__init__()
        self.denoise_net = nn.Module()
        self.denoise_net.encoder = Encoder(dims, depths)
        self.denoise_net.decoder = Decoder(dims, embedding, classes)


class Net(Named):
    def __init__(self, preset, classes=9):
        super().__init__()
        p = PRESETS[preset]
        self.fusion = Fusion(p["channels"], p["growth"], p["dims"])
        self.seg = Segmenter(p["dims"], p["depths"], p["embedding"], classes)
        self.register_buffer("mean", torch.tensor(MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, ir, vis, mask):
        return self.part("whole", ir, vis, mask)

    def whole(self, ir, vis, mask):
        size, net = ir.shape[2:], self.seg.denoise_net
        mask = mask.expand(-1, 3, -1, -1) if mask.shape[1] == 1 else mask
        out0, out1 = (F.interpolate(m, size=size, mode="bilinear", align_corners=False) for m in net.encoder(mask, 2))
        red, green, blue = vis.split(1, 1)
        y = 0.299 * red + 0.587 * green + 0.114 * blue
        cr, cb = (red - y) * 0.713, (blue - y) * 0.564
        fused = self.fusion(ir[:, :1], y, out0, out1)
        rgb = torch.cat([fused + 1.403 * cr, fused - 0.714 * cr - 0.344 * cb, fused + 1.773 * cb], 1).clamp(0, 1)
        logits = net.decoder(net.encoder((rgb * 255 - self.mean) / self.deviation))
        return fused, rgb, logits, F.interpolate(logits, size=size, mode="bilinear", align_corners=False)


OUTPUTS = ["fused", "fused_rgb", "logits", "logits_full"]
SIZES = {"base": (640, 480), "tiny": (320, 240)}
UNUSED = ("fusion.ffm2.", "seg.denoise_net.classifier.")


def random_state(preset, seed):
    """Parameters of unit scale through the network; contexts, which sum over all pixels, are kept small."""
    rng = np.random.default_rng(seed)
    state = {}
    for name, t in Net(preset).state_dict().items():
        shape, leaf = tuple(t.shape), name.rsplit(".", 1)[-1]
        if leaf == "num_batches_tracked":
            state[name] = np.zeros(shape, np.int64)
            continue
        low, high = -0.1, 0.1
        if leaf == "running_var":
            low, high = 0.5, 1.5
        elif ".kv1." in name or ".kv2." in name or ".kv3." in name:
            low, high = -0.006, 0.006
        elif name == "fusion.relu.weight":
            low, high = 0.2, 0.3
        elif name == "fusion.conv22.bias":
            low, high = 0.4, 0.6
        elif len(shape) >= 2:
            bound = (3 / np.prod(shape[1:])) ** 0.5 * (0.1 if name == "fusion.conv22.weight" else 1)
            low, high = -bound, bound
        elif leaf == "weight":
            low, high = 0.9, 1.1
        state[name] = rng.uniform(low, high, shape).astype(np.float32)
    return state


def network(preset, arrays):
    return fill(Net(preset), arrays, UNUSED)


def call(net, given):
    return dict(zip(OUTPUTS, net(*(given[n] for n in ("ir", "vis", "mask")))))


def example(width, height, seed, batch=1):
    rng = np.random.default_rng(seed)
    return {n: rng.random((batch, c, height, width), np.float32) for n, c in [("ir", 1), ("vis", 3), ("mask", 1)]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["weights", "inputs", "forward", "compare"])
    parser.add_argument("rest", nargs="+")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    if args.what == "weights":
        preset, out = args.rest
        state = random_state(preset, args.seed)
        write(out, state) if out.endswith(".safetensors") else torch.save({n: torch.from_numpy(a) for n, a in state.items()}, out)
    elif args.what == "inputs":
        height, width, out = args.rest
        write(out, example(int(width), int(height), args.seed))
    elif args.what == "forward":
        preset, weights, inputs, out = args.rest
        given = {n: torch.from_numpy(a.copy()) for n, a in read(inputs).items()}
        write(out, {n: t.numpy() for n, t in call(network(preset, read(weights)), given).items()})
    else:
        ours, theirs = (read(path) for path in args.rest)
        worst = 0.0
        for name in theirs:
            off = float(np.abs(ours[name] - theirs[name]).max()) if ours[name].shape == theirs[name].shape else float("inf")
            worst = max(worst, off)
            print(f"{name:12} {str(theirs[name].shape):20} {off:.2e}")
        sys.exit(worst > 1e-4)


if __name__ == "__main__":
    main()
