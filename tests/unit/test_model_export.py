"""Nets in PyTorch and what is written of them; only where PyTorch is installed (models/requirements.txt)."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
litert = pytest.importorskip("ai_edge_litert.interpreter")

from models import depthwise, embedding, export, net, rounding  # noqa: E402 - they need what is looked for above


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
def test_quick_gradients_are_the_plain_ones(kernel: int, stride: int) -> None:
    torch.manual_seed(0)
    padding = kernel // 2 if stride == 1 else 0
    plain = [torch.randn(shape, requires_grad=True) for shape in ((2, 16, 11, 11), (16, 1, kernel, kernel), (16,))]
    quick = [
        part.detach().to(torch.bfloat16).contiguous(memory_format=torch.channels_last).requires_grad_()
        for part in plain[:2]
    ]
    quick.append(plain[2].detach().to(torch.bfloat16).requires_grad_())
    expected = torch.nn.functional.conv2d(*plain, stride, padding, 1, 16)
    weights = torch.randn_like(expected)
    (expected * weights).sum().backward()
    (depthwise.depthwise(quick[0], quick[1], quick[2], stride, padding) * weights.to(torch.bfloat16)).sum().backward()
    for one, other in zip(plain, quick, strict=True):
        off = (one.grad - other.grad.float()).norm() / one.grad.norm()
        assert float(off) < 0.02


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


def test_rounded_weights_are_within_half_a_step() -> None:
    weight = np.random.default_rng(0).normal(size=(5, 3, 3, 4)).astype(np.float32)
    for axis in (0, 3):
        values, scale = rounding.quantised(weight, axis)
        steps = scale.reshape([-1 if place == axis else 1 for place in range(4)])
        assert (np.abs(values * steps - weight) <= steps * 0.5001).all()
        assert np.abs(values).max() == 127
