"""The optimizer's state by path and slot, canonical: the same in every framework."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bakeoff.errors import BakeoffError
from bakeoff.optimizers._page import Library
from bakeoff.schemas import Array


class Slotted:
    """A net whose optimizer's state can be read and set. Subclasses have what is named here."""

    library: Library
    page: Any
    optimizer: Any
    built: Any
    trainable: dict[str, Any]
    count: int
    scaling: dict[str, Any]
    compiles = "asked"
    compile_batch: int | None = None

    def arrays(self) -> dict[str, Array]:
        """See `bakeoff.protocols.Net`."""
        found: dict[str, Array] = self.built.arrays()
        return found

    def load(self, arrays: Mapping[str, Array]) -> None:
        """See `bakeoff.protocols.Net`."""
        self.built.load(dict(arrays))

    def forget(self) -> None:
        """See `bakeoff.protocols.Net`."""
        self.count = 0  # the next micro-batch begins its sums anew

    def loss_scale(self) -> dict[str, Array]:
        """See `bakeoff.protocols.Net`."""
        return {name: np.array(float(value), "float32") for name, value in self.scaling.items()}

    def load_loss_scale(self, state: Mapping[str, Array]) -> None:
        """See `bakeoff.protocols.Net`."""
        for name in self.scaling:
            if name in state:
                self._set_scale(name, float(np.ravel(state[name])[0]))

    def _set_scale(self, name: str, value: float) -> None:
        self.scaling[name] = self.scale_value(value)

    def scale_value(self, value: float) -> Any:
        """A number of the scale's state as this library holds it."""
        return value

    def slots(self) -> dict[str, dict[str, Array]]:
        """See `bakeoff.protocols.Net`."""
        found = {}
        for path, parameter in self.trainable.items():
            native = self.page.read_slots(self.library, self.optimizer, parameter)
            found[path] = {slot: self.built.bindings[path].to_canonical(array) for slot, array in native.items()}
        return found

    def load_slots(self, slots: Mapping[str, Mapping[str, Array]], step: int) -> None:
        """See `bakeoff.protocols.Net`.

        Raises:
            BakeoffError: a trainable parameter has no slots among them.
        """
        step -= int(self.loss_scale().get("skipped", 0))  # steps that were left out moved no slot
        for path, parameter in self.trainable.items():
            if path not in slots:
                raise BakeoffError(
                    f"the optimizer's state lacks {path!r}: it belongs to another net or another freeze."
                )
            native = {slot: self.built.bindings[path].to_native(array) for slot, array in slots[path].items()}
            self.page.write_slots(self.library, self.optimizer, parameter, native, step)
