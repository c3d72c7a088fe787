"""A depthwise convolution between two clips to 0…6, quick in bfloat16 on one CPU core.

oneDNN, which PyTorch computes with on CPUs, takes as long for the few products of depthwise convolutions as for all
others together, and clips in passes of their own over memory. `depthwise.c` does both at once; it is compiled for the
processor at hand when first used.
"""

from __future__ import annotations

import ctypes
import functools
import math
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_SOURCE = Path(__file__).with_name("depthwise.c")
_LANES = 16
_VECTOR_BYTES = 64


class _Shape(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_int)
        for name in ("photos", "channels", "high", "wide", "out_high", "out_wide", "kernel", "stride", "top", "left")
    ]


def same(size: int, kernel: int, stride: int) -> tuple[int, int, int]:
    """TensorFlow's padding "SAME" of `size` pixels: the size that comes out, and the padding before and behind."""
    out = math.ceil(size / stride)
    total = max((out - 1) * stride + kernel - size, 0)
    return out, total // 2, total - total // 2


def between_clips(x: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
    """Clips `x` [N, C, H, W] (bfloat16) to 0…6, convolves each channel with its own `weight` [C, 1, k, k], padded
    "SAME", adds `bias` [C], and clips again. k is 3 or 5, `stride` 1 or 2, C a multiple of 16. Raises ValueError else.
    """
    kernel, channels = weight.shape[2], x.shape[1]
    if x.dtype != torch.bfloat16 or kernel not in {3, 5} or stride not in {1, 2} or channels % _LANES:
        raise ValueError(f"no depthwise convolution of {x.dtype}, {channels} channels, kernel {kernel} by {stride}")
    found: Tensor = _operator(x, weight, bias, stride)
    return found


@functools.cache
def _library() -> ctypes.CDLL:
    """The compiled code. Exits with a line where no compiler is installed."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise SystemExit("training needs a C compiler: install gcc, or name one in CC")
    with tempfile.TemporaryDirectory() as folder:
        built = f"{folder}/depthwise.so"
        subprocess.run([compiler, "-O3", "-march=native", "-shared", "-fPIC", "-o", built, str(_SOURCE)], check=True)
        return ctypes.CDLL(built)


def _shape(x: Tensor, kernel: int, stride: int) -> _Shape:
    photos, channels, high, wide = x.shape
    (out_high, top, _), (out_wide, left, _) = same(high, kernel, stride), same(wide, kernel, stride)
    return _Shape(photos, channels, high, wide, out_high, out_wide, kernel, stride, top, left)


def _plane(shape: _Shape) -> int:
    """Vectors that a plane takes, its padding and what is read beyond a row's end included."""
    around = 2 * (shape.kernel + 1)
    return int((shape.high + around) * (shape.wide + around) + _LANES)


def _scratch(vectors: int) -> tuple[Tensor, ctypes.c_void_p]:
    """Memory for so many vectors, which its tensor keeps alive, and where in it they begin."""
    memory = torch.empty(vectors * _VECTOR_BYTES + _VECTOR_BYTES, dtype=torch.uint8)
    return memory, ctypes.c_void_p(-(-memory.data_ptr() // _VECTOR_BYTES) * _VECTOR_BYTES)


def _at(tensor: Tensor | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def _rows(weight: Tensor) -> Tensor:
    """A weight [C, 1, k, k] as [k · k, C] in float32."""
    return weight.detach().float().reshape(weight.shape[0], -1).t().contiguous()


def _forward(x: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
    x = x.contiguous(memory_format=torch.channels_last)
    shape = _shape(x, weight.shape[2], stride)
    y = torch.empty(
        (shape.photos, shape.channels, shape.out_high, shape.out_wide),
        dtype=x.dtype,
        memory_format=torch.channels_last,
    )
    rows, offsets = _rows(weight), bias.detach().float().contiguous()
    memory, begin = _scratch(_plane(shape))
    _library().forward(ctypes.byref(shape), _at(x), _at(rows), _at(offsets), _at(y), begin)
    del memory
    return y


def _keep(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, int], output: Tensor) -> None:
    x, weight, _, ctx.stride = inputs
    ctx.save_for_backward(x, weight, output)


def _backward(ctx: Any, of_y: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
    x, weight, y = ctx.saved_tensors
    x, of_y = (part.contiguous(memory_format=torch.channels_last) for part in (x, of_y))
    shape, rows = _shape(x, weight.shape[2], ctx.stride), _rows(weight)
    of_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
    of_rows, of_bias = torch.empty_like(rows), torch.empty(shape.channels)
    plane = _plane(shape)
    memory, begin = _scratch(3 * plane)
    _library().backward(
        *(ctypes.byref(shape), _at(of_y), _at(x), _at(y), _at(rows)),
        *(_at(of_x), _at(of_rows), _at(of_bias), begin, ctypes.c_int64(plane)),
    )
    del memory
    return of_x, of_rows.t().reshape(weight.shape).to(weight.dtype), of_bias, None


_operator = torch.library.custom_op("cart::depthwise", _forward, mutates_args=())
_operator.register_autograd(_backward, setup_context=_keep)
