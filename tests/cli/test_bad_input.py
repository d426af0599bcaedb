"""Bad input: at most three lines that name what is wrong and the remedy, an exit code, no traceback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Command, Output, write_photos

from bakeoff import frameworks


def refused(said: Output, code: int, *words: str) -> None:
    """At most three lines on stderr, which begin by naming the tool and have these words; nothing on stdout."""
    lines = said.err.splitlines()
    assert said.code == code, said.err
    assert 1 <= len(lines) <= 3, said.err
    assert lines[0].startswith("bakeoff: ")
    assert "Traceback" not in said.err
    assert said.out == ""
    for word in words:
        assert word in said.err


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def one_class(folder: Path) -> None:
    shutil.rmtree(folder / "狗")


def text_as_jpg(folder: Path) -> None:
    (folder / "猫" / "broken.jpg").write_text("no image at all")


def truncated(folder: Path) -> None:
    from PIL import Image

    whole = folder / "猫" / "broken.jpg"
    Image.effect_noise((64, 64), 50).save(whole)
    whole.write_bytes(whole.read_bytes()[:-200])


def zero_bytes(folder: Path) -> None:
    (folder / "猫" / "broken.jpg").touch()


CASES: dict[str, tuple[Callable[[Path], None], tuple[str, ...]]] = {
    "empty folder": (empty, ("cats",)),
    "one class": (one_class, ("cats", "one class")),
    "text": (text_as_jpg, ("broken.jpg", "text", "--bad-files exclude")),
    "truncated": (truncated, ("broken.jpg", "truncated", "--bad-files exclude")),
    "zero bytes": (zero_bytes, ("broken.jpg", "0 bytes", "--bad-files exclude")),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_data(case: str, command: Command, tmp_path: Path) -> None:
    spoil, words = CASES[case]
    folder = write_photos(tmp_path / "cats")
    spoil(folder)
    refused(command("train", folder, "--run", tmp_path / "run", "--framework", "onnxruntime"), 3, *words)
    assert not (tmp_path / "run").exists()


def test_excluded_files_are_counted_and_the_rest_is_trained(command: Command, tmp_path: Path) -> None:
    folder = write_photos(tmp_path / "cats")
    zero_bytes(folder)
    words = ("--run", tmp_path / "run", "--framework", "onnxruntime", "--bad-files", "exclude", "--json")
    said = command("train", folder, *words)
    assert said.code == 0
    assert said.value["excluded"] == ["猫/broken.jpg"]
    assert said.value["num_train"] + said.value["num_validation"] + said.value["num_test"] == 24


def test_every_verb_whose_message_names_bad_files_has_it(command: Command, trained: Path, tmp_path: Path) -> None:
    folder = write_photos(tmp_path / "cats")
    zero_bytes(folder)
    evaluate = ("evaluate", trained, folder, "--split", "all")
    refused(command(*evaluate), 3, "--bad-files exclude")
    said = command(*evaluate, "--bad-files", "exclude", "--json")
    assert (said.code, said.value["num"], said.value["files"]["excluded"]) == (0, 24, 1), said.err
    search = ("--search", "phases.0.batch_size=2 | 4")
    for words in (("compare", folder), ("tune", folder, *search, "--run", tmp_path / "tuned"), ("find-rate", folder)):
        refused(command(*words, "--recipe", "mnist-cnn", "--set", "nets=1", "--bad-files", "exclude"), 2, "nets")


def test_a_folder_that_is_not_there(command: Command, tmp_path: Path) -> None:
    refused(command("train", tmp_path / "nothing"), 3, "nothing", "no such file or folder")
    (tmp_path / "link").symlink_to("x")
    refused(command("train", tmp_path / "link"), 3, "link to what isn't there")


TAKES_DATA = (
    "train D|train D -r mnist-cnn|compare D|find-rate D -r mnist-cnn|tune D -r mnist-cnn --search phases.0.epochs=1..2"
)
TAKES_DATA += "|compare D --backbones efficientnet_lite0,efficientnet_lite1|evaluate RUN D|data audit D|data preview D"
TAKES_DATA += "|export RUN --to onnx --data D"


@pytest.mark.parametrize("words", TAKES_DATA.split("|"))
@pytest.mark.parametrize("path", ["digits", "some where/digits", "photos"])
def test_a_sample_that_was_not_written_yet_has_its_command(
    words: str, path: str, command: Command, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = command(*({"D": path, "RUN": trained}.get(word, word) for word in words.split()))
    refused(said, said.code or 1, "there is no such file or folder")
    sample = {"digits": "digits", "some where/digits": "'some where/digits'"}.get(path)
    assert (f"bakeoff data sample digits {sample}" in said.err) == (sample is not None)
    assert not list(tmp_path.iterdir())


VERBS = "evaluate {}|export {} --to onnx|predict {} a.png|report {}|verify {}|convert {} --to keras|train {}|runs {}"


@pytest.mark.parametrize("words", VERBS.split("|"))
def test_a_mistyped_path_has_the_nearest_one(words: str, command: Command, tmp_path: Path) -> None:
    (tmp_path / "shirts-1/best").mkdir(parents=True)
    for typed, meant in (("shirts-1/bets", "shirts-1/best"), ("shirt-1/best", "shirts-1/best"), ("x/best", "")):
        said = command(*(word.format(tmp_path / typed) for word in words.split()))
        refused(said, said.code or 1, typed, "there is no such")
        assert f"; did you mean {str(tmp_path / meant)!r}?" in said.err if meant else "did you mean" not in said.err


def test_an_unknown_recipe_key(command: Command, photos: Path) -> None:
    said = command("train", photos, "--set", "phases.0.fold=3")
    refused(said, 2, "phases.0.fold", "did you mean 'folds'?")


def test_an_unknown_key_in_a_file(command: Command, photos: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(command("recipes", "photos").out.replace("folds =", "fold ="))
    refused(command("train", photos, "--recipe", recipe), 2, "mine.toml", "fold", "did you mean 'folds'?")


def test_an_unknown_recipe(command: Command, photos: Path) -> None:
    refused(command("train", photos, "--recipe", "mnist-cn"), 2, "mnist-cn", "did you mean 'mnist-cnn'?")


@pytest.mark.parametrize("framework", ["torch", "tensorflow", "jax"])
def test_a_missing_framework(framework: str, command: Command, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frameworks, "version", lambda name: None)
    said = command("train", photos, "--recipe", "mnist-cnn", "--framework", framework)
    refused(said, 4, framework, f"pip install 'bakeoff[{framework}]'")


def test_no_framework_at_all(command: Command, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frameworks, "version", lambda name: None)
    refused(command("train", photos, "--recipe", "mnist-cnn"), 2, "bakeoff[torch]", "--phases probe")
    said = command("train", photos, "--run", tmp_path / "run", "--json")
    assert said.code == 0, said.err
    assert said.value["framework"] == "onnxruntime"


def test_a_run_folder_of_another_version(command: Command, photos: Path, trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    for name in ("run.json", "bundle/bundle.json"):
        value = json.loads((run / name).read_text(encoding="utf-8"))
        (run / name).write_text(json.dumps({**value, "schema": 99}), encoding="utf-8")
    for words in (
        ("predict", run, photos),
        ("evaluate", run, photos),
        ("export", run, "--to", "onnx"),
        ("report", run),
    ):
        refused(command(*words), 6, "schema 99", "run")


def test_what_is_no_model(command: Command, photos: Path, tmp_path: Path) -> None:
    refused(command("predict", photos, photos), 3, "cats", "run folder")
    refused(command("evaluate", tmp_path, photos), 3, str(tmp_path.name), "bakeoff train")


def test_a_run_folder_that_is_in_use(command: Command, photos: Path, trained: Path) -> None:
    refused(command("train", photos, "--run", trained), 2, "--run", "another folder")


def test_classes_that_are_not_the_models(command: Command, trained: Path, tmp_path: Path) -> None:
    folder = write_photos(tmp_path / "cats")
    (folder / "猫").rename(folder / "cat")
    refused(command("evaluate", trained, folder), 2, "'cat'", "'猫'")


def test_a_split_that_is_not_there(command: Command, photos: Path, trained: Path, tmp_path: Path) -> None:
    refused(command("evaluate", trained, photos, "--split", "tset"), 2, "tset", "train, validation, test")
    folder = tmp_path / "cats"
    write_photos(folder / "train")
    refused(command("evaluate", trained, folder, "--split", "test"), 2, "test", "train, validation")


def test_a_folder_without_images(command: Command, trained: Path, tmp_path: Path) -> None:
    refused(command("predict", trained, tmp_path), 3, str(tmp_path.name), "no images")


def test_options_that_contradict(command: Command, photos: Path, trained: Path) -> None:
    refused(command("predict", trained, photos, "--json", "--csv"), 2, "--json and --csv")
    refused(command("predict", trained, photos, "--plot", "labels.xyz"), 2, "labels.xyz", ".png")
    refused(command("train", photos, "--phases", "probe,,"), 2, "--phases")
    refused(command("train", "--resume", trained, "--budget", "10m"), 2, "--resume goes on with")


def test_an_error_that_nobody_foresaw(command: Command, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr("bakeoff.training.api.train", broken)
    said = command("train", photos)
    refused(said, 1, "unexpected: RuntimeError: first line second line", "--debug")
    assert "Traceback" in command("train", photos, "--debug").err


def test_debug_shows_the_traceback_of_a_known_error(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    said = command("train", "nothing", "--debug")
    assert said.code == 3
    assert "Traceback" in said.err
    assert "\nbakeoff: nothing" in said.err
    monkeypatch.setenv("BAKEOFF_DEBUG", "1")
    from bakeoff.cli import main

    assert main(["train", "nothing"]) == 3


def test_ctrl_c(command: Command, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bakeoff.training.api.train", interrupted)
    refused(command("train", photos), 130, "stopped")


def test_a_place_that_cannot_be_written_is_named(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    place = tmp_path / "file" / "digits"
    refused(command("data", "sample", "digits", str(place)), 1, str(place), "Choose another place")
