"""`cart diag model`: a whole model is timed, a broken or missing one is told with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from cart.config import parse_config
from cart.diagnostics.check import Bench, Check
from cart.diagnostics.model import check_model
from cart.model_location import model_folder
from drivers.classifier import available_runtimes
from tests.stand_in_model import write_stand_in

CART = '[cart]\nid = "c"\n[store]\nid = "s"\n[scale]\ncounts_per_gram = 20.0\ntare_counts = 0\n'


def checked(model: str, source: str = "sim:frames") -> Check:
    text = f'{CART}[camera]\nsource = "{source}"\nmodel = "{model}"\n'
    return check_model(Bench(config_path=Path("cart.toml"), config=parse_config(text, source="test")))


def test_a_whole_model_is_loaded_and_timed(tmp_path: Path) -> None:
    if not available_runtimes():
        pytest.skip("no interpreter is installed here")
    found = checked(str(write_stand_in(tmp_path / "model")))
    assert found.verdict == "ok"
    assert found.figures["classes"] == 4
    assert found.figures["interpreter"] == available_runtimes()[0]
    ms = found.figures["ms_a_picture"]
    assert isinstance(ms, float)
    assert 0 <= ms < 50


def test_a_broken_model_fails_and_says_what_to_do(tmp_path: Path) -> None:
    folder = write_stand_in(tmp_path / "model", sha256="0" * 64)
    found = checked(str(folder))
    assert found.verdict == "fail"
    assert "sha256 differs" in found.summary
    assert "install the package again" in found.todo


def test_no_model_and_no_camera_are_as_configured() -> None:
    assert checked("").verdict == "absent"
    assert checked("auto", source="").verdict == "absent"


def test_auto_is_the_folder_beside_the_program() -> None:
    assert model_folder("") is None
    assert model_folder("/srv/net") == Path("/srv/net")
    assert model_folder("auto") == Path(__file__).parents[2] / "models"
