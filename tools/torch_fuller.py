#!/usr/bin/env python3
"""FULLER's network (BEVFusion's) in PyTorch, written from its description, to check and to time the program's own against.

    torch_fuller.py variants OUT.safetensors      heat map and map layers of `tiny`'s variants on a small grid, for tests/parity_fuller.rs

Sparse convolutions are gather, matrix product and scatter-add (`time_sparse.py` finds the pairs); everything else is the plain operator.
"""
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from time_sparse import pairs
import torch_peers as peers
from torch_peers import Named, image_of, tokens_of

PRESETS = {
    "base": dict(embedding=96, depths=(2, 2, 6, 2), heads=(3, 6, 12, 24), pyramid=256, context=80, sparse=(16, 32, 64, 128), fused=256,
                 second=((128, 5, 1), (256, 5, 2)), neck=256, pillar=((64, 3, 2), (128, 5, 2), (256, 5, 2)), pillar_neck=128, hidden=128, feed=256,
                 branch=64, map_hidden=512, residual=(160, 320, 640), voxel=(0.1, 0.1, 0.2), max_voxels=120000, column=(0.2, 0.2, 8.0), max_pillars=60000,
                 bev=((-51.2, 51.2, 0.4),) * 2 + ((-10.0, 10.0, 20.0),), depth=(1.0, 60.0, 0.5), proposals=200, map=((-50.0, 50.0, 0.5),) * 2),
    "tiny": dict(embedding=24, depths=(2, 2, 2, 2), heads=(2, 3, 6, 12), pyramid=48, context=16, sparse=(8, 8, 16, 24), fused=40,
                 second=((28, 2, 1), (40, 2, 2)), neck=32, pillar=((32, 1, 2), (48, 2, 2), (64, 2, 2)), pillar_neck=24, hidden=40, feed=80,
                 branch=24, map_hidden=16, residual=(24, 32, 48), voxel=(0.2, 0.2, 0.2), max_voxels=30000, column=(0.4, 0.4, 8.0), max_pillars=20000,
                 bev=((-51.2, 51.2, 0.8),) * 2 + ((-10.0, 10.0, 20.0),), depth=(1.0, 60.0, 1.0), proposals=100, map=((-50.0, 50.0, 1.0),) * 2),
}
SIZES = {"base": (704, 256), "tiny": (176, 64)}
for preset in PRESETS.values():
    preset["range"] = (-51.2, -51.2, -5.0, 51.2, 51.2, 3.0)
WINDOW, CLASSES = 7, 10
BRANCHES = (("center", 2), ("height", 1), ("dim", 3), ("rot", 2), ("vel", 2), ("heatmap", CLASSES))
UNUSED = ("encoders.camera.vtransform.dx", "encoders.camera.vtransform.bx", "encoders.camera.vtransform.nx", "encoders.camera.vtransform.frustum")
OUTPUTS = ["map.prob", "object.dense_heatmap"] + [f"object.{name}" for name, _ in BRANCHES] + ["object.query_heatmap_score"]
CAMERA = ("camera_intrinsics", "camera2lidar", "lidar2image", "img_aug_matrix")
EPS = 1e-3


class Conv3(nn.Module):
    """A sparse convolution's weight, [kx, ky, kz, in, out]."""

    def __init__(self, kernel, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(*kernel, inputs, outputs))


class Net(Named):
    def __init__(self, preset, view="lss", lidar="sparse", sensors="both"):
        super().__init__()
        p = self.p = PRESETS[preset]
        self.view, self.lidar, self.sensors = view, lidar, sensors
        if sensors != "lidar":
            self.camera_layers(p)
        if sensors == "camera":
            self.residual_layers(p)
            width = p["fused"]
        elif lidar == "sparse":
            self.sparse_layers(p)
            width = self.levels() * p["sparse"][3]
        else:
            self.pillar_layers(p)
            width = 3 * p["pillar_neck"]
        if sensors == "both":
            self.conv("fuser.0", p["context"] + width, p["fused"], 3, bias=False)
            self.put("fuser.1", nn.BatchNorm2d(p["fused"]))
            width = p["fused"]
        if sensors == "both" or sensors == "lidar" and lidar == "sparse":
            self.second("decoder.", width, p["second"], p["neck"])
            width = 2 * p["neck"]
        self.head_layers(p, width)

    def block(self, name, inputs, outputs, kernel, stride=1, bias=False, eps=1e-5, names=("conv", "bn"), padding=None):
        self.conv(f"{name}{names[0]}", inputs, outputs, kernel, stride, padding, bias)
        self.put(f"{name}{names[1]}", nn.BatchNorm2d(outputs, eps))

    def run(self, x, name, names=("conv", "bn")):
        return F.relu(self.at(f"{name}{names[1]}")(self.at(f"{name}{names[0]}")(x)))

    def camera_layers(self, p):
        n, c = "encoders.camera.backbone.", p["embedding"]
        self.conv(f"{n}patch_embed.projection", 3, c, 4, 4, 0)
        self.put(f"{n}patch_embed.norm", nn.LayerNorm(c))
        for s, (depth, heads) in enumerate(zip(p["depths"], p["heads"])):
            for b in range(depth):
                m = f"{n}stages.{s}.blocks.{b}."
                self.put(f"{m}norm1", nn.LayerNorm(c))
                self.put(f"{m}norm2", nn.LayerNorm(c))
                self.parameter(f"{m}attn.w_msa.relative_position_bias_table", (2 * WINDOW - 1) ** 2, heads)
                self.linear(f"{m}attn.w_msa.qkv", c, 3 * c)
                self.linear(f"{m}attn.w_msa.proj", c, c)
                self.linear(f"{m}ffn.layers.0.0", c, 4 * c)
                self.linear(f"{m}ffn.layers.1", 4 * c, c)
            if s > 0:
                self.put(f"{n}norm{s}", nn.LayerNorm(c))
            if s < 3:
                self.put(f"{n}stages.{s}.downsample.norm", nn.LayerNorm(4 * c))
                self.linear(f"{n}stages.{s}.downsample.reduction", 4 * c, 2 * c, bias=False)
                c *= 2
        n, e, w = "encoders.camera.neck.", p["embedding"], p["pyramid"]
        for name, inputs, kernel in (("lateral_convs.0.", 2 * e + w, 1), ("lateral_convs.1.", 12 * e, 1), ("fpn_convs.0.", w, 3), ("fpn_convs.1.", w, 3)):
            self.block(n + name, inputs, w, kernel)
        n, depths, context = "encoders.camera.vtransform.", self.depths(), p["context"]
        if self.view == "lss":
            self.conv(f"{n}depthnet", w, depths + context, 1)
        else:
            for at, inputs, outputs, kernel, stride in ((0, 1, 8, 1, 1), (3, 8, 32, 5, 4), (6, 32, 64, 5, 2)):
                self.block(f"{n}dtransform.", inputs, outputs, kernel, stride, True, names=(at, at + 1))
            for at, inputs in ((0, w + 64), (3, w)):
                self.block(f"{n}depthnet.", inputs, w, 3, bias=True, names=(at, at + 1))
            self.conv(f"{n}depthnet.6", w, depths + context, 1)
        for at, stride in ((0, 1), (3, 2), (6, 1)):
            self.block(f"{n}downsample.", context * (self.axes("bev")[2][2] if at == 0 else 1), context, 3, stride, names=(at, at + 1))

    def sparse_layers(self, p):
        n, (first, *_, last) = "encoders.lidar.backbone.", p["sparse"]

        def add(conv, norm, kernel, inputs, outputs):
            self.put(n + conv, Conv3(kernel, inputs, outputs))
            self.put(n + norm, nn.BatchNorm1d(outputs, EPS))

        add("conv_input.0", "conv_input.1", (3, 3, 3), 5, first)
        for s, width in enumerate(p["sparse"]):
            m = f"encoder_layers.encoder_layer{s + 1}."
            for b in range(2):
                for k in (1, 2):
                    add(f"{m}{b}.conv{k}", f"{m}{b}.bn{k}", (3, 3, 3), width, width)
            if s < 3:
                add(f"{m}2.0", f"{m}2.1", (3, 3, 3), width, p["sparse"][s + 1])
        add("conv_out.0", "conv_out.1", (1, 1, 3), last, last)

    def pillar_layers(self, p):
        n = "encoders.lidar.backbone.pts_voxel_encoder.pfn_layers."
        for k, inputs, outputs in ((0, 10, 32), (1, 64, 64)):
            self.linear(f"{n}{k}.linear", inputs, outputs, bias=False)
            self.put(f"{n}{k}.norm", nn.BatchNorm1d(outputs, EPS))
        self.second("decoder." if self.sensors == "lidar" else "encoders.lidar.second.", 64, p["pillar"], p["pillar_neck"])

    def residual_layers(self, p):
        inputs, n = p["context"], "decoder.backbone."
        for i, (outputs, stride) in enumerate(zip(p["residual"], (2, 2, 1))):
            for b in range(2):
                first = b == 0
                self.block(f"{n}{i}.{b}.", inputs, outputs, 3, stride if first else 1, names=("conv1", "bn1"))
                self.block(f"{n}{i}.{b}.", outputs, outputs, 3, names=("conv2", "bn2"))
                if first and (stride != 1 or inputs != outputs):
                    self.block(f"{n}{i}.{b}.downsample.", inputs, outputs, 1, stride, names=(0, 1))
                inputs = outputs
        fine, _, coarse = p["residual"]
        for name, inputs, kernel, at in (("fuse", coarse + fine, 1, 0), ("fuse", p["fused"], 3, 3), ("upsample", p["fused"], 3, 1)):
            self.block(f"decoder.neck.{name}.", inputs, p["fused"], kernel, names=(at, at + 1))

    def residual(self, x):
        n, maps = "decoder.backbone.", []
        for i in range(3):
            for b in range(2):
                m = f"{n}{i}.{b}."
                y = self.at(f"{m}bn2")(self.at(f"{m}conv2")(self.run(x, m, ("conv1", "bn1"))))
                around = self.at(f"{m}downsample.1")(self.at(f"{m}downsample.0")(x)) if self.at(f"{m}downsample") is not None else x
                x = F.relu(y + around)
            maps.append(x)
        up = lambda x, size: F.interpolate(x, size=size, mode="bilinear", align_corners=True)
        x = torch.cat([up(x, maps[0].shape[2:]), maps[0]], 1)
        x = self.run(self.run(x, "decoder.neck.fuse.", (0, 1)), "decoder.neck.fuse.", (3, 4))
        return self.run(up(x, [2 * s for s in x.shape[2:]]), "decoder.neck.upsample.", (1, 2))

    def second(self, n, inputs, levels, outputs):
        rescale = {2: ("same", "double"), 3: ("half", "same", "double")}[len(levels)]
        for i, ((channels, layers, stride), size) in enumerate(zip(levels, rescale)):
            for at in range(layers + 1):
                first = at == 0
                self.block(f"{n}backbone.blocks.{i}.", inputs if first else channels, channels, 3, stride if first else 1, eps=EPS, names=(3 * at, 3 * at + 1))
            if size == "double":
                self.put(f"{n}neck.deblocks.{i}.0", nn.ConvTranspose2d(channels, outputs, 2, 2, bias=False))
            else:
                self.conv(f"{n}neck.deblocks.{i}.0", channels, outputs, 2 if size == "half" else 1, 2 if size == "half" else 1, 0, False)
            self.put(f"{n}neck.deblocks.{i}.1", nn.BatchNorm2d(outputs, EPS))
            inputs = channels

    def head_layers(self, p, width):
        n, h = "heads.object.", p["hidden"]
        self.conv(f"{n}shared_conv", width, h, 3)
        self.block(f"{n}heatmap_head.0.", h, h, 3)
        self.conv(f"{n}heatmap_head.1", h, CLASSES, 3)
        self.put(f"{n}class_encoding", nn.Conv1d(CLASSES, h, 1))
        d = f"{n}decoder.0."
        for name in ("self_posembed", "cross_posembed"):
            self.put(f"{d}{name}.position_embedding_head.0", nn.Conv1d(2, h, 1))
            self.put(f"{d}{name}.position_embedding_head.1", nn.BatchNorm1d(h))
            self.put(f"{d}{name}.position_embedding_head.3", nn.Conv1d(h, h, 1))
        for name in ("self_attn", "multihead_attn"):
            self.put(f"{d}{name}", nn.MultiheadAttention(h, 8))
        for k in (1, 2, 3):
            self.put(f"{d}norm{k}", nn.LayerNorm(h))
        self.linear(f"{d}linear1", h, p["feed"])
        self.linear(f"{d}linear2", p["feed"], h)
        for name, size in BRANCHES:
            b = f"{n}prediction_heads.0.{name}."
            self.put(f"{b}0.conv", nn.Conv1d(h, p["branch"], 1, bias=False))
            self.put(f"{b}0.bn", nn.BatchNorm1d(p["branch"]))
            self.put(f"{b}1", nn.Conv1d(p["branch"], size, 1))
        m, inner = "heads.map.classifier.", p["map_hidden"]
        self.block(m, width, inner, 3, names=(0, 1))
        self.block(m, inner, inner, 3, names=(3, 4))
        self.conv(f"{m}6", inner, 6, 1)

    def axes(self, name):
        """Low, step and count of each axis."""
        return [(low, step, round((high - low) / step)) for low, high, step in self.p[name]]

    def grid(self, size):
        low, high = self.p["range"][:3], self.p["range"][3:]
        return [round((high[a] - low[a]) / size[a]) for a in range(3)]

    def levels(self):
        """Levels along z that the sparse encoder leaves."""
        z = self.grid(self.p["voxel"])[2] + 1
        for padding in (1, 1, 0, 0):
            z = (z + 2 * padding - 3) // 2 + 1
        return z

    def depths(self):
        low, high, step = self.p["depth"]
        return math.ceil((high - low) / step)

    def swin(self, x):
        n, outputs = "encoders.camera.backbone.", []
        x = F.pad(x, (0, -x.shape[3] % 4, 0, -x.shape[2] % 4))
        x = self.at(f"{n}patch_embed.projection")(x)
        height, width = x.shape[2:]
        t = self.at(f"{n}patch_embed.norm")(tokens_of(x))
        for s, (depth, heads) in enumerate(zip(self.p["depths"], self.p["heads"])):
            for b in range(depth):
                m = f"{n}stages.{s}.blocks.{b}."
                t = t + self.windows(self.at(f"{m}norm1")(t), m, height, width, heads, 3 if b % 2 else 0)
                t = t + self.at(f"{m}ffn.layers.1")(F.gelu(self.at(f"{m}ffn.layers.0.0")(self.at(f"{m}norm2")(t))))
            if s > 0:
                outputs.append(image_of(self.at(f"{n}norm{s}")(t), height, width))
            if s < 3:
                image = F.pad(image_of(t, height, width), (0, width % 2, 0, height % 2))
                height, width = image.shape[2] // 2, image.shape[3] // 2
                t = self.at(f"{n}stages.{s}.downsample.norm")(F.unfold(image, 2, stride=2).transpose(1, 2))
                t = self.at(f"{n}stages.{s}.downsample.reduction")(t)
        return outputs

    def windows(self, t, m, height, width, heads, shift):
        batch, _, c = t.shape
        x = F.pad(t.reshape(batch, height, width, c), (0, 0, 0, -width % WINDOW, 0, -height % WINDOW))
        rows, columns = x.shape[1] // WINDOW, x.shape[2] // WINDOW
        cut = lambda x: x.reshape(x.shape[0], rows, WINDOW, columns, WINDOW, -1).transpose(2, 3).reshape(-1, WINDOW * WINDOW, x.shape[-1])
        x = cut(torch.roll(x, (-shift, -shift), (1, 2)))
        q, k, v = self.at(f"{m}attn.w_msa.qkv")(x).reshape(-1, WINDOW**2, 3, heads, c // heads).permute(2, 0, 3, 1, 4)
        y, x2 = torch.meshgrid(torch.arange(WINDOW), torch.arange(WINDOW), indexing="ij")
        y, x2 = y.flatten(), x2.flatten()
        index = (y[:, None] - y[None] + WINDOW - 1) * (2 * WINDOW - 1) + x2[:, None] - x2[None] + WINDOW - 1
        bias = self.at(f"{m}attn.w_msa.relative_position_bias_table")[index].permute(2, 0, 1)[None]
        if shift:
            label = torch.zeros(1, rows * WINDOW, columns * WINDOW, 1)
            parts = (slice(0, -WINDOW), slice(-WINDOW, -shift), slice(-shift, None))
            for i, a in enumerate(parts):
                for j, b in enumerate(parts):
                    label[:, a, b] = 3 * i + j
            label = cut(label)[..., 0]
            apart = (label[:, :, None] != label[:, None]).float() * -100
            bias = bias + apart.repeat(batch, 1, 1)[:, None]
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=bias).transpose(1, 2).reshape(-1, WINDOW**2, c)
        x = self.at(f"{m}attn.w_msa.proj")(x)
        x = x.reshape(batch, rows, columns, WINDOW, WINDOW, c).transpose(2, 3).reshape(batch, rows * WINDOW, columns * WINDOW, c)
        return torch.roll(x, (shift, shift), (1, 2))[:, :height, :width].reshape(batch, height * width, c)

    def picture(self, images):
        """Images to features at 1/8: the dense part of the camera branch."""
        n, (c3, c4, c5) = "encoders.camera.neck.", self.swin(images)
        up = lambda x, like: F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)
        p4 = self.run(self.run(torch.cat([c4, up(c5, c4)], 1), f"{n}lateral_convs.1."), f"{n}fpn_convs.1.")
        return self.run(self.run(torch.cat([c3, up(p4, c3)], 1), f"{n}lateral_convs.0."), f"{n}fpn_convs.0.")

    def lift(self, features, given, clouds):
        n, depths = "encoders.camera.vtransform.", self.depths()
        samples, cameras, _, height, width = given["img"].shape
        matrices = [given[f"given.{name}"].flatten(0, 1) for name in CAMERA]
        intrinsics, to_lidar, to_image, framing = matrices
        augmentation = given["given.lidar_aug_matrix"]
        if self.view == "lss":
            values = self.at(f"{n}depthnet")(features)
        else:
            image = torch.zeros(samples * cameras, 1, height, width)
            for k in range(samples * cameras):
                if clouds is None:
                    break
                own = augmentation[k // cameras]
                p = (clouds[k // cameras][:, :3] - own[:3, 3]) @ torch.inverse(own[:3, :3]).T
                p = p @ to_image[k, :3, :3].T + to_image[k, :3, 3]
                z = p[:, 2]
                p = torch.cat([p[:, :2] / z.clamp(1e-5, 1e5)[:, None], z[:, None]], 1) @ framing[k, :3, :3].T + framing[k, :3, 3]
                u, v = p[:, 0], p[:, 1]
                good = (u >= 0) & (u < width) & (v >= 0) & (v < height)
                for row, column, d in zip(v[good].long().tolist(), u[good].long().tolist(), z[good].tolist()):
                    image[k, 0, row, column] = d
            x = image
            for at in (0, 3, 6):
                x = self.run(x, f"{n}dtransform.", (at, at + 1))
            x = torch.cat([x, features], 1)
            for at in (0, 3):
                x = self.run(x, f"{n}depthnet.", (at, at + 1))
            values = self.at(f"{n}depthnet.6")(x)
        rows, columns = features.shape[2:]
        low, _, step = self.p["depth"]
        d, v, u = torch.meshgrid(low + step * torch.arange(depths), torch.linspace(0, height - 1, rows), torch.linspace(0, width - 1, columns), indexing="ij")
        points = torch.stack([u, v, d], -1).reshape(1, -1, 3) - framing[:, None, :3, 3]
        points = points @ torch.inverse(framing[:, :3, :3]).transpose(1, 2)
        points = torch.cat([points[..., :2] * points[..., 2:], points[..., 2:]], -1)
        points = points @ (to_lidar[:, :3, :3] @ torch.inverse(intrinsics[:, :3, :3])).transpose(1, 2) + to_lidar[:, None, :3, 3]
        each = augmentation.repeat_interleave(cameras, 0)
        points = points @ each[:, :3, :3].transpose(1, 2) + each[:, None, :3, 3]
        (low, step, (nx, ny, nz)), c = (torch.tensor(column) if k < 2 else column for k, column in enumerate(zip(*self.axes("bev")))), self.p["context"]
        cell = ((points - low) / step).long()
        inside = ((cell >= 0) & (cell < torch.tensor([nx, ny, nz]))).all(-1)
        out = torch.zeros(samples, nz * nx * ny, c)
        for k in range(samples * cameras):
            weight = values[k, :depths].softmax(0)
            lifted = (weight[:, None] * values[k, depths:][None]).permute(0, 2, 3, 1).reshape(-1, c)[inside[k]]
            at = cell[k][inside[k]]
            out[k // cameras].index_add_(0, (at[:, 2] * nx + at[:, 0]) * ny + at[:, 1], lifted)
        x = out.reshape(samples, nz, nx * ny, c).transpose(2, 3).reshape(samples, nz * c, nx, ny)
        for at in (0, 3, 6):
            x = self.run(x, f"{n}downsample.", (at, at + 1))
        return x

    def cells(self, cloud, size, most, kept):
        """Cells in the order of their first point, the points that count in each, padded with zeros, and how many."""
        low, grid = torch.tensor(self.p["range"][:3]), torch.tensor(self.grid(size))
        cell = torch.floor((cloud[:, :3] - low) / torch.tensor(size)).long()
        good = ((cell >= 0) & (cell < grid)).all(1)
        cell, cloud = cell[good].numpy(), cloud[good]
        _, first, owner = np.unique(cell, axis=0, return_index=True, return_inverse=True)
        rank = np.empty(len(first), np.int64)
        rank[np.argsort(first)] = np.arange(len(first))
        owner = rank[owner.reshape(-1)]
        order = np.argsort(owner, kind="stable")
        place = np.empty(len(owner), np.int64)
        starts = np.searchsorted(owner[order], np.arange(len(first)))
        place[order] = np.arange(len(owner)) - starts[owner[order]]
        keep = (place < kept) & (owner < most)
        total = min(len(first), most)
        points = torch.zeros(total, kept, 5)
        points[torch.from_numpy(owner[keep]), torch.from_numpy(place[keep])] = cloud[torch.from_numpy(keep)]
        counts = torch.from_numpy(np.bincount(owner[keep], minlength=total)[:total])
        return cell[np.sort(first)][:total], points, counts

    def voxels(self, clouds):
        n, (nx, ny, nz) = "encoders.lidar.backbone.", self.grid(self.p["voxel"])
        maps = []
        for cloud in clouds:
            cells, points, counts = self.cells(cloud, self.p["voxel"], self.p["max_voxels"], 10)
            x, grid = points.sum(1) / counts[:, None], (nx, ny, nz + 1)

            def layer(x, rule, count, conv, norm, around=None):
                w = self.at(n + conv).weight.flatten(0, 2)
                out = torch.zeros(count, w.shape[2])
                for (rows, target), one in zip(rule, w):
                    if len(rows):
                        out.index_add_(0, target, x.index_select(0, rows) @ one)
                out = self.at(n + norm)(out)
                return F.relu(out if around is None else out + around)

            for s in range(4):
                m = f"encoder_layers.encoder_layer{s + 1}."
                _, _, rule = pairs(cells, grid, (3, 3, 3), (1, 1, 1), (1, 1, 1))
                if s == 0:
                    x = layer(x, rule, len(cells), "conv_input.0", "conv_input.1")
                for b in range(2):
                    y = layer(x, rule, len(cells), f"{m}{b}.conv1", f"{m}{b}.bn1")
                    x = layer(y, rule, len(cells), f"{m}{b}.conv2", f"{m}{b}.bn2", x)
                if s < 3:
                    cells, grid, rule = pairs(cells, grid, (3, 3, 3), (2, 2, 2), (1, 1, 0) if s == 2 else (1, 1, 1))
                    x = layer(x, rule, len(cells), f"{m}2.0", f"{m}2.1")
            cells, grid, rule = pairs(cells, grid, (1, 1, 3), (1, 1, 2), (0, 0, 0))
            x = layer(x, rule, len(cells), "conv_out.0", "conv_out.1")
            dense = torch.zeros(x.shape[1], *[int(g) for g in (grid[2], grid[0], grid[1])])
            dense[:, cells[:, 2], cells[:, 0], cells[:, 1]] = x.T
            maps.append(dense.flatten(0, 1))
        return torch.stack(maps)

    def pillars(self, clouds):
        n, size = "encoders.lidar.backbone.pts_voxel_encoder.pfn_layers.", self.p["column"]
        nx, ny, _ = self.grid(size)
        maps = []
        for cloud in clouds:
            cells, points, counts = self.cells(cloud, size, self.p["max_pillars"], 20)
            mean = points[:, :, :3].sum(1, keepdim=True) / counts[:, None, None]
            centre = torch.from_numpy(cells[:, None, :2]).float() * torch.tensor(size[:2]) + (torch.tensor(size[:2]) / 2 + torch.tensor(self.p["range"][:2]))
            x = torch.cat([points, points[:, :, :3] - mean, points[:, :, :2] - centre], 2)
            x = x * (torch.arange(20)[None, :, None] < counts[:, None, None])
            for k in (0, 1):
                x = F.relu(self.at(f"{n}{k}.norm")(self.at(f"{n}{k}.linear")(x).transpose(1, 2))).transpose(1, 2)
                top = x.max(1, keepdim=True).values
                x = top if k else torch.cat([x, top.expand_as(x)], 2)
            canvas = torch.zeros(64, nx, ny)
            canvas[:, cells[:, 0], cells[:, 1]] = x[:, 0].T
            maps.append(canvas)
        return torch.stack(maps)

    def plan(self, x, n, levels):
        """SECOND and SECONDFPN."""
        outputs = []
        for i, (_, layers, _) in enumerate(levels):
            for at in range(layers + 1):
                x = self.run(x, f"{n}backbone.blocks.{i}.", (3 * at, 3 * at + 1))
            outputs.append(self.run(x, f"{n}neck.deblocks.{i}.", (0, 1)))
        return torch.cat([o[:, :, :outputs[0].shape[2], :outputs[0].shape[3]] for o in outputs], 1)

    def trunk(self, *plans):
        """From the ground plans, the camera's first, to the one that the heads read."""
        x = plans[-1]
        if self.sensors == "camera":
            return self.residual(x)
        if self.sensors == "both":
            x = F.relu(self.at("fuser.1")(self.at("fuser.0")(torch.cat(plans, 1))))
        # As published, SECOND over the pillars is the decoder itself.
        return x if self.sensors == "lidar" and self.lidar == "pillars" else self.plan(x, "decoder.", self.p["second"])

    def map(self, x):
        centres = [low + step * (torch.arange(count) + 0.5) for low, step, count in self.axes("map")]
        gx, gy = torch.meshgrid(*(2 * (c - low) / (high - low) - 1 for c, (low, high, _) in zip(centres, self.p["bev"])), indexing="ij")
        x = F.grid_sample(x, torch.stack([gy, gx], -1)[None].expand(x.shape[0], -1, -1, -1), align_corners=False)
        m = "heads.map.classifier."
        return torch.sigmoid(self.at(f"{m}6")(self.run(self.run(x, m, (0, 1)), m, (3, 4))))

    def objects(self, x):
        n, h = "heads.object.", self.p["hidden"]
        d = f"{n}decoder.0."
        batch, _, nx, ny = x.shape
        features = self.at(f"{n}shared_conv")(x)
        dense = self.at(f"{n}heatmap_head.1")(self.run(features, f"{n}heatmap_head.0."))
        heat = torch.sigmoid(dense)
        peaks = torch.zeros_like(heat)
        peaks[:, :, 1:-1, 1:-1] = F.max_pool2d(heat, 3, 1, 0)
        peaks[:, 8:] = heat[:, 8:]
        heat = (heat * (peaks == heat)).flatten(2)
        # Equal scores by falling place, as a stable sort gives them; the program's order among equals is compared by class and cell.
        order = torch.argsort(heat.flatten(1), dim=1, descending=True, stable=True)[:, :self.p["proposals"]]
        kind, cell = order // (nx * ny), order % (nx * ny)
        tokens = features.flatten(2)
        take = lambda t: t.gather(2, cell[:, None].expand(-1, t.shape[1], -1))
        one_hot = F.one_hot(kind, CLASSES).transpose(1, 2).float()
        query = take(tokens) + self.at(f"{n}class_encoding")(one_hot)
        gx, gy = torch.meshgrid(torch.arange(nx) + 0.5, torch.arange(ny) + 0.5, indexing="ij")
        keys = torch.stack([gx.flatten(), gy.flatten()])[None].expand(batch, -1, -1)
        places = take(keys)

        def embed(name, t):
            e = f"{d}{name}.position_embedding_head."
            return self.at(f"{e}3")(F.relu(self.at(f"{e}1")(self.at(f"{e}0")(t)))).permute(2, 0, 1)

        own, other = embed("self_posembed", places), embed("cross_posembed", keys)
        q, memory = query.permute(2, 0, 1), tokens.permute(2, 0, 1) + other
        placed = q + own
        q = self.at(f"{d}norm1")(q + self.at(f"{d}self_attn")(placed, placed, placed)[0])
        q = self.at(f"{d}norm2")(q + self.at(f"{d}multihead_attn")(q + own, memory, memory)[0])
        q = self.at(f"{d}norm3")(q + self.at(f"{d}linear2")(F.relu(self.at(f"{d}linear1")(q)))).permute(1, 2, 0)
        found = {}
        for name, _ in BRANCHES:
            b = f"{n}prediction_heads.0.{name}."
            found[name] = self.at(f"{b}1")(F.relu(self.at(f"{b}0.bn")(self.at(f"{b}0.conv")(q))))
        found["center"] = found["center"] + places
        return dense, found, heat.gather(2, cell[:, None].expand(-1, CLASSES, -1)), kind, cell

    def forward(self, given):
        clouds, plans = None, []
        if "points.x" in given:
            columns = torch.stack([given[f"points.{axis}"] for axis in ("x", "y", "z", "intensity", "time")], -1)
            clouds = list(columns.reshape(-1, *columns.shape[-2:]))
        if self.sensors != "lidar":
            plans.append(self.lift(self.part("picture", given["img"].flatten(0, 1)), given, clouds))
        if self.sensors != "camera" and self.lidar == "sparse":
            plans.append(self.voxels(clouds))
        elif self.sensors != "camera":
            name = "decoder." if self.sensors == "lidar" else "encoders.lidar.second."
            plans.append(self.plan(self.pillars(clouds), name, self.p["pillar"]))
        x = self.part("trunk", *plans)
        dense, found, scores, kind, cell = self.objects(x)
        rows = {f"object.{name}": t for name, t in found.items()}
        return {"map.prob": self.part("map", x), "object.dense_heatmap": dense, **rows, "object.query_heatmap_score": scores,
                "object.proposal_class": kind, "object.proposal_cell": cell}


def call(net, given):
    return net(given)


def matched(found, expected):
    """Both sides' outputs with the proposals that both chose, in order of class and cell.

    Scores that are equal to the last bits may change places, also at the end of the list: of at least nine in ten both must agree.
    """
    sides = [{name: np.asarray(side[name]) for name in expected} for side in (found, expected)]
    keys = [side["object.proposal_class"].astype(np.int64) * 10**6 + side["object.proposal_cell"] for side in sides]
    rows = ({}, {})
    for sample, (a, b) in enumerate(zip(*keys)):
        both = np.intersect1d(a, b)
        if len(both) < 0.9 * len(b):
            raise SystemExit(f"error: only {len(both)} of {len(b)} proposals in common")
        for side, key, out in zip(sides, (a, b), rows):
            at = np.array([np.nonzero(key == k)[0][0] for k in both])
            for name, t in side.items():
                proposals = name.startswith("object.") and name != "object.dense_heatmap"
                out[f"{name}[{sample}]"] = t[sample][..., at] if proposals else t[sample]
    return rows


def example(width, height, seed, batch=1, cameras=6, points=None):
    """Cameras at equal turns with nuScenes' lens, framed as published, and a sweep between wavy walls (or `points` at random)."""
    from time_sparse import sweep

    rng = np.random.default_rng(seed)
    lens = np.array([[1266.4, 0, 816.3, 0], [0, 1266.4, 491.5, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    forward = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    scale = 0.48 * width / 704
    framing = np.eye(4)
    framing[0, 0] = framing[1, 1] = scale
    framing[0, 3], framing[1, 3] = -width / 22, -(900 * scale - height)
    rows = {name: [] for name in CAMERA}
    for k in range(cameras):
        c, s = math.cos(2 * math.pi * k / cameras), math.sin(2 * math.pi * k / cameras)
        turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = turn @ forward, turn @ [0, 0.7, -0.3]
        for name, m in zip(CAMERA, (lens, pose, lens @ np.linalg.inv(pose), framing)):
            rows[name].append(m)
    spread = lambda m: np.broadcast_to(np.array(m, np.float32), (batch, *np.array(m).shape)).copy()
    given = {"img": rng.normal(size=(batch, cameras, 3, height, width)).astype(np.float32), "given.lidar_aug_matrix": spread(np.eye(4))}
    given.update({f"given.{name}": spread(m) for name, m in rows.items()})
    cloud = sweep() if points is None else np.stack([rng.uniform(-50, 50, points), rng.uniform(-50, 50, points), rng.uniform(-4, 2, points), rng.uniform(0, 255, points), rng.uniform(0, 0.5, points)], -1).astype(np.float32)
    for axis, name in enumerate(("x", "y", "z", "intensity", "time")):
        given[f"points.{name}"] = np.stack([np.roll(cloud[:, axis], 7 * b) * (1 if axis else (1, 0.9)[b % 2]) for b in range(batch)]).astype(np.float32)
    return given


VARIANTS = {
    "pillars": dict(lidar="pillars"),
    "pillars_alone": dict(lidar="pillars", sensors="lidar"),
    "lidar": dict(sensors="lidar"),
    "camera": dict(sensors="camera"),
    "depth_lss": dict(view="depth_lss"),
    "camera_depth_lss": dict(view="depth_lss", sensors="camera"),
    "uneven": dict(),
}


def variants(out):
    """Three cameras of 75x41 and 900 points, all by rule, seed 1; parameters by rule, seed 2."""
    whole = PRESETS["tiny"]["bev"][2]
    PRESETS["small"] = dict(PRESETS["tiny"], range=(-12.8, -12.8, -5.0, 12.8, 12.8, 3.0), bev=((-12.8, 12.8, 0.8),) * 2 + (whole,), proposals=20, map=((-10.0, 10.0, 1.0),) * 2)
    # Another extent along each axis, odd counts, three levels of the sparse encoder and two of the camera's grid, depths that steps do not meet.
    PRESETS["uneven"] = dict(PRESETS["small"], range=(-8.0, -14.4, -3.0, 16.0, 12.0, 3.4), voxel=(0.2, 0.2, 0.1), depth=(1.5, 40.0, 0.8),
                             bev=((-8.0, 16.0, 0.8), (-14.4, 12.0, 0.8), (-4.0, 4.0, 4.0)), map=((-6.0, 12.0, 0.75), (-9.0, 11.0, 1.0)))
    given = {"img": peers.by_rule("img", (1, 3, 3, 41, 75), -2.0, 2.5, 1)}
    for axis, low, high in (("x", -12.0, 12.0), ("y", -12.0, 12.0), ("z", -3.0, 1.0), ("intensity", 0.0, 100.0), ("time", 0.0, 0.4)):
        given[f"points.{axis}"] = peers.by_rule(axis, (1, 900), low, high, 1)
    pose = [[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]]
    lens = [[40, 0, 37, 0], [0, 40, 20, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    image = np.array(lens) @ np.linalg.inv(pose)
    for name, m in zip(CAMERA, (lens, pose, image, np.eye(4))):
        given[f"given.{name}"] = np.broadcast_to(np.array(m, np.float32), (1, 3, 4, 4))
    given["given.lidar_aug_matrix"] = np.eye(4, dtype=np.float32)[None]
    found = {}
    for name, kinds in VARIANTS.items():
        net = Net("uneven" if name == "uneven" else "small", **kinds)
        peers.fill(net, peers.random_state(net, 2))
        only = {"lidar": lambda n: n.startswith("points."), "camera": lambda n: "view" in kinds or not n.startswith("points.")}.get(kinds.get("sensors"), lambda n: True)
        outputs = net({n: torch.from_numpy(np.array(a)) for n, a in given.items() if only(n)})
        found.update({f"{name}/{n}": outputs[n].numpy() for n in ("map.prob", "object.dense_heatmap")})
    peers.write(out, found)


if __name__ == "__main__":
    import sys

    if len(sys.argv) != 3 or sys.argv[1] != "variants":
        sys.exit(__doc__)
    torch.set_grad_enabled(False)
    variants(sys.argv[2])
