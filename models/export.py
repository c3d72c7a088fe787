"""Writes a trained net as a TFLite file, straight from its weights.

Weights are stored as int8, one scale for each channel they lead to, and each goes through a DEQUANTIZE operator: both
interpreters unpack them once, when the file is loaded, and compute in float32 from there on. So the file has a quarter
of the size and the net its full speed and nearly its full accuracy. Batch norm is folded in; the photo enters as RGB
0…255.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from models.embedding import NEARNESS_MIN, Head
from models.net import FEATURES, MEAN_PIXEL, PIXEL_SCALE, Layer, Net, Parameters, folded
from models.rounding import quantised

Floats = NDArray[np.float32]

_VERSIONS = {schema.BuiltinOperator.DEQUANTIZE: 5}
"""DEQUANTIZE takes a scale for each channel from its version 5 on; of the other operators version 1 does."""


class _Builder(flatbuffers.Builder):  # type: ignore[misc]
    """Writes vectors that are alike once: every scale comes with as many zero points, all 0, eight bytes each."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._written: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x: NDArray[Any]) -> int:  # noqa: N802 - its name there
        key = (x.dtype.str, x.tobytes())
        if key not in self._written:
            self._written[key] = super().CreateNumpyVector(x)
        return self._written[key]


@dataclass
class _Writer:
    """Gathers the tensors and operators of one subgraph. Every method that adds an operator gives the number of its
    output.
    """

    model: Any = field(default_factory=schema.ModelT)
    graph: Any = field(default_factory=schema.SubGraphT)
    codes: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.model.version = 3
        self.model.description = "smart-cart produce classifier"
        self.model.buffers = [schema.BufferT()]
        self.model.subgraphs = [self.graph]
        self.model.operatorCodes = []
        self.graph.tensors, self.graph.operators = [], []

    def tensor(
        self, name: str, shape: tuple[int, ...], kind: int = schema.TensorType.FLOAT32, data: NDArray[Any] | None = None
    ) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, list(shape), kind, 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            tensor.buffer = len(self.model.buffers)
            self.model.buffers.append(buffer)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def constant(self, name: str, data: NDArray[Any]) -> int:
        kind = schema.TensorType.INT32 if data.dtype == np.int32 else schema.TensorType.FLOAT32
        return self.tensor(name, data.shape, kind, data)

    def packed(self, name: str, weight: Floats, axis: int) -> int:
        """A weight kept as int8; what is given back is the float tensor that DEQUANTIZE makes of it."""
        values, scale = quantised(weight, axis)
        stored = self.tensor(f"{name}/int8", values.shape, schema.TensorType.INT8, values)
        quantisation = schema.QuantizationParametersT()
        quantisation.scale, quantisation.zeroPoint, quantisation.quantizedDimension = (
            scale,
            np.zeros(len(scale), np.int64),
            axis,
        )
        self.graph.tensors[stored].quantization = quantisation
        return self.operator(schema.BuiltinOperator.DEQUANTIZE, [stored], name, values.shape)

    def operator(
        self,
        kind: int,
        inputs: list[int],
        name: str,
        shape: tuple[int, ...],
        options: Any = None,
        options_kind: int = 0,
    ) -> int:
        if kind not in self.codes:
            code = schema.OperatorCodeT()
            code.builtinCode, code.deprecatedBuiltinCode, code.version = kind, min(kind, 127), _VERSIONS.get(kind, 1)
            self.codes[kind] = len(self.model.operatorCodes)
            self.model.operatorCodes.append(code)
        output = self.tensor(name, shape)
        operator = schema.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = self.codes[kind], inputs, [output]
        operator.builtinOptions, operator.builtinOptionsType = options, options_kind
        self.graph.operators.append(operator)
        return output

    def shape(self, tensor: int) -> tuple[int, ...]:
        return tuple(self.graph.tensors[tensor].shape)

    def convolution(self, layer: Layer, parameters: Parameters, x: int, gain: float = 1.0) -> int:
        """`gain` multiplies the weight: what the input should have been multiplied by."""
        weight, bias = (part.numpy() for part in folded(parameters, layer))
        weight, name, depthwise = weight * np.float32(gain), layer.name, layer.depthwise
        _, high, wide, _ = self.shape(x)
        shape = (1, -(-high // layer.stride), -(-wide // layer.stride), len(bias))
        clip = schema.ActivationFunctionType.RELU6 if layer.clips else schema.ActivationFunctionType.NONE
        options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
        options.padding, options.strideH, options.strideW, options.fusedActivationFunction = (
            schema.Padding.SAME,
            layer.stride,
            layer.stride,
            clip,
        )
        options.dilationHFactor = options.dilationWFactor = 1
        if depthwise:
            options.depthMultiplier = 1
            filters = self.packed(f"{name}/weight", weight.transpose(1, 2, 3, 0), 3)
            kind, options_kind = schema.BuiltinOperator.DEPTHWISE_CONV_2D, schema.BuiltinOptions.DepthwiseConv2DOptions
        else:
            filters = self.packed(f"{name}/weight", weight.transpose(0, 2, 3, 1), 0)
            kind, options_kind = schema.BuiltinOperator.CONV_2D, schema.BuiltinOptions.Conv2DOptions
        return self.operator(
            kind, [x, filters, self.constant(f"{name}/bias", bias)], name, shape, options, options_kind
        )

    def joined(self, kind: str, name: str, x: int, y: int) -> int:
        """`kind` "Add", "Sub", "Mul" or "MaximumMinimum" of two tensors; the second may be one number for all."""
        operators = {"Add": "ADD", "Sub": "SUB", "Mul": "MUL", "MaximumMinimum": "MAXIMUM"}
        options = getattr(schema, f"{kind}OptionsT")()
        options_kind = getattr(schema.BuiltinOptions, f"{kind}Options")
        return self.operator(
            getattr(schema.BuiltinOperator, operators[kind]), [x, y], name, self.shape(x), options, options_kind
        )

    def reduced(self, kind: int, name: str, x: int, axes: list[int], shape: tuple[int, ...], *, keep: bool) -> int:
        """MEAN or REDUCE_MAX over `axes`, which stay with length 1 where they are to be kept."""
        options = schema.ReducerOptionsT()
        options.keepDims = keep
        over = self.constant(f"{name}/axes", np.array(axes, np.int32))
        return self.operator(kind, [x, over], name, shape, options, schema.BuiltinOptions.ReducerOptions)

    def connected(self, name: str, weight: Floats, bias: Floats, x: int) -> int:
        """`weight` [out, in], `bias` [out] over `x` [1, in]."""
        inputs = [x, self.packed(f"{name}/weight", weight, 0), self.constant(f"{name}/bias", bias)]
        kinds = schema.BuiltinOperator.FULLY_CONNECTED, schema.BuiltinOptions.FullyConnectedOptions
        return self.operator(kinds[0], inputs, name, (1, len(bias)), schema.FullyConnectedOptionsT(), kinds[1])

    def finished(self, inputs: list[int], outputs: list[int]) -> bytes:
        self.graph.inputs, self.graph.outputs, self.graph.name = inputs, outputs, "main"
        builder = _Builder(1 << 20)
        builder.Finish(self.model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())


def tflite(net: Net, parameters: Parameters, head: Head, size: int) -> bytes:
    """The file of a net for photos of `size` px: input "image" [1, size, size, 3], outputs "logits" [1, classes] and
    "embedding" [1, E], whose length is the photo's nearness to the closest class (embedding.Head).
    """
    writer = _Writer()
    image = writer.tensor("image", (1, size, size, 3))
    x = writer.joined("Sub", "centred", image, writer.constant("mean", np.full(3, MEAN_PIXEL, np.float32)))
    x = writer.convolution(net.stem, parameters, x, 1 / PIXEL_SCALE)
    for place, block in enumerate(net.blocks):
        y = x
        for layer in block.layers:
            y = writer.convolution(layer, parameters, y)
        x = writer.joined("Add", f"blocks.{place}", x, y) if block.skips else y
    x = writer.convolution(net.head, parameters, x)
    kind = schema.BuiltinOperator
    pooled = writer.reduced(kind.MEAN, "pooled", x, [1, 2], (1, FEATURES), keep=False)
    learnt = (parameters["classify.weight"].numpy(), parameters["classify.bias"].numpy())
    classified = writer.connected("classified", *learnt, pooled)
    projected = writer.connected("projected", head.weight, head.bias, pooled)
    options = schema.L2NormOptionsT(), schema.BuiltinOptions.L2NormOptions
    direction = writer.operator(
        kind.L2_NORMALIZATION, [projected], "direction", writer.shape(projected), options[0], options[1]
    )
    cosines = writer.connected("cosines", head.prototypes, np.zeros(len(head.prototypes), np.float32), direction)
    share = writer.constant("share", np.array([head.share], np.float32))
    logits = writer.joined("Add", "logits", classified, writer.joined("Mul", "shared", cosines, share))
    closest = writer.reduced(kind.REDUCE_MAX, "closest", cosines, [1], (1, 1), keep=True)
    least = writer.constant("least", np.array([NEARNESS_MIN], np.float32))
    nearness = writer.joined("MaximumMinimum", "nearness", closest, least)
    embedding = writer.joined("Mul", "embedding", direction, nearness)
    return writer.finished([image], [logits, embedding])
