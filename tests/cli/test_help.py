"""Help: every verb, with examples that are real, soon."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

import pytest
from command_line import Command

from bakeoff import registry
from bakeoff.cli._app import START, build
from bakeoff.cli._options import shortcuts
from bakeoff.errors import UsageError
from bakeoff.recipe import load as load_recipe
from bakeoff.registry import load
from bakeoff.training.api import choose_framework

VERBS = tuple(name.replace("_", "-") for name in registry.names("bakeoff.cli"))


def test_the_verbs_are_there(command: Command) -> None:
    said = command("--help")
    assert said.code == 0
    known = {
        "train",
        "compare",
        "convert",
        "evaluate",
        "predict",
        "export",
        "models",
        "recipes",
        "doctor",
        "data",
        "report",
        "verify",
        "tune",
        "find-rate",
    }
    assert known <= set(VERBS)
    assert all(f"│ {verb} " in said.out for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_help_with_its_examples(verb: str, command: Command) -> None:
    said = command(verb, "--help")
    assert said.code == 0
    for line, what in load("bakeoff.cli", verb).EXAMPLES:
        assert line in said.out
        assert what in said.out


def test_examples_parse() -> None:
    for verb in VERBS:
        for line, _ in (*load("bakeoff.cli", verb).EXAMPLES, *START):
            words = shlex.split(line.partition(">")[0])
            assert words[0] == "bakeoff"
            _parse(words[1:])


def _parse(words: list[str]) -> None:
    """Make the context of the last command without running it: unknown options and missing arguments raise."""
    from typer.main import get_command

    group = get_command(build(words))
    while hasattr(group, "commands"):
        group, words = group.commands[words[0]], words[1:]
    group.make_context(words[0] if words else "verb", list(words))


@pytest.mark.clock
def test_help_is_quick_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; from bakeoff.cli import main; code = main(['--help']); "
        "heavy = {'numpy', 'PIL', 'onnx', 'onnxruntime', 'sklearn', 'torch', 'tensorflow', 'keras', 'jax', 'msgspec'}; "
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr); sys.exit(code)"
    )
    times = []
    for _ in range(3):
        before = sum(
            os.times()[2:4]
        )  # of the processor, by processes that have ended: a busy machine is not what is measured
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        times.append(sum(os.times()[2:4]) - before)
    assert done.stderr.strip() == "[]"
    assert 0 < min(times) <= 0.4  # the promise of the command line


def test_version(command: Command) -> None:
    import bakeoff

    said = command("--version")
    assert (said.code, said.out) == (0, f"bakeoff {bakeoff.__version__}\n")


def test_python_m_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "bakeoff", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("bakeoff ")


def test_an_unknown_verb_has_its_nearest(command: Command) -> None:
    said = command("trian", "photos")
    assert said.code == 2
    assert "did you mean 'train'?" in said.err


def test_an_unknown_option_is_a_usage_error(command: Command) -> None:
    assert command("train", "photos", "--bogus").code == 2


def test_the_usual_changes_are_keys_of_the_recipe() -> None:
    usual = {"epochs": 3, "batch_size": 8, "schedule.peak": 0.1}
    found = shortcuts("mnist-cnn", [], usual, "light", "32")
    assert found == [
        "augment.preset=light",
        "input.size=[32,32]",
        "phases.0.epochs=3",
        "phases.0.batch_size=8",
        "phases.0.schedule.peak=0.1",
    ]
    assert shortcuts("photos", [], {"epochs": 1}, None, None) == ["phases.2.epochs=1"]
    assert shortcuts("photos", ["finetune"], {"epochs": 1}, None, "20,30") == [
        "input.size=[20,30]",
        "phases.0.epochs=1",
    ]
    for recipe in ("photos-fast", "photos-mobilenetv2-two-steps"):
        with pytest.raises(UsageError, match="--set phases"):
            shortcuts(recipe, [], {"epochs": 1}, None, None)
    with pytest.raises(UsageError, match="--size big"):
        shortcuts("photos", [], {}, None, "big")


def test_names_that_people_use_are_known() -> None:
    assert choose_framework("tf", load_recipe("photos")) == "tensorflow"
    assert choose_framework("pytorch", load_recipe("photos")) == "torch"


def test_options_of_train_are_in_groups(command: Command) -> None:
    said = command("train", "--help").out
    assert all(f"─ {name} ─" in said for name in ("Data", "Net and weights", "Computing", "Run", "Options"))
