"""What isn't kept is refused until it is accepted by its name; a certificate that declares says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bakeoff.conversion.accepting import check_accepted, not_kept, same
from bakeoff.conversion.request import Request, names_in
from bakeoff.errors import BakeoffError, DeclaredError, UsageError
from bakeoff.parity import check, from_json, to_json
from bakeoff.parity.lost import Seen, lost, merged
from bakeoff.schemas import Certificate, Declared

NOISE = Declared("noise", ("a", "b.c"), "in training it draws random numbers", 0.25)
STATE = Declared("state", ("d",), "in training it changes its mean")


def request(accept: Any = (), **more: Any) -> Request:
    given = {"source": "net", "to": "keras", "output": Path("net.keras"), "kind": "live", "framework": "torch"}
    return Request(**{**given, **more}, accept=names_in(accept))


@pytest.mark.parametrize("accept", [("noise", "state"), "noise,state", ["noise, state"], None])
def test_what_is_accepted_passes(accept: Any) -> None:
    check_accepted(request(accept), (NOISE, STATE))


@pytest.mark.parametrize(
    ("accept", "error", "says"),
    [
        ((), DeclaredError, r"noise \(a, b.c\): in training it draws random numbers; without it .* by 2.5e-01; state"),
        ("noise", DeclaredError, r"kept: state \(d\).*\n.*--accept noise --accept state, or accept=\('noise', 'state'"),
        ("noise,state,outputs", UsageError, "accept outputs: .* declared: noise, state"),
    ],
)
def test_what_isnt_accepted_or_accepted_in_vain_is_refused(accept: Any, error: type[BakeoffError], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        check_accepted(request(accept), (NOISE, STATE))
    assert len(str(caught.value).splitlines()) <= 2
    assert DeclaredError.exit_code == 7


def test_nothing_is_lost_in_the_sources_own_and_in_what_predicts_alone() -> None:
    both = (NOISE, STATE)
    own = {"kind": "keras", "framework": "tensorflow"}
    assert not_kept(request(), both) == both
    assert not_kept(request(**own), both) == ()
    assert not_kept(request(**own, page=True), both) == both
    assert not_kept(request(to="onnx"), both) == ()
    with pytest.raises(UsageError, match="nothing is declared here"):
        check_accepted(request("noise"), ())


def test_a_certificate_that_declares_has_a_verdict_of_its_own() -> None:
    passed = Certificate((check("one", 0.0, 1.0),))
    declared = replace(passed, declared=(NOISE, STATE))
    failed = replace(declared, checks=(check("one", 2.0, 1.0),))
    assert [one.verdict for one in (passed, declared, failed)] == ["passed", "declared", "failed"]
    assert all(from_json(to_json(one)) == one for one in (passed, declared, failed))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, True),
        ({"effect": 0.3}, True),
        ({"effect": 0.6}, False),
        ({"effect": 0.1}, False),
        ({"effect": None}, False),
        ({"where": ("a",)}, False),
        ({"what": "nothing"}, False),
        ({"name": "state"}, False),
    ],
)
def test_two_machines_declare_the_same(changed: dict[str, Any], expected: bool) -> None:
    assert same((NOISE, STATE), (replace(NOISE, **changed), STATE)) is expected
    assert not same((NOISE,), (NOISE, STATE))


def test_rounding_is_no_effect() -> None:
    assert same((replace(NOISE, effect=1e-8),), (replace(NOISE, effect=9e-7),))
    assert not same((replace(NOISE, effect=1e-8),), (replace(NOISE, effect=2e-6),))


def test_what_two_passes_show_is_said_by_its_kind() -> None:
    found = {
        lost(["a"], whole, Seen(outputs=1)).name: whole
        for whole in (
            Seen(outputs=1),
            Seen(outputs=2, changed={"aux.count"}),
            Seen(outputs=1, terms=1),
            Seen(outputs=1, drew={"a"}, changed={"b"}),
            Seen(outputs=1, changed={"b"}),
        )
    }
    assert list(found) == ["training", "outputs", "loss", "noise", "state"]
    both = lost(["a"], found["noise"], Seen(outputs=1))
    assert both.what == "in training it draws random numbers and changes its b"
    assert lost(["a"], Seen(failed="no"), Seen(outputs=1)).what == "in training it fails (no)"


def test_one_name_stands_once() -> None:
    more = replace(NOISE, where=("z", "a"), what="in training it draws more", effect=None)
    (one,) = merged([NOISE, more, NOISE])
    assert one == Declared("noise", ("a", "b.c", "z"), f"{NOISE.what}; {more.what}", 0.25)
