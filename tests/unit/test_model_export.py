"""Nets in PyTorch and what is written of them; only where PyTorch is installed (models/requirements.txt)."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
litert = pytest.importorskip("ai_edge_litert.interpreter")

from ai_edge_litert import schema_py_generated as schema  # noqa: E402 - as those below

from models import depthwise, embedding, export, net, rounding  # noqa: E402 - they need what is looked for above


@pytest.mark.parametrize(("high", "wide"), [(11, 13), (8, 8)])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
def test_the_quick_depthwise_convolution_and_its_gradients_are_the_plain_ones(
    kernel: int, stride: int, high: int, wide: int
) -> None:
    torch.manual_seed(0)
    shapes = (2, 32, high, wide), (32, 1, kernel, kernel), (32,)
    # Weights small enough that few sums come near a clip, where rounding would decide what passes.
    photo, weight, bias = (torch.rand(shape) * size for shape, size in zip(shapes, (8, 0.05, 1), strict=True))
    photo = (photo - 1).to(torch.bfloat16)
    plain = [part.float().requires_grad_() for part in (photo, weight - 0.02, bias + 1)]
    quick = [part.detach().clone().requires_grad_() for part in (photo, plain[1], plain[2])]
    (_, top, bottom), (_, left, right) = (depthwise.same(size, kernel, stride) for size in (high, wide))
    padded = torch.nn.functional.pad(torch.nn.functional.relu6(plain[0]), (left, right, top, bottom))
    expected = torch.nn.functional.relu6(torch.nn.functional.conv2d(padded, plain[1], plain[2], stride, 0, 1, 32))
    weights = torch.randn_like(expected).to(torch.bfloat16)
    found = depthwise.between_clips(quick[0], quick[1], quick[2], stride)
    assert float((found.detach().float() - expected.detach()).norm() / expected.detach().norm()) < 0.005
    (expected * weights.float()).sum().backward()
    (found * weights).sum().backward()
    for one, other in zip(plain, quick, strict=True):
        assert float((one.grad - other.grad.float()).norm() / one.grad.norm()) < 0.02


def test_a_depthwise_convolution_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="17 channels, kernel 3 by 1"):
        depthwise.between_clips(
            torch.zeros(1, 17, 4, 4, dtype=torch.bfloat16), torch.zeros(17, 1, 3, 3), torch.zeros(17), 1
        )


def test_features_in_bfloat16_are_those_in_float32() -> None:
    torch.manual_seed(1)
    whole = net.build("lite0")
    # Two blocks, as rounding errors grow with every layer of random weights.
    shape = net.Net(whole.stem, whole.blocks[:2], net.Layer("head", 24, 1280, 1, ("", "")))
    parameters: net.Parameters = {}
    for _, layer in shape.layers():
        fan = layer.kernel**2 * (1 if layer.depthwise else layer.into)
        size = (layer.out, 1 if layer.depthwise else layer.into, layer.kernel, layer.kernel)
        parameters[f"{layer.name}.weight"] = torch.randn(size) * (3 / fan) ** 0.5
        parameters |= {f"{layer.name}.{part}": torch.ones(layer.out) for part in ("gain", "variance")}
        parameters |= {f"{layer.name}.{part}": torch.zeros(layer.out) for part in ("offset", "mean")}
    photos = torch.rand(2, 3, 65, 65) * 255
    with torch.no_grad():
        exact, quick = (
            net.crown(shape, parameters, net.trunk(shape, parameters, photos, 1, kind), 1)
            for kind in (torch.float32, torch.bfloat16)
        )
    assert float((exact - quick).norm() / exact.norm()) < 0.05


def test_the_written_net_answers_as_the_one_in_pytorch() -> None:
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    shape = net.build("lite0")
    parameters: net.Parameters = {"classify.weight": torch.randn(7, 1280) / 36, "classify.bias": torch.randn(7)}
    for _, layer in shape.layers():
        fan = layer.kernel**2 * (1 if layer.depthwise else layer.into)
        size = (layer.out, 1 if layer.depthwise else layer.into, layer.kernel, layer.kernel)
        whole = torch.randint(
            -127, 128, size
        )  # weights that int8 holds exactly, so that only the arithmetic is compared
        whole[:, 0, 0, 0] = 127
        parameters[f"{layer.name}.weight"] = whole * (6 / fan) ** 0.5 / 127
        parameters |= {f"{layer.name}.{part}": torch.rand(layer.out) + 0.5 for part in ("gain", "variance")}
        parameters |= {f"{layer.name}.{part}": torch.randn(layer.out) / 9 for part in ("offset", "mean")}
    weight, bias = (rng.normal(size=size).astype(np.float32) for size in ((16, 1280), (16,)))
    prototypes = embedding.normalised(rng.normal(size=(7, 16))).astype(np.float32)
    head = embedding.Head(weight, bias, prototypes, share=3.0)
    photo = rng.uniform(0, 255, (1, 65, 65, 3)).astype(np.float32)

    interpreter = litert.Interpreter(model_content=export.tflite(shape, parameters, head, 65), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], photo)
    interpreter.invoke()
    written = [interpreter.get_tensor(output["index"])[0] for output in interpreter.get_output_details()]
    with torch.no_grad():
        pooled = net.features(shape, parameters, torch.from_numpy(photo).permute(0, 3, 1, 2))
        logits, nearness = head.answers(net.classify(parameters, pooled).numpy(), pooled.numpy())
    assert np.abs(written[0] - logits[0]).max() < 0.02 * np.abs(logits).max()
    assert np.linalg.norm(written[1]) == pytest.approx(nearness[0], abs=0.01)
    assert float(written[1] @ head.embedded(pooled.numpy())[0]) > 0.999 * nearness[0]


def test_zero_points_that_are_alike_are_written_once() -> None:
    writer = export._Writer()
    weights = [np.random.default_rng(seed).normal(size=(300, 1, 1, 2)).astype(np.float32) for seed in range(9)]
    for number, weight in enumerate(weights):
        writer.packed(f"w{number}", weight, 0)
    content = writer.finished([], [])
    graph = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0)).subgraphs[0]
    stored = [tensor.quantization for tensor in graph.tensors if tensor.type == schema.TensorType.INT8]
    assert [np.array_equal(one.zeroPoint, np.zeros(300)) for one in stored] == [True] * 9
    scales = [rounding.quantised(weight, 0)[1] for weight in weights]
    assert all(np.array_equal(one.scale, scale) for one, scale in zip(stored, scales, strict=True))
    assert len(content) < 9 * 300 * (2 + 4 + 8)


def test_rounded_weights_are_within_half_a_step() -> None:
    weight = np.random.default_rng(0).normal(size=(5, 3, 3, 4)).astype(np.float32)
    for axis in (0, 3):
        values, scale = rounding.quantised(weight, axis)
        steps = scale.reshape([-1 if place == axis else 1 for place in range(4)])
        assert (np.abs(values * steps - weight) <= steps * 0.5001).all()
        assert np.abs(values).max() == 127
