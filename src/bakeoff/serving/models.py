"""Which models are served, in which versions: found by name, version or label, with the history of their states."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bakeoff.serving.model import Served
from bakeoff.serving.refused import Refused, invalid

START, LOADING, AVAILABLE, UNLOADING, END = 10, 20, 30, 40, 50
STATES = {START: "START", LOADING: "LOADING", AVAILABLE: "AVAILABLE", UNLOADING: "UNLOADING", END: "END"}
OK, UNKNOWN = 0, 2
ANY = 0  # OpenVINO's client says it for the newest version; a version of that number comes first
LARGEST = (1 << 63) - 1  # of versions
KEPT = 100  # versions of a model that stay in the history


def version_number(digits: str) -> int:
    """A version of a request as a number, however many digits it has; beyond `LARGEST` it only says so."""
    found = digits.lstrip("0")
    return int(found or "0") if len(found) < 20 else LARGEST + 1


@dataclass(frozen=True)
class Given:
    """A model as the user named it.

    Attributes:
        name: in requests.
        path: a run, a bundle, an exported file; or a folder of versions, whose names are numbers.
        version: of what is no folder of versions.
        policy: ("latest", how many), ("all", 0), or ("specific", ...): the numbers follow.
        labels: further names of versions.
    """

    name: str
    path: Path
    version: int = 1
    policy: tuple[str | int, ...] = ("latest", 1)
    labels: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class State:
    """What became of a version."""

    state: int
    code: int = OK
    message: str = ""


class Models:
    """The models of a server; read by requests, changed by the watcher."""

    def __init__(self, given: tuple[Given, ...]) -> None:
        self.given = {one.name: one for one in given}
        self.ready = False
        self._lock = threading.Lock()
        self._states: dict[str, dict[int, State]] = {name: {} for name in self.given}
        self._served: dict[str, dict[int, Served]] = {name: {} for name in self.given}

    def find(self, name: str, version: int | None = None, label: str = "") -> Served:
        """The version that answers: of a number, of a label, or the highest.

        Raises:
            Refused: none does.
        """
        if not name:
            raise invalid("ModelSpec has no name specified.")
        served = self._served.get(name, {})
        if label:
            if not self.ready:
                raise Refused("UNAVAILABLE", f"Model labels does not init yet.{label}")
            version = self.given[name].labels.get(label) if name in self.given else None
            if version is None:
                raise invalid(f"Unrecognized servable version label: {label}")
        with self._lock:
            newest = served.get(max(served, default=-1))
            found = newest if version is None else served.get(version, newest if version == ANY else None)
        if found is None:
            asked = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise Refused("NOT_FOUND", f"Servable not found for request: {asked}")
        return found

    def states(self, name: str, version: int | None = None) -> list[tuple[int, State]]:
        """The history of a model, the highest version first; or the state of one version.

        Raises:
            Refused: there is none.
        """
        with self._lock:
            known = sorted(self._states.get(name, {}).items(), reverse=True)
        if version is not None and (version != ANY or any(number == ANY for number, _ in known)):
            known = [one for one in known if one[0] == version]
            if not known:
                raise Refused("NOT_FOUND", f"Could not find version {version} of model {name}")
        if not known:
            raise Refused("NOT_FOUND", f"Could not find any versions of model {name}")
        return known

    def available(self, name: str) -> list[int]:
        """The versions that answer."""
        with self._lock:
            return sorted(self._served.get(name, {}))

    def all_available(self) -> bool:
        """Whether every model has a version that answers."""
        return all(self.available(name) for name in self.given)

    def say(self, name: str, version: int, state: int, code: int = OK, message: str = "") -> None:
        """Note the state of a version; the oldest that ended are forgotten."""
        with self._lock:
            states = self._states[name]
            states[version] = State(state, code, message)
            for old in sorted(one for one in states if states[one].state == END)[: max(0, len(states) - KEPT)]:
                del states[old]

    def add(self, served: Served) -> None:
        """From now on it answers."""
        with self._lock:
            self._served[served.name][served.version] = served
            self._states[served.name][served.version] = State(AVAILABLE)

    def remove(self, name: str, version: int) -> None:
        """From now on it doesn't; requests that have it keep it."""
        self.say(name, version, UNLOADING)
        with self._lock:
            self._served[name].pop(version, None)
        self.say(name, version, END)
