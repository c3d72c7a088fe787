"""Training runs side by side, on a data set of coloured squares; only where PyTorch is installed
(models/requirements.txt).
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from models import examine, mixing, net, photos, recipe, seeds, train  # noqa: E402 - they need what is looked for above

COLOURS = ((40, 60, 200), (60, 200, 40), (200, 60, 60))
SHORT = recipe.Recipe(epochs=2, batch=4, frozen=20, passes=1, kept=2, sizes=((1.0, 32),))


@given(seed=st.integers(0, 2**32 - 1), pasted=st.sampled_from([0.0, 1.0]))
@settings(max_examples=40)
def test_mixed_photos_have_mixed_targets(seed: int, pasted: float) -> None:
    """Photo i is all of the value i: its mean afterwards tells how much of which photo is in it."""
    views = torch.arange(2.0)[:, None, None, None].expand(2, 3, 32, 32).clone()
    rng = np.random.default_rng(seed)
    mixed, targets = mixing.mixed(views, torch.eye(2), rng, pasted=pasted, blended=1 - pasted)
    assert targets.sum(1).tolist() == pytest.approx([1.0, 1.0], abs=1e-5)
    assert mixed.mean((1, 2, 3)).tolist() == pytest.approx(targets[:, 1].tolist(), abs=1e-5)
    assert views.mean((1, 2, 3)).tolist() == [0.0, 1.0]  # they are shown again


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three classes, two photos of each in train, one in val, one studio picture."""
    rows = ["Class Name (str),Class ID (int),Coarse Class Name (str),Coarse Class ID (int),Iconic Image Path (str)"]
    lists: dict[str, list[str]] = {"train": [], "val": []}
    for fine, colour in enumerate(COLOURS):
        rows.append(f"c{fine},{fine},coarse{fine // 2},{fine // 2},/iconic/c{fine}.png")
        for split, number in (("train", 1), ("train", 2), ("val", 3)):
            lists[split].append(f"{split}/c{fine}/{number}.png, {fine}, {fine // 2}")
        for path in (f"train/c{fine}/1", f"train/c{fine}/2", f"val/c{fine}/3", f"iconic/c{fine}"):
            file = tmp_path / f"{path}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(file), np.full((40, 40, 3), colour, np.uint8))
    (tmp_path / "classes.csv").write_text("\n".join(rows) + "\n")
    for split, lines in lists.items():
        (tmp_path / f"{split}.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.fixture
def backbone(tmp_path: Path) -> Path:
    """A checkpoint of random weights in the published layout."""
    torch.manual_seed(2)
    parts = {}
    for _, layer in net.build("lite1").layers():
        convolution, norm = layer.published
        into = 1 if layer.depthwise else layer.into
        size = (layer.out, into, layer.kernel, layer.kernel)
        parts[f"{convolution}.weight"] = torch.randn(size) * (3 / (into * layer.kernel**2)) ** 0.5
        parts |= {f"{norm}.{part}": torch.ones(layer.out) for part in ("weight", "running_var")}
        parts |= {f"{norm}.{part}": torch.zeros(layer.out) for part in ("bias", "running_mean")}
    torch.save(parts, tmp_path / "backbone.pth")
    return tmp_path / "backbone.pth"


def trained(data: Path, backbone: Path, out: Path, **recipes: recipe.Recipe) -> dict[str, net.Parameters]:
    train.train(data, backbone, out, recipes)
    return {name: torch.load(out / name / "last.pt", weights_only=True)["average"] for name in recipes}


def test_a_run_is_the_same_whichever_others_are_beside_it(data: Path, backbone: Path, tmp_path: Path) -> None:
    other = replace(SHORT, seed=2, with_val=True)
    alone = trained(data, backbone, tmp_path / "alone", a=SHORT)
    beside = trained(data, backbone, tmp_path / "beside", b=other, a=SHORT)
    assert all(torch.equal(alone["a"][name], beside["a"][name]) for name in alone["a"])
    assert not torch.equal(beside["b"]["classify.weight"], beside["a"]["classify.weight"])


def test_what_is_frozen_stays_and_the_rest_is_trained(data: Path, backbone: Path, tmp_path: Path) -> None:
    begun = net.pretrained(net.build("lite1"), torch.load(backbone, weights_only=True), len(COLOURS))
    found = trained(data, backbone, tmp_path / "runs", a=SHORT)["a"]
    changed = {name.rsplit(".", 1)[0] for name in begun if not torch.equal(begun[name], found[name])}
    last = {f"blocks.20.{layer}" for layer in ("expand", "depthwise", "project")}
    assert changed == {*last, "head", "classify"}


def test_the_log_begins_with_the_recipe_and_ends_with_the_photos_kept_back(
    data: Path, backbone: Path, tmp_path: Path
) -> None:
    trained(data, backbone, tmp_path / "runs", a=SHORT, v=replace(SHORT, with_val=True))
    kept, all_shown = (
        [json.loads(line) for line in (tmp_path / "runs" / name / "log.jsonl").read_text().splitlines()]
        for name in ("a", "v")
    )
    assert (kept[0]["photos"], kept[0]["kept_back"], all_shown[0]["photos"]) == (9, 3, 12)
    assert [line["epoch"] for line in kept[1:]] == [1, 2]
    assert "fine" in kept[-1]
    assert "fine" not in all_shown[-1]


def test_a_run_goes_on_from_a_finished_one_beside_others_with_the_same_first_blocks(
    data: Path, backbone: Path, tmp_path: Path
) -> None:
    first = trained(data, backbone, tmp_path, a=SHORT, b=replace(SHORT, seed=2))
    still = replace(SHORT, rate=0.0, head_rate=0.0)
    gone_on = (replace(still, begin_with=str(tmp_path / name)) for name in ("a", "b"))
    second = trained(data, backbone, tmp_path / "more", **dict(zip(("a", "b"), gone_on, strict=True)))
    assert all(torch.equal(first[name][key], second[name][key]) for name in first for key in first[name])


def test_runs_whose_first_blocks_differ_are_not_trained_side_by_side(
    data: Path, backbone: Path, tmp_path: Path
) -> None:
    trained(data, backbone, tmp_path, a=replace(SHORT, frozen=19))
    with pytest.raises(ValueError, match="b and c begin with different first blocks"):
        trained(data, backbone, tmp_path, b=SHORT, c=replace(SHORT, begin_with=str(tmp_path / "a")))


def test_a_soup_is_the_mean_and_is_made_once(data: Path, backbone: Path, tmp_path: Path) -> None:
    runs = trained(data, backbone, tmp_path, a=SHORT, b=replace(SHORT, seed=2))
    soup = examine.souped([tmp_path / "a", tmp_path / "b"])
    made_ns = (soup / "last.pt").stat().st_mtime_ns
    mean = torch.load(soup / "last.pt", weights_only=True)["average"]["classify.weight"]
    assert torch.allclose(mean, (runs["a"]["classify.weight"] + runs["b"]["classify.weight"]) / 2)
    assert examine.souped([tmp_path / "a", tmp_path / "b"]) == soup
    assert (soup / "last.pt").stat().st_mtime_ns == made_ns
    assert examine.souped([tmp_path / "a"]) == tmp_path / "a"


def test_a_soup_of_runs_that_were_shown_other_photos_is_refused(data: Path, backbone: Path, tmp_path: Path) -> None:
    trained(data, backbone, tmp_path, a=SHORT, b=replace(SHORT, with_val=True))
    with pytest.raises(ValueError, match="were not shown the same photos"):
        examine.souped([tmp_path / "a", tmp_path / "b"])


def answered(folder: Path, data: Path, seed: int) -> Path:
    """A finished run's folder with answers drawn from a seed, as if its net had given them."""
    folder.mkdir(exist_ok=True)
    if not (folder / "last.pt").exists():
        kept = {"average": {"w": torch.ones(1)}, "recipe": asdict(SHORT), "epoch": 2}
        torch.save(kept, folder / "last.pt")
    rng, parts = np.random.default_rng(seed), recipe.split(data, SHORT, photos.read_classes(data))
    shapes = {"logits": len(COLOURS), "features": net.FEATURES}
    drawn = {name: rng.normal(size=(sum(map(len, parts)), wide)) for name, wide in shapes.items()}
    np.savez(folder / "answers.npz", **{name: part.astype(np.float32) for name, part in drawn.items()})
    return folder


def test_seeds_are_told_each_and_together(data: Path, tmp_path: Path) -> None:
    runs = [answered(tmp_path / name, data, seed) for seed, name in enumerate("ab")]
    together = answered(examine.souped(runs), data, 7)
    told = seeds.report(data, runs)
    assert told["photos"] == len(COLOURS)
    assert list(told["runs"]) == ["a", "b"]
    first, second = (run["cross_entropy_nats"] for run in told["runs"].values())
    assert first != second
    assert told["mean"]["cross_entropy_nats"] == pytest.approx((first + second) / 2)
    assert told["standard deviation"]["cross_entropy_nats"] == pytest.approx(abs(first - second) / 2**0.5)
    own = seeds.figures(*seeds.on_val(examine.read_run(data, together)), photos.read_classes(data).coarse_of)
    assert told["mean of weights"] == own


def test_an_ensemble_believes_the_mean_of_what_each_believes() -> None:
    sure, unsure = np.log(np.array([[0.9, 0.1]])), np.log(np.array([[0.2, 0.8]])) + 7.0
    assert np.exp(seeds.ensemble([sure, unsure])) == pytest.approx(np.array([[0.55, 0.45]]))


def test_runs_trained_on_val_have_no_figures_of_it(data: Path, tmp_path: Path) -> None:
    run = examine.read_run(data, answered(tmp_path / "a", data, 1))
    none = run.known.where(np.zeros(len(run.known.fine), bool))
    with pytest.raises(ValueError, match="trained on val has no figures"):
        seeds.on_val(replace(run, known=none))


def answers_on(*paths: str) -> examine.Answers:
    count = len(paths)
    shapes = (count, len(COLOURS)), (count, net.FEATURES)
    return examine.Answers(np.array(paths), np.zeros(count, np.int64), *(np.zeros(size, np.float32) for size in shapes))


def test_strangers_are_told_from_known_photos_of_the_same_shops() -> None:
    nobody = answers_on()
    known, strange = answers_on("d/train/a/1", "d/val/a/2"), answers_on("d/train/b/1", "d/train/b/2", "d/val/b/3")
    seen = np.array([True, False, True])
    kinds = examine.none_kinds(examine.Run(nobody, known, strange, seen))
    assert [kind.paths.tolist() for kind in kinds] == [["d/val/a/2"], ["d/val/b/3"]]
    without = examine.none_kinds(examine.Run(nobody, known, answers_on("d/train/b/1"), seen))
    assert [len(kind.fine) for kind in without] == [2, 1]


def test_views_of_a_photo_are_new_in_each_set_and_its_own(data: Path, backbone: Path) -> None:
    begun = net.pretrained(net.build("lite1"), torch.load(backbone, weights_only=True), len(COLOURS))
    every = {photo.path: photos.load(photo.path, 40) for photo in photos.read_split(data, "train")}
    few = dict(list(every.items())[3:])
    first, second, fewer = (
        train.seen(net.build("lite1"), begun, images, SHORT, number, 32)
        for images, number in ((every, 0), (every, 1), (few, 0))
    )
    path = next(iter(few))
    assert first[path].shape == (1, 1, 192)
    assert torch.equal(first[path], fewer[path])
    assert not torch.equal(first[path], second[path])


def test_sets_of_views_cover_the_epochs_once() -> None:
    sets = list(train.view_sets(replace(SHORT, epochs=7, passes=2, sizes=((0.5, 160), (0.5, 192)))))
    assert [epoch for epochs, _ in sets for epoch in epochs] == list(range(7))
    assert [size for _, size in sets] == [160, 160, 192, 192]


def test_a_run_is_named_with_what_is_its_own() -> None:
    assert train.one_run(SHORT, ["a", "seed=7", "with_val"]) == ("a", replace(SHORT, seed=7, with_val=True))
    assert train.one_run(SHORT, ["u", "unseen_classes=16"])[1].unseen_classes == 16


@pytest.mark.parametrize("setting", ["epochs=3", "seed", "with_val=1", "unseen_classes=", "seed=x", "begin_with="])
def test_what_is_not_a_runs_own_is_refused(setting: str) -> None:
    with pytest.raises(ValueError, match=r"--run a .*: give seed=N, with_val, fold=N, unseen_classes=N or begin"):
        train.one_run(SHORT, ["a", setting])
