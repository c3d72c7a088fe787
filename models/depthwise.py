"""A depthwise convolution whose gradient is quick in bfloat16 on one CPU core.

oneDNN, which PyTorch computes with on CPUs, has no fast kernel for two gradients of depthwise convolutions in bfloat16:
that of a 5×5 weight, and that of the input at stride 2. The first is put together here from four 3×3 gradients, which
are fast; the second is computed in float32. On an AVX-512 core that makes a step of training two to three times as
fast.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


def depthwise(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    """Convolves each channel of `x` [N, C, H, W] with its own `weight` [C, 1, k, k], k 3 or 5, and adds `bias` [C]."""
    found: Tensor = _operator(x, weight, bias, stride, padding)
    return found


def _forward(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    return F.conv2d(x, weight, bias, stride, padding, 1, x.shape[1])


def _keep(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, int, int], output: Tensor) -> None:  # noqa: ARG001 - PyTorch names the arguments
    x, weight, _, ctx.stride, ctx.padding = inputs
    ctx.save_for_backward(x, weight)


def _backward(ctx: Any, of_output: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None, None]:
    x, weight = ctx.saved_tensors
    stride, padding = ctx.stride, ctx.padding
    of_output = of_output.contiguous(memory_format=torch.channels_last)
    of_x = None
    if ctx.needs_input_grad[0]:
        quick = stride == 1 or x.dtype == torch.float32
        terms = (of_output, x, weight) if quick else (of_output.float(), x.float(), weight.float())
        of_x = _gradient(*terms, stride, padding, of=0).to(x.dtype)
    whole = _of_five if weight.shape[2] == 5 and x.dtype == torch.bfloat16 else _of_weight
    return of_x, whole(of_output, x, weight, stride, padding), of_output.sum((0, 2, 3)), None, None


def _gradient(of_output: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int, *, of: int) -> Tensor:
    """The gradient of the input (`of` 0) or of the weight (1)."""
    channels, wanted = x.shape[1], [of == 0, of == 1, False]
    answer: tuple[Tensor, ...] = torch.ops.aten.convolution_backward(
        of_output, x, weight, [channels], [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], channels, wanted
    )
    return answer[of]


def _of_weight(of_output: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    return _gradient(of_output, x, weight, stride, padding, of=1)


def _of_five(of_output: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    """The gradient of a 5×5 weight: each of its 3×3 corners is the gradient of a 3×3 weight over a shifted input."""
    if padding:
        x = F.pad(x, (padding,) * 4)
    high, wide = ((size - 1) * stride + 3 for size in of_output.shape[2:])
    whole = torch.empty_like(weight)
    corner = weight[:, :, :3, :3].contiguous()
    for down in (0, 2):
        for right in (0, 2):
            seen = x[:, :, down : down + high, right : right + wide].contiguous(memory_format=torch.channels_last)
            whole[:, :, down : down + 3, right : right + 3] = _gradient(of_output, seen, corner, stride, 0, of=1)
    return whole


_operator = torch.library.custom_op("cart::depthwise", _forward, mutates_args=())
_operator.register_autograd(_backward, setup_context=_keep)
