"""What the PyTorch definitions beside this file share: named submodules, random parameters, safetensors files. Needs torch and numpy."""
import json
import struct

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class Named(nn.Module):
    """Submodules and parameters under dotted names, so that a definition reads like the list of its parameters.

    Dense parts are called through `part`, so that a graph exported from one can take its place.
    """

    def __init__(self):
        super().__init__()
        self.seen, self.sessions = {}, {}

    def part(self, name, *given):
        session = self.sessions.get(name)
        if session is None:
            self.seen[name] = given
            return getattr(self, name)(*given)
        found = session.run(None, {i.name: t.numpy() for i, t in zip(session.get_inputs(), given)})
        found = [torch.from_numpy(a) for a in found]
        return found if len(found) > 1 else found[0]

    def put(self, name, part):
        *path, leaf = name.split(".")
        at = self
        for step in path:
            if step not in at._modules:
                at.add_module(step, nn.Module())
            at = at._modules[step]
        if isinstance(part, nn.Parameter):
            at.register_parameter(leaf, part)
        else:
            at.add_module(leaf, part)

    def at(self, name):
        found = self
        for step in name.split("."):
            found = found._modules.get(step, found._parameters.get(step))
        return found

    def conv(self, name, inputs, outputs, kernel, stride=1, padding=None, bias=True, groups=1):
        self.put(name, nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2 if padding is None else padding, bias=bias, groups=groups))

    def linear(self, name, inputs, outputs, bias=True):
        self.put(name, nn.Linear(inputs, outputs, bias=bias))

    def parameter(self, name, *shape):
        self.put(name, nn.Parameter(torch.zeros(shape)))


class Part(nn.Module):
    """One part of a network as a module, for export."""

    def __init__(self, net, name):
        super().__init__()
        self.net, self.name = net, name

    def forward(self, *given):
        return getattr(self.net, self.name)(*given)


def tokens_of(image):
    return image.flatten(2).transpose(1, 2)


def image_of(tokens, height, width):
    return tokens.transpose(1, 2).reshape(tokens.shape[0], tokens.shape[2], height, width)


def attend(q, k, v, heads, scale=None):
    """softmax(q k^T scale) v with heads as contiguous blocks of channels."""
    batch, count, dim = q.shape
    split = lambda t: t.reshape(batch, -1, heads, dim // heads).transpose(1, 2)
    return F.scaled_dot_product_attention(split(q), split(k), split(v), scale=scale).transpose(1, 2).reshape(batch, count, dim)


def random_state(net, seed):
    """Parameters that keep activations near unit scale, by name."""
    rows = {name: (tuple(t.shape), t.is_floating_point()) for name, t in net.state_dict().items()}
    return {n: by_rule(n, s, *range_of(n, s), seed) if floats else np.zeros(s, np.int64) for n, (s, floats) in rows.items()}


def by_rule(name, shape, low, high, seed):
    """The tensor that follows from a name and a seed, as in `tests/support`: 24 random bits a value."""
    one = lambda: np.uint64(0x9E3779B97F4A7C15)

    def mix(x):
        with np.errstate(over="ignore"):
            x = np.asarray(x, np.uint64) + one()
            x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            return x ^ (x >> np.uint64(31))

    start = 0xCBF29CE484222325
    for byte in name.encode():
        start = ((start ^ byte) * 0x100000001B3) % 2**64
    with np.errstate(over="ignore"):
        bits = mix((np.uint64(start) ^ mix(seed)) + np.arange(int(np.prod(shape)), dtype=np.uint64)) >> np.uint64(40)
    return (low + (high - low) * (bits / 2.0**24)).astype(np.float32).reshape(shape)


def range_of(name, shape):
    """The range of a parameter, so that activations stay near unit scale; `tests/support` has the same rule."""
    leaf = name.rsplit(".", 1)[-1]
    if leaf in ("running_mean", "running_var", "bias"):
        return {"running_mean": (-0.1, 0.1), "running_var": (0.5, 1.5), "bias": (-0.1, 0.1)}[leaf]
    if len(shape) >= 2:
        bound = float((3 / np.prod(shape[1:])) ** 0.5)
        return -bound, bound
    return 0.9, 1.1


def fill(net, arrays, unused=()):
    """Loads every parameter; what is missing or left over, other than `unused` prefixes and counters, is an error."""
    missing, unexpected = net.load_state_dict({n: torch.from_numpy(a.copy()) for n, a in arrays.items()}, strict=False)
    missing = [n for n in missing if not n.endswith("num_batches_tracked")]
    unexpected = [n for n in unexpected if not n.startswith(tuple(unused))]
    if missing or unexpected:
        raise SystemExit(f"error: weights do not fit: missing {missing[:3]}, unexpected {unexpected[:3]}")
    return net.eval()


KINDS = {"F32": np.float32, "I64": np.int64, "I32": np.int32, "U8": np.uint8}


def read(path):
    with open(path, "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        body = f.read()
    rows = {n: r for n, r in header.items() if n != "__metadata__"}
    return {n: np.frombuffer(body[slice(*r["data_offsets"])], KINDS[r["dtype"]]).reshape(r["shape"]) for n, r in rows.items()}


def write(path, arrays):
    names = {np.dtype(kind): name for name, kind in KINDS.items()}
    header, offset = {}, 0
    for name, a in arrays.items():
        header[name] = {"dtype": names[a.dtype], "shape": list(a.shape), "data_offsets": [offset, offset + a.nbytes]}
        offset += a.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for a in arrays.values():
            f.write(np.ascontiguousarray(a).tobytes())
