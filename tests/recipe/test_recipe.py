"""Recipes: the library, the way there and back, overrides, and errors that name the key."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff import recipe as recipes
from bakeoff.errors import RecipeError, VersionError
from bakeoff.recipe import Finetune, Probe, Recipe

TEXT = '[model]\nname = "mnist_cnn"\n[[phases]]\nstrategy = "finetune"\n'


@pytest.mark.parametrize("name", recipes.names())
def test_library_recipes_open_with_their_command_and_come_back_equal(name: str) -> None:
    from bakeoff.recipe.load import LIBRARY

    recipe = recipes.load(name)
    first = (LIBRARY / f"{name}.toml").read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# bakeoff train ")
    assert first.endswith(f" --recipe {name}")
    assert recipe.title
    assert any("\u4e00" <= sign <= "\u9fff" for sign in recipe.title_zh)
    assert recipes.loads(recipes.to_toml(recipe)) == recipe


def test_library_has_the_promised_recipes() -> None:
    wanted = {"photos", "mnist-cnn", "mnist-cnn-small", "mnist-mlp", "cifar10-cnn", "cnn-224", "dense-64"}
    assert wanted <= set(recipes.names())


def test_named_models_are_those_of_the_registry() -> None:
    from bakeoff import registry

    used = {recipes.load(name).model.name for name in recipes.names()} - {None}
    assert used <= set(registry.names("bakeoff.models"))


def test_articles_settings_are_kept() -> None:
    cnn = recipes.load("mnist-cnn")
    assert (cnn.input.mean, cnn.input.std, cnn.input.size) == ((0.5,), (0.5,), None)
    assert isinstance(cnn.phases[0], Finetune)
    assert (cnn.phases[0].epochs, cnn.phases[0].batch_size, cnn.phases[0].optimizer.name) == (10, 64, "adam")
    assert recipes.load("cnn-224").input.size == (224, 224)
    assert isinstance(recipes.load("photos").phases[0], Probe)


def test_load_reads_a_file(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(TEXT, encoding="utf-8")
    assert recipes.load(path) == recipes.load(str(path)) == recipes.loads(TEXT)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("sed = 1\n" + TEXT, "unknown key sed; did you mean 'seed'"),
        (TEXT + "epoch = 3\n", "unknown key phases.0.epoch; did you mean 'epochs'"),
        (TEXT + 'schedule = { nam = "cosine" }\n', "unknown key phases.0.schedule.nam; did you mean 'name'"),
        (TEXT + 'epochs = "ten"\n', "phases.0.epochs: got 'ten', expected whole number"),
        (TEXT + "epochs = 0\n", "phases.0.epochs: got 0, expected whole number >= 1"),
        (TEXT + "epochs = 1.5\n", "phases.0.epochs: got 1.5"),
        (TEXT + "drop_last = 1\n", "phases.0.drop_last: got 1, expected true or false"),
        (
            TEXT + 'keep = "bets"\n',
            "phases.0.keep: got 'bets', expected 'best' or 'if-better' or 'last'; did you mean 'best'",
        ),
        (TEXT + 'optimizer = { name = "adm" }\n', "phases.0.optimizer.name: unknown 'adm'; did you mean 'adam'"),
        (TEXT + 'schedule = { name = "cosin" }\n', "phases.0.schedule.name: unknown 'cosin'; did you mean 'cosine'"),
        (TEXT + "schedule = { peak = nan }\n", "phases.0.schedule.peak: got nan, expected a finite number"),
        (TEXT + "schedule = { end = 0.1 }\n", "phases.0.schedule.end: got 0.1, expected at most the peak"),
        (TEXT + "schedule = { end = 1e-4 }\n", "phases.0.schedule.end: a constant rate has no end"),
        (TEXT + "schedule = { warmup_epochs = 9 }\n", "phases.0.schedule.warmup_epochs: got 9"),
        (TEXT + 'freeze = ["backbone"]\n', 'phases.0.freeze: "backbone" needs model.backbone'),
        (TEXT.replace("finetune", "finetunes"), "phases.0.strategy: got 'finetunes'"),
        (TEXT.replace("finetune", "probe"), "phases.0.strategy: a probe needs a pretrained backbone"),
        (TEXT.replace("name", "nam"), "unknown key model.nam; did you mean 'name'"),
        ("[[phases]]\nstrategy = 'finetune'\n", "model: got nothing"),
        ("phases = []\n[model]\nname = 'x'\n", "phases: got []"),
        (TEXT.replace('name = "mnist_cnn"', ""), "model: got neither"),
        (TEXT.replace("[[", 'backbone = "x"\n[['), "model: got both"),
        (TEXT.replace("[[", 'until = "x"\n[['), "model.until"),
        (TEXT.replace("[[", "dropout = 0.5\n[["), "model.arguments.dropout"),
        ("[data.split]\ntrain = 0.5\n" + TEXT, "data.split: the shares add up to 0.7"),
        ("[data.split]\ntrain = 0\nvalidation = 0.9\n" + TEXT, "data.split.train: got 0"),
        ("[input]\nsize = [28]\n" + TEXT, "input.size: got [28], expected list of length 2"),
        ("[input]\nmean = [0.5, 0.5]\n" + TEXT, "input.mean: got 2 numbers"),
        ("[input]\nchannels = 2\n" + TEXT, "input.channels: got 2, expected 1 or 3"),
        ('[input]\nfit = "stretch"\nresize_to = 256\n' + TEXT, "input.resize_to"),
        ("= 3", "is not valid TOML"),
    ],
)
def test_errors_name_the_key_in_three_lines(text: str, named: str) -> None:
    with pytest.raises(RecipeError) as caught:
        recipes.loads(text)
    message = str(caught.value)
    assert named in message
    assert 1 <= len(message.splitlines()) <= 3
    assert caught.value.exit_code == 2


def test_another_schema_is_refused_by_name() -> None:
    with pytest.raises(VersionError, match="schema 2 came, this version reads schema 1"):
        recipes.loads("schema = 2\n" + TEXT)


def test_unknown_recipes_and_files_name_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="did you mean 'mnist-cnn'"):
        recipes.load("mnist-cn")
    with pytest.raises(RecipeError, match="there is no such file"):
        recipes.load(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="not a UTF-8 text"):
        recipes.load(tmp_path / "binary.toml")


def test_overrides_take_toml_values_and_bare_words() -> None:
    base = recipes.load("mnist-cnn")
    settings = ["phases.0.epochs=1", "seed=3", "title=quick look", "input.size=[32, 16]", "phases.0.optimizer.name=sgd"]
    settings += ["phases.0.optimizer.momentum=0.9", "model.arguments.width=8", "phases.0.freeze=['conv1.*']"]
    changed = recipes.with_overrides(base, settings)
    phase = changed.phases[0]
    assert isinstance(phase, Finetune)
    assert (phase.epochs, changed.seed, changed.title, changed.input.size) == (1, 3, "quick look", (32, 16))
    assert phase.optimizer.settings() == {"momentum": 0.9}
    assert changed.model.arguments == {"width": 8}
    assert phase.freeze == ("conv1.*",)
    assert base == recipes.load("mnist-cnn")


def test_nothing_after_the_equals_sign_unsets() -> None:
    base = recipes.load("mnist-cnn")
    changed = recipes.with_overrides(base, ["model.name=", "model.backbone=efficientnet_lite0", "input.mean="])
    assert (changed.model.name, changed.model.backbone, changed.input.mean) == (None, "efficientnet_lite0", None)


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("seed", "expected KEY=VALUE"),
        ("=3", "expected KEY=VALUE"),
        ("sed=1", "did you mean 'seed'"),
        ("phases.0.epoch=1", "unknown key phases.0.epoch; did you mean 'epochs'"),
        ("phases.0.epochs=ten", "phases.0.epochs: got 'ten'"),
        ("phases.3.epochs=1", "phases has 1 entries"),
        ("phases.x.epochs=1", "phases is a list: got 'x'"),
        ("seed.x=1", "seed is a value, not a table"),
        ("model.arguments.x={a = 1}", "model.arguments"),
        ("seed=99999999999999999999", "seed: got 99999999999999999999"),
        ("phases.0.epochs=2020-01-01", "phases.0.epochs: got '2020-01-01'"),
    ],
)
def test_overrides_that_cant_be_name_the_key(setting: str, named: str) -> None:
    with pytest.raises(RecipeError) as caught:
        recipes.with_overrides(recipes.load("mnist-cnn"), [setting])
    assert named in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 3


def test_select_phases_keeps_the_recipes_own_and_adds_defaults() -> None:
    photos = recipes.load("photos")
    both = recipes.select_phases(photos, ["probe", "finetune"])
    assert [phase.strategy for phase in both.phases] == ["probe", "finetune"]
    assert both.phases[0] == photos.phases[0]
    assert both.phases[1].batch_norm == "frozen"  # type: ignore[union-attr]
    assert recipes.loads(recipes.to_toml(both)) == both
    with pytest.raises(RecipeError, match="did you mean 'probe'"):
        recipes.select_phases(photos, ["prob"])
    with pytest.raises(RecipeError, match="none was chosen"):
        recipes.select_phases(photos, [])
    with pytest.raises(RecipeError, match="needs a pretrained backbone"):
        recipes.select_phases(recipes.load("mnist-mlp"), ["probe"])


def test_digest_is_of_the_values_not_of_the_text() -> None:
    base = recipes.loads(TEXT)
    assert recipes.digest(base) == recipes.digest(recipes.loads("seed = 0\n" + TEXT))
    assert recipes.digest(base) != recipes.digest(recipes.loads("seed = 1\n" + TEXT))
    assert len(recipes.digest(base)) == 64


_words = st.text(max_size=20).filter(lambda text: text.isprintable() or all(ord(c) < 0xD800 for c in text))
_values = st.one_of(
    st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False), _words
)


@given(
    title=_words,
    seed=st.integers(0, 2**63 - 1),
    arguments=st.dictionaries(_words, _values, max_size=4),
    rate=st.floats(1e-300, 1e300),
)
def test_any_recipe_comes_back_equal_from_its_toml(
    title: str, seed: int, arguments: dict[str, object], rate: float
) -> None:
    values = {"name": "x", "arguments": arguments}
    schedule = {"peak": rate}
    import msgspec

    recipe = msgspec.convert(
        {"title": title, "seed": seed, "model": values, "phases": [{"strategy": "finetune", "schedule": schedule}]},
        Recipe,
    )
    assert recipes.loads(recipes.to_toml(recipe)) == recipe
