"""int8 weights: how they are rounded, and what is done about the bias that rounding leaves behind."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.net import Layer, Net, Parameters, convolved, entered, folded

Floats = NDArray[np.float32]


def quantised(weight: Floats, axis: int) -> tuple[NDArray[np.int8], Floats]:
    """Rounds a weight to int8, symmetric, one scale for each index of `axis`: values and scales."""
    others = tuple(place for place in range(weight.ndim) if place != axis)
    scale = np.maximum(np.abs(weight).max(others) / 127.0, 1e-12).astype(np.float32)
    shape = [-1 if place == axis else 1 for place in range(weight.ndim)]
    return np.clip(np.rint(weight / scale.reshape(shape)), -127, 127).astype(np.int8), scale


def corrected(net: Net, parameters: Parameters, photos: Tensor) -> Parameters:
    """Parameters whose offsets make up for the rounding of the weights, for photos [N, 3, S, S], RGB 0…255.

    Rounding shifts the mean of each channel, and shifts add up over the layers. Layer by layer, the net with rounded
    weights gets the channel means of the exact one back (bias correction, Nagel et al. 2019, section 4.2, measured).
    """
    fixed = dict(parameters)
    with torch.no_grad():
        exact = rounded = entered(photos)
        exact, rounded = _both(fixed, net.stem, exact, rounded)
        for block in net.blocks:
            inputs = exact, rounded
            for layer in block.layers:
                exact, rounded = _both(fixed, layer, exact, rounded)
            if block.skips:
                exact, rounded = exact + inputs[0], rounded + inputs[1]
        _both(fixed, net.head, exact, rounded)
    return fixed


def _both(fixed: Parameters, layer: Layer, exact: Tensor, rounded: Tensor) -> tuple[Tensor, Tensor]:
    """One layer of the exact and of the rounded net, whose offset is put right on the way."""
    weight, bias = folded(fixed, layer)
    values, scale = quantised(weight.numpy(), 0)
    coarse = torch.from_numpy(values.astype(np.float32) * scale[:, None, None, None])
    exact, rounded = convolved(layer, exact, weight, bias), convolved(layer, rounded, coarse, bias)
    shift = (exact - rounded).mean((0, 2, 3))
    fixed[f"{layer.name}.offset"] = fixed[f"{layer.name}.offset"] + shift
    rounded = rounded + shift[None, :, None, None]
    if layer.clips:
        exact, rounded = exact.clamp(0, 6), rounded.clamp(0, 6)
    return exact, rounded
