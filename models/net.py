"""EfficientNet-Lite in PyTorch with its batch norm frozen into the weights, for fine-tuning on few photos.

The architecture is that of Google's EfficientNet-Lite (github.com/tensorflow/tpu, models/official/efficientnet/lite,
Apache-2.0): no squeeze and excitation, ReLU6, stem and head not scaled. Batch norm keeps ImageNet's mean and variance,
and its gain goes into the weights at every step, so that no layer touches the activations for it: memory is what a CPU
waits for. A net is its layers (`Net`) and its `Parameters`, tensors by name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from models.depthwise import between_clips, same

Parameters = dict[str, Tensor]

BATCH_NORM_EPSILON = 1e-3
"""Of the published nets; PyTorch's own default is 1e-5."""
FEATURES = 1280
MEAN_PIXEL, PIXEL_SCALE = 127.0, 128.0
LEARNT = ("weight", "gain", "offset")
"""Of each layer; its "mean" and "variance" stay ImageNet's."""

# (repeats, kernel, stride, expansion, channels in, channels out) of EfficientNet-B0, Tan and Le 2019, table 1.
_STAGES = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)
SCALES = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}
"""Width and depth of each of the published sizes."""


@dataclass(frozen=True)
class Layer:
    """A convolution with TensorFlow's padding "SAME", batch norm and, where it clips, ReLU6. `published` names it and
    its batch norm in a checkpoint; what `expands` goes into a depthwise one.
    """

    name: str
    into: int
    out: int
    kernel: int
    published: tuple[str, str]
    stride: int = 1
    depthwise: bool = False
    clips: bool = True
    expands: bool = False


@dataclass(frozen=True)
class Block:
    """One inverted residual: 1×1 to more channels, depthwise, 1×1 to fewer; where it `skips`, its input is added to
    that.
    """

    layers: tuple[Layer, ...]
    skips: bool


@dataclass(frozen=True)
class Net:
    stem: Layer
    blocks: tuple[Block, ...]
    head: Layer

    def layers(self) -> Iterator[tuple[int, Layer]]:
        """All layers with their depth: 0 the stem, 1… the blocks, then the head."""
        yield 0, self.stem
        for depth, block in enumerate(self.blocks, 1):
            for layer in block.layers:
                yield depth, layer
        yield len(self.blocks) + 1, self.head


def build(scale: str) -> Net:
    """The layers of one of `SCALES`."""
    width, depth = SCALES[scale]
    found: list[Block] = []
    into = 32
    for place, (repeats, kernel, stride, expansion, _, channels) in enumerate(_STAGES):
        out = _channels(channels, width)
        ends = place in {0, len(_STAGES) - 1}
        for repeat in range(repeats if ends else math.ceil(repeats * depth)):
            found.append(_block(len(found), kernel, 1 if repeat else stride, expansion, into, out))
            into = out
    return Net(
        Layer("stem", 3, 32, 3, ("_conv_stem", "_bn0"), 2),
        tuple(found),
        Layer("head", into, FEATURES, 1, ("_conv_head", "_bn1")),
    )


def _channels(count: int, width: float) -> int:
    """Channels scaled by `width`, to the nearest multiple of eight, never more than a tenth below."""
    scaled = count * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


def _block(number: int, kernel: int, stride: int, expansion: int, into: int, out: int) -> Block:
    ours, theirs, wide = f"blocks.{number}", f"_blocks.{number}", into * expansion
    layers = (
        Layer(f"{ours}.expand", into, wide, 1, (f"{theirs}._expand_conv", f"{theirs}._bn0"), expands=True),
        Layer(
            f"{ours}.depthwise",
            wide,
            wide,
            kernel,
            (f"{theirs}._depthwise_conv", f"{theirs}._bn1"),
            stride,
            depthwise=True,
        ),
        Layer(f"{ours}.project", wide, out, 1, (f"{theirs}._project_conv", f"{theirs}._bn2"), clips=False),
    )
    return Block(layers if expansion > 1 else layers[1:], skips=stride == 1 and into == out)


def pretrained(net: Net, published: Mapping[str, Tensor], classes: int) -> Parameters:
    """The parameters of a published EfficientNet-Lite checkpoint, with a classifier of `classes` that knows nothing
    yet.

    Raises KeyError or ValueError where the checkpoint is of another size of net.
    """
    found: Parameters = {"classify.weight": torch.zeros(classes, FEATURES), "classify.bias": torch.zeros(classes)}
    for _, layer in net.layers():
        convolution, norm = layer.published
        weight = published[f"{convolution}.weight"].clone()
        if tuple(weight.shape) != (layer.out, 1 if layer.depthwise else layer.into, layer.kernel, layer.kernel):
            raise ValueError(
                f"{layer.name} has the shape {tuple(weight.shape)}: this checkpoint is of another size of net"
            )
        found[f"{layer.name}.weight"] = weight.contiguous(memory_format=torch.channels_last)
        for ours, theirs in (
            ("gain", "weight"),
            ("offset", "bias"),
            ("mean", "running_mean"),
            ("variance", "running_var"),
        ):
            found[f"{layer.name}.{ours}"] = published[f"{norm}.{theirs}"].clone()
    return found


def folded(parameters: Parameters, layer: Layer) -> tuple[Tensor, Tensor]:
    """The weight [out, in or 1, k, k] and bias [out] that do a layer's convolution and batch norm at once."""
    weight, gain, offset, mean, variance = (
        parameters[f"{layer.name}.{part}"] for part in (*LEARNT, "mean", "variance")
    )
    scale = gain * torch.rsqrt(variance + BATCH_NORM_EPSILON)
    return weight * scale[:, None, None, None], offset - mean * scale


def features(net: Net, parameters: Parameters, photos: Tensor) -> Tensor:
    """Pooled features [N, 1280] of photos [N, 3, S, S], RGB 0…255."""
    return crown(net, parameters, trunk(net, parameters, photos, 0), 0)


def trunk(net: Net, parameters: Parameters, photos: Tensor, blocks: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """What comes out of the stem and the first `blocks` blocks for photos [N, 3, S, S], RGB 0…255: [N, C, s, s] of
    `dtype`, which it is computed in.
    """
    x = _convolved(parameters, net.stem, entered(photos).to(dtype))
    for block in net.blocks[:blocks]:
        x = _through(parameters, block, x, 0.0)
    return x


def crown(net: Net, parameters: Parameters, x: Tensor, blocks: int, drop: float = 0.0) -> Tensor:
    """Pooled features [N, 1280] of what the first `blocks` blocks gave, [N, C, s, s].

    `drop` is the chance that a photo skips the last block (earlier ones in proportion: stochastic depth, Huang et al.
    2016). All but the pooling is computed in the type of `x`.
    """
    for place, block in enumerate(net.blocks[blocks:], blocks):
        x = _through(parameters, block, x, drop * place / len(net.blocks))
    return _convolved(parameters, net.head, x).mean((2, 3), dtype=torch.float32)


def entered(photos: Tensor) -> Tensor:
    """Photos [N, 3, S, S], RGB 0…255, as the stem takes them."""
    return ((photos - MEAN_PIXEL) / PIXEL_SCALE).contiguous(memory_format=torch.channels_last)


def classify(parameters: Parameters, pooled: Tensor) -> Tensor:
    """Logits [N, classes] of pooled features [N, 1280]."""
    return F.linear(pooled, parameters["classify.weight"], parameters["classify.bias"])


def _through(parameters: Parameters, block: Block, x: Tensor, drop: float) -> Tensor:
    y = x
    for layer in block.layers:
        y = _convolved(parameters, layer, y)
    if not block.skips:
        return y
    if drop > 0.0:
        y = y * ((torch.rand(x.shape[0], 1, 1, 1) >= drop).to(y.dtype) / (1.0 - drop))
    return x + y


def _convolved(parameters: Parameters, layer: Layer, x: Tensor) -> Tensor:
    weight, bias = folded(parameters, layer)
    quick = x.dtype == torch.bfloat16
    if quick and layer.depthwise:
        return between_clips(x, weight, bias, layer.stride)
    x = convolved(layer, x, weight, bias)
    return F.relu6(x, inplace=True) if layer.clips and not (quick and layer.expands) else x


def convolved(layer: Layer, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A layer's convolution by a folded weight and bias, before it clips."""
    weight, bias, padding = weight.to(x.dtype), bias.to(x.dtype), layer.kernel // 2
    if layer.stride == 2:
        # TensorFlow puts the odd pixel of the padding behind; PyTorch would put it in front.
        (_, top, bottom), (_, left, right) = (same(size, layer.kernel, layer.stride) for size in x.shape[2:])
        x, padding = F.pad(x, (left, right, top, bottom)), 0
    return F.conv2d(x, weight, bias, layer.stride, padding, 1, layer.into if layer.depthwise else 1)
