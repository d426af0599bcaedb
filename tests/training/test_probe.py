"""The probe: its head against scikit-learn, what chooses the penalty, the cache of features."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rooms import backbone, context, recipe, small

from bakeoff.data import Data, read_data
from bakeoff.errors import RecipeError, UsageError
from bakeoff.graph import passes
from bakeoff.graph.interpreter import run as interpret
from bakeoff.schemas import Array
from bakeoff.seeds import key, rng
from bakeoff.training.context import Context
from bakeoff.training.probe import features as features_module
from bakeoff.training.probe import logistic
from bakeoff.training.probe import strategy as probe
from bakeoff.training.probe.features import cached, features
from bakeoff.training.setup import HEAD

PROBE = 'strategy = "probe"'


def clouds(count: int, classes: int, width: int = 6, seed: int = 0, apart: float = 1.0) -> tuple[Array, Array]:
    """Overlapping clouds, features on very different scales."""
    draw = rng(seed, "clouds")
    labels = np.arange(count) % classes
    centres = apart * draw.normal(size=(classes, width))
    scales = 10.0 ** np.linspace(-2, 2, width)
    rows = (centres[labels] + draw.normal(size=(count, width))) * scales + 3 * scales
    return rows.astype("float32"), labels


def reference(rows: Array, labels: Array, penalty: float) -> tuple[Array, Array]:
    """Kernel and bias on raw features, by scikit-learn's solver run to the end."""
    from sklearn.linear_model import LogisticRegression

    mean, scale = rows.mean(0, dtype="float64"), rows.std(0, dtype="float64")
    found = LogisticRegression(C=penalty, tol=1e-10, max_iter=20_000).fit((rows - mean) / scale, labels)
    kernel, bias = found.coef_.T, found.intercept_
    if kernel.shape[1] == 1:
        raise ValueError("two classes: scikit-learn has one column")
    kernel = kernel / scale[:, None]
    return kernel, bias - mean @ kernel


@pytest.mark.parametrize("penalty", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("classes", [3, 10])
@pytest.mark.parametrize("count", [300, 1300])  # in one block of rows, and in several
def test_the_head_is_that_of_scikit_learn(penalty: float, classes: int, count: int) -> None:
    rows, labels = clouds(count, classes)
    found = logistic.fit(rows, labels, classes, penalties=[penalty])
    kernel, bias = reference(rows, labels, penalty)
    scale = rows.std(0)[:, None]
    ours, theirs = found.kernel * scale, kernel * scale
    np.testing.assert_allclose(ours, theirs, atol=2e-3 * np.abs(theirs).max())
    centred = [z - z.mean(1, keepdims=True) for z in (rows @ found.kernel + found.bias, rows @ kernel + bias)]
    np.testing.assert_allclose(centred[0], centred[1], atol=2e-3 * np.abs(centred[1]).max())
    assert (centred[0].argmax(1) == centred[1].argmax(1)).mean() >= 0.995


def test_a_temperature_from_the_folds_mends_a_head_that_is_too_sure() -> None:
    from bakeoff.evaluation.kinds import losses

    rows, labels = clouds(400, 4, width=60, apart=0.3)
    train, other = slice(0, 150), slice(150, 400)
    hot = logistic.fit(rows[train], labels[train], 4, penalties=[100.0])
    cool = logistic.fit(rows[train], labels[train], 4, penalties=[100.0], cooled=True)
    assert hot.temperature == 1
    assert cool.temperature > 1.2, "a loose penalty is too sure of itself"
    np.testing.assert_allclose(cool.kernel * cool.temperature, hot.kernel, rtol=1e-6)
    judged = [losses(rows[other] @ head.kernel + head.bias, labels[other]).mean() for head in (hot, cool)]
    assert judged[1] < judged[0], "on images that neither saw"
    answers = [(rows[other] @ head.kernel + head.bias).argmax(1) for head in (hot, cool)]
    assert (answers[0] == answers[1]).all()


def test_a_feature_that_never_changes_does_no_harm() -> None:
    rows, labels = clouds(120, 3)
    found = logistic.fit(np.hstack([rows, np.full((120, 1), 7, "float32")]), labels, 3, penalties=[1.0])
    plain = logistic.fit(rows, labels, 3, penalties=[1.0])
    assert np.isfinite(found.kernel).all()
    np.testing.assert_allclose(found.kernel[:-1], plain.kernel, rtol=1e-2, atol=1e-4)


def test_cross_validation_chooses_by_the_held_folds() -> None:
    rows, labels = clouds(60, 3, width=40, apart=0.3)  # few and noisy: loose penalties learn the noise
    strict = logistic.fit(rows, labels, 3, penalties=[1e-3, 1e-1, 10.0])
    assert strict.penalty == min(strict.scores, key=lambda c: strict.scores[c])
    assert strict.penalty < 10
    rows, labels = clouds(900, 3, apart=3.0)  # many and clear
    loose = logistic.fit(rows, labels, 3, penalties=[1e-5, 1e-3, 1e-1])
    assert loose.penalty == 1e-1
    assert list(loose.scores) == [1e-5, 1e-3, 1e-1]


def test_the_order_of_the_penalties_does_not_matter() -> None:
    rows, labels = clouds(90, 3)
    one = logistic.fit(rows, labels, 3, penalties=[1.0, 0.01, 0.1])
    two = logistic.fit(rows, labels, 3, penalties=[0.01, 0.1, 1.0])
    assert one.scores == two.scores
    assert np.array_equal(one.kernel, two.kernel)


def test_the_folds_are_those_of_scikit_learn() -> None:
    from sklearn.model_selection import StratifiedKFold

    for seed in range(20):
        draw = np.random.default_rng(seed)
        labels = draw.permutation(np.repeat(np.arange(4), draw.integers(3, 40, 4)))
        splitter = StratifiedKFold(3, shuffle=True, random_state=key(seed, "folds") % 2**32)
        held = logistic._held(labels, 3, seed)
        for fold, (_, rows) in enumerate(splitter.split(labels, labels)):
            assert np.array_equal(np.flatnonzero(held[:, fold]), rows)


def test_the_head_does_not_depend_on_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, labels = clouds(3 * logistic.BLOCK, 4)
    heads = []
    for threads in (1, 3):
        monkeypatch.setattr(logistic, "cpus", lambda threads=threads: threads)
        heads.append(logistic.fit(rows, labels, 4, penalties=[0.01, 0.1]))
    assert np.array_equal(heads[0].kernel, heads[1].kernel)


def test_without_two_images_of_a_class_the_middle_penalty_is_taken() -> None:
    rows, labels = clouds(30, 3)
    labels = np.where(np.arange(30) == 2, 2, labels % 2)  # one image of class 2
    found = logistic.fit(rows, labels, 3, penalties=[0.01, 0.1, 1.0])
    assert found.scores == {}
    assert found.penalty == 0.1


# The strategy, on a small backbone -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return small(tmp_path_factory.mktemp("images"))


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one each time that features are computed."""
    calls: list[int] = []
    real = features_module._compute

    def count(*arguments: Any) -> Array:
        calls.append(1)
        return real(*arguments)

    monkeypatch.setattr(features_module, "_compute", count)
    return calls


def around(data: Data, run: Path, text: str = PROBE) -> Context:
    return context(data, recipe(text, 'backbone = "small"'), run, graph=backbone())


def trained(data: Data, run: Path, outputs: int = 3, text: str = PROBE) -> Any:
    found = around(data, run, text)
    graph = passes.with_head(backbone(), outputs, name=HEAD)
    return probe.run(found, graph, found.recipe.phases[0])


def test_the_phase_leaves_a_net_that_gives_its_logits(data: Data, tmp_path: Path) -> None:
    found = trained(data, tmp_path / "run")
    assert set(found.logits) == {"validation", "test"}
    for name, split in (("validation", data.validation), ("test", data.test)):
        assert split is not None
        kept = found.logits[name]
        assert kept.records.tolist() == split.indices.tolist()
        assert kept.labels.tolist() == split.labels.tolist()
        images = next(iter(split.batches(batch_size=len(split), shuffle=False))).images / 255
        np.testing.assert_allclose(interpret(found.graph, images.astype("float32")), kept.logits, rtol=1e-4, atol=1e-4)
    start = backbone().arrays()
    assert all(np.array_equal(found.graph.parameters[path].array, start[path]) for path in start)
    assert found.num_images == len(data)
    assert found.notes["penalty"] in (0.001, 0.01, 0.1, 1.0, 10.0)


@pytest.mark.parametrize("text", [PROBE, PROBE + '\nviews = ["plain", "flip"]'])
def test_held_out_images_decide_nothing(data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    plain = trained(data, tmp_path / "plain", text=text)

    def poisoned(context: Context, graph: Any, view: Any = "plain") -> tuple[Array, bool]:
        rows, hit = features(context, graph, view)
        held = np.setdiff1d(np.arange(len(rows)), context.data.train.indices)
        assert len(held)
        return np.where(np.isin(np.arange(len(rows)), held)[:, None], 1e3 * rows[::-1] + 5, rows), hit

    monkeypatch.setattr(probe, "features", poisoned)
    other = trained(data, tmp_path / "poisoned", text=text)
    assert other.notes["penalty"] == plain.notes["penalty"]
    assert other.notes["cross_validation"] == plain.notes["cross_validation"]
    for slot in ("kernel", "bias"):
        path = f"{HEAD}.{slot}"
        assert np.array_equal(other.graph.parameters[path].array, plain.graph.parameters[path].array)
    assert not np.array_equal(other.logits["test"].logits, plain.logits["test"].logits)  # the poison was there


def test_one_binary_logit_says_what_two_logits_say(tmp_path: Path) -> None:
    data = small(tmp_path / "images", a=60, b=60)
    two, one = (trained(data, tmp_path / str(outputs), outputs) for outputs in (2, 1))
    wide, single = two.logits["test"].logits.astype("float64"), one.logits["test"].logits.astype("float64")
    assert single.shape == (len(wide), 1)
    softmax = np.exp(wide[:, 1]) / np.exp(wide).sum(1)
    np.testing.assert_allclose(1 / (1 + np.exp(-single[:, 0])), softmax, atol=1e-6)
    assert np.ptp(softmax) > 0.01  # they do differ from image to image


def test_a_net_without_backbone_has_no_probe(data: Data, tmp_path: Path) -> None:
    found = context(data, recipe(PROBE, 'backbone = "small"'), tmp_path / "run")
    with pytest.raises(UsageError, match="needs a pretrained backbone"):
        probe.run(found, found.start.graph, found.recipe.phases[0])


# Views ---------------------------------------------------------------------------------------------------------------

BOTH = PROBE + '\nviews = ["plain", "flip"]'


def test_a_mirrored_view_is_that_of_the_mirrored_image(data: Data, tmp_path: Path, computed: list[int]) -> None:
    found = around(data, tmp_path / "run")
    plain, mirrored = (features(found, backbone(), view)[0] for view in ("plain", "flip"))
    images = data.pixels(found.signature)[:, :, ::-1] / 255
    np.testing.assert_allclose(mirrored, interpret(backbone(), images.astype("float32")), rtol=1e-4, atol=1e-5)
    assert not np.allclose(mirrored, plain, atol=1e-3)
    assert features(found, backbone(), "flip")[1]
    assert len(computed) == 2


def test_views_are_more_to_learn_from_and_the_net_is_asked_about_the_plain_one(data: Data, tmp_path: Path) -> None:
    plain, both = trained(data, tmp_path / "plain"), trained(data, tmp_path / "both", text=BOTH)
    kernels = [found.graph.parameters[f"{HEAD}.kernel"].array for found in (plain, both)]
    assert not np.allclose(*kernels, rtol=1e-2)
    assert both.num_images == 2 * len(data)
    assert both.notes["features"]["views"] == ["plain", "flip"]
    assert data.validation is not None
    images = next(iter(data.validation.batches(batch_size=len(data), shuffle=False))).images / 255
    logits = both.logits["validation"].logits
    np.testing.assert_allclose(interpret(both.graph, images.astype("float32")), logits, rtol=1e-4, atol=1e-4)


def test_a_image_seen_twice_is_the_image_seen_once() -> None:
    rows, labels = clouds(120, 3)
    once = logistic.fit(rows, labels, 3, penalties=[0.01, 0.1, 1.0])
    twice = logistic.fit(np.concatenate([rows, rows]), labels, 3, penalties=[0.01, 0.1, 1.0], views=2)
    assert twice.penalty == once.penalty
    assert twice.scores == pytest.approx(once.scores, rel=1e-3)  # else a held image would be known from its twin
    np.testing.assert_allclose(twice.kernel, once.kernel, rtol=1e-2, atol=1e-2 * np.abs(once.kernel).max())


@pytest.mark.parametrize("views", ['["flip"]', '["plain", "plain"]', '["plain", "turned"]'])
def test_views_that_make_no_sense_are_refused(views: str) -> None:
    with pytest.raises(RecipeError, match="views"):
        recipe(f"{PROBE}\nviews = {views}", 'backbone = "small"')


# Class weights -------------------------------------------------------------------------------------------------------


def test_class_weights_are_those_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    rows, labels = clouds(300, 3)
    keep = (labels > 0) | (np.arange(300) < 60)  # class 0 is rare
    rows, labels = rows[keep], labels[keep]
    weights = len(labels) / (3 * np.bincount(labels))
    found = logistic.fit(rows, labels, 3, penalties=[0.1], class_weights=weights)
    mean, scale = rows.mean(0, dtype="float64"), rows.std(0, dtype="float64")
    theirs = LogisticRegression(C=0.1, tol=1e-10, max_iter=20_000, class_weight="balanced")
    expected = theirs.fit((rows - mean) / scale, labels).coef_.T
    np.testing.assert_allclose(found.kernel * scale[:, None], expected, atol=2e-3 * np.abs(expected).max())
    plain = logistic.fit(rows, labels, 3, penalties=[0.1])
    assert np.abs(found.kernel - plain.kernel).max() > 0.05 * np.abs(plain.kernel).max()


def test_balanced_and_given_class_weights(tmp_path: Path) -> None:
    data = small(tmp_path / "images", a=50, b=20, c=20)
    counts = np.bincount(data.train.labels)
    given = [float(weight) for weight in len(data.train) / (3 * counts)]
    kernels = [
        trained(data, tmp_path / str(number), text=PROBE + line).graph.parameters[f"{HEAD}.kernel"].array
        for number, line in enumerate(("", '\nclass_weights = "balanced"', f"\nclass_weights = {given}"))
    ]
    assert np.array_equal(kernels[1], kernels[2])
    assert not np.allclose(kernels[0], kernels[1], rtol=1e-2)
    with pytest.raises(UsageError, match="2 numbers, and there are 3 classes"):
        trained(data, tmp_path / "wrong", text=PROBE + "\nclass_weights = [1.0, 2.0]")


# The cache of features -----------------------------------------------------------------------------------------------


def ask(path: Path, run: Path) -> tuple[Context, Array, bool]:
    found = around(read_data(path), run)
    return found, *features(found, backbone())


def test_the_second_call_is_answered_from_the_cache(data: Data, tmp_path: Path, computed: list[int]) -> None:
    found, first, hit = ask(data.path, tmp_path / "one")
    assert not hit
    assert first.shape == (len(data), 5)
    assert first.dtype == "float32"
    assert cached(found, backbone())
    _, second, hit = ask(data.path, tmp_path / "two")
    assert hit
    assert np.array_equal(first, second)
    assert len(computed) == 1


def test_features_are_those_of_the_net(data: Data, tmp_path: Path) -> None:
    _, rows, _ = ask(data.path, tmp_path / "run")
    images = data.pixels(around(data, tmp_path / "again").signature) / 255
    np.testing.assert_allclose(rows, interpret(backbone(), images.astype("float32")), rtol=1e-4, atol=1e-5)


def test_moved_and_renamed_files_are_known_again(data: Data, tmp_path: Path, computed: list[int]) -> None:
    _, first, _ = ask(data.path, tmp_path / "one")
    moved = tmp_path / "elsewhere"
    shutil.copytree(data.path, moved)
    for index, path in enumerate(sorted(moved.glob("*/*.png"), reverse=True)):
        path.rename(path.with_name(f"renamed-{index:04d}.png"))
    found, rows, hit = ask(moved, tmp_path / "two")
    assert hit
    assert len(computed) == 1
    where = {digest.tobytes(): row for digest, row in zip(data.manifest.sha256, first, strict=True)}
    assert all(
        np.array_equal(where[digest.tobytes()], row)
        for digest, row in zip(found.data.manifest.sha256, rows, strict=True)
    )
    assert not np.array_equal(first, rows)  # the order did change


def test_a_changed_image_is_seen(data: Data, tmp_path: Path, computed: list[int]) -> None:
    from PIL import Image

    folder = tmp_path / "copy"
    shutil.copytree(data.path, folder)
    found, first, _ = ask(folder, tmp_path / "one")
    path = folder / str(found.data.manifest.paths[0])
    with Image.open(path) as image:
        changed = 255 - np.asarray(image)
    Image.fromarray(changed).save(path)
    _, second, hit = ask(folder, tmp_path / "two")
    assert not hit
    assert len(computed) == 2
    assert [k for k in range(len(first)) if not np.array_equal(first[k], second[k])] == [0]


def test_another_net_and_another_signature_have_features_of_their_own(
    data: Data, tmp_path: Path, computed: list[int]
) -> None:
    from dataclasses import replace

    ask(data.path, tmp_path / "one")
    found = around(data, tmp_path / "two")
    assert features(found, backbone(seed=4))[1] is False
    signature = replace(found.signature, mean=(0.5,))
    assert features(replace(found, start=replace(found.start, signature=signature)), backbone())[1] is False
    assert len(computed) == 3


@pytest.mark.parametrize("damage", ["half", "empty", "text", "bits"])
def test_a_damaged_cache_is_computed_again(data: Data, tmp_path: Path, computed: list[int], damage: str) -> None:
    _, first, _ = ask(data.path, tmp_path / "one")
    (path,) = (tmp_path / "cache/bakeoff/features").glob("*.npz")
    whole = path.read_bytes()
    middle = len(whole) // 3
    broken = {
        "half": whole[: len(whole) // 2],
        "empty": b"",
        "text": b"not an archive",
        "bits": whole[:middle] + bytes(byte ^ 255 for byte in whole[middle : middle + 64]) + whole[middle + 64 :],
    }
    path.write_bytes(broken[damage])
    _, second, hit = ask(data.path, tmp_path / "two")
    assert not hit
    assert len(computed) == 2
    assert np.array_equal(first, second)
    assert ask(data.path, tmp_path / "three")[2]  # and is whole again
    assert list(path.parent.iterdir()) == [path]


def test_renamed_and_exchanged_classes_are_no_reason_to_compute_again(
    data: Data, tmp_path: Path, computed: list[int]
) -> None:
    ask(data.path, tmp_path / "one")
    renamed = tmp_path / "renamed"
    shutil.copytree(data.path, renamed)
    for index, folder in enumerate(sorted(path for path in renamed.iterdir() if path.is_dir())):
        folder.rename(renamed / f"class-{9 - index}")
    assert ask(renamed, tmp_path / "two")[2]
    assert len(computed) == 1


def test_the_longest_unused_features_make_room(
    data: Data, tmp_path: Path, computed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(data.path, tmp_path / "one")
    (path,) = (tmp_path / "cache/bakeoff/features").glob("*.npz")
    os.utime(path, (1, 1))
    monkeypatch.setattr(features_module, "FEATURES_LIMIT", path.stat().st_size + 100)
    features(around(data, tmp_path / "two"), backbone(seed=4))
    (left,) = path.parent.glob("*.npz")
    assert left != path


def test_no_place_for_the_cache_is_no_reason_to_stop(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(ask(data.path, tmp_path / "one")[1]) == len(data)
