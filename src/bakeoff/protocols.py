"""What a plug-in must offer. An entry is a module: its functions are the protocol's methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bakeoff.schemas import Brief, Drawn, StepResult

if TYPE_CHECKING:
    from bakeoff.data.shards.store import Shards
    from bakeoff.preprocessing import Signature

Progress = Callable[[int, int], None]
"""Called with (done, total), often, from the thread that asked."""


@dataclass(frozen=True, repr=False)
class Table(Brief):
    """What a source found: columns, one row an image.

    Attributes:
        classes: names, in the order of the labels.
        paths: (n,), names as the user would type them, relative to the data.
        labels: int64, (n,), positions in `classes`; where images may have several, uint8, (n, classes), of 0 and 1.
        split: int8, (n,), positions in `("train", "validation", "test")`, -1 where the data doesn't say.
        root: the folder that holds the files of `paths`; None where the images are arrays.
        pixels: uint8, (n, H, W) or (n, H, W, C), where the images are arrays.
        store: where the images are ranges of larger files.
        ignored: what was left out by rule, and how often.
        group: (n,), the name of what must stay in one split of a split (a patient, a scene); "" where there is none.
        hidden: paths of hidden files and folders, relative to the data, as far as they were met.
        others: paths of files that are no images by their suffix.
        links: paths of symbolic links, which aren't followed.
        unused: what else the user gave and isn't used, a line each.
    """

    classes: tuple[str, ...]
    paths: NDArray[np.str_]
    labels: NDArray[Any]
    split: NDArray[np.int8]
    root: Path | None = None
    pixels: NDArray[Any] | None = None
    ignored: Mapping[str, int] = field(default_factory=dict)
    group: NDArray[np.str_] | None = None
    hidden: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    store: Shards | None = None


@dataclass(frozen=True)
class LabelRule:
    """How a list says that images have several labels; a source that understands it takes `labels=` in `read`.

    Attributes:
        separator: stands between labels in a cell.
        columns: a column a class, of 0 and 1.
    """

    separator: str | None = None
    columns: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.separator is not None or bool(self.columns)


class Source(Protocol):
    """A layout of data: `data/sources/NAME.py`.

    A source that brings data here, as from an archive or a URL, has `fetch(path, progress) -> Path` in place of `read`:
    it returns the folder or file that another source reads.
    """

    PRIORITY: int
    """The highest that accepts a path reads it."""

    def accepts(self, path: Path) -> bool:
        """Whether this path has the layout; looks at names and first bytes alone."""

    def read(self, path: Path) -> Table:
        """The table; raises DataError with the remedy where the layout is broken.

        A source of lists takes `labels: LabelRule`, too.
        """


@dataclass(frozen=True)
class StepSettings:
    """What makes a step besides optimizer and loss.

    Attributes:
        loss: attributes of the loss page.
        factors: on the rate, by path; 1 where a path is missing.
        decays: weight decay instead of the optimizer's, by path.
        clip: the largest norm of all gradients together; None: any.
    """

    loss: Mapping[str, Any] = field(default_factory=dict)
    factors: Mapping[str, float] = field(default_factory=dict)
    decays: Mapping[str, float] = field(default_factory=dict)
    clip: float | None = None

    def of(self, path: str) -> tuple[float, float | None]:
        """Factor and decay of a parameter."""
        return self.factors.get(path, 1.0), self.decays.get(path)


PLAIN = StepSettings()


class Net(Protocol):
    """A native net in training. Images: normalised, (N, H, W, C); arrays: canonical copies.

    All of it, logits and losses too, has the dtype of the weights.
    """

    native: Any
    """The nn.Module or keras.Model itself."""

    compiles: str = "asked"
    """"always" where every step is compiled anyway, else "asked"."""

    given: Mapping[str, NDArray[Any]] | None = None
    """What `gradients` draws in place of random numbers, by node; of nodes that are missing, their own. None: all its
    own, unwatched."""

    drawn: Mapping[str, Drawn]
    """What the last watched pass drew, by node."""

    count: int
    """How many images' gradients are held."""

    compile_batch: int | None = None
    """Steps on batches of so many images are compiled, at the next one; None: no step."""

    def logits(self, images: NDArray[Any], *, train: bool = False) -> NDArray[Any]:
        """(N, classes). With `train`, batch statistics are used (and the running ones move)."""

    def compile(self, optimizer: str, settings: Mapping[str, Any], loss: str, step: StepSettings = PLAIN) -> None:
        """Choose an optimizer page, its settings, a loss page and what else makes a step; slots start anew."""

    def gradients(self, images: NDArray[Any], labels: NDArray[np.int64]) -> StepResult:
        """Add up the gradients of a micro-batch (of the sum of its losses)."""

    def gradient_arrays(self) -> dict[str, NDArray[Any]]:
        """The gradients so far, per image, by path of the trainable parameters."""

    def disturb(self, errors: Mapping[str, NDArray[Any]]) -> None:
        """Add errors, per image and by path, to the gradients so far: to see what rounding of that size does."""

    def apply(self, rate: float) -> None:
        """One optimizer step on the gradients so far, divided by the number of images; then forget them."""

    def forget(self) -> None:
        """Drop the gradients so far."""

    def sums(self) -> list[NDArray[Any]]:
        """The gradients so far as they stand, not divided: native arrays, one a trainable parameter, in one order."""

    def load_sums(self, sums: list[NDArray[Any]], count: int) -> None:
        """Set them, as those of so many images."""

    def statistics(self) -> list[NDArray[Any]]:
        """Copies of the running statistics, native, in one order."""

    def load_statistics(self, arrays: list[NDArray[Any]]) -> None:
        """Set them."""

    def steps(
        self, images: list[NDArray[Any]], labels: list[NDArray[np.int64]], rates: list[float]
    ) -> NDArray[np.float64]:
        """`gradients` and `apply` for each batch in turn, without coming back in between; the mean losses."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All parameters, running statistics too."""

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Copy parameters in."""

    def slots(self) -> dict[str, dict[str, NDArray[Any]]]:
        """The optimizer's state, by path and slot, canonical."""

    def load_slots(self, slots: Mapping[str, Mapping[str, NDArray[Any]]], step: int) -> None:
        """Set the optimizer's state and the number of steps that it has made."""

    def loss_scale(self) -> dict[str, NDArray[Any]]:
        """The state of the loss's scale in float16; empty otherwise."""
        return {}

    def load_loss_scale(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Set it, before `load_slots`."""

    def feed(self, signature: Signature) -> Feed | None:
        """How uint8 batches get to the net's device; None where that is the CPU."""
        return None

    def seek(self, batch: int) -> None:
        """The masks of dropout and drop-path go on as if so many micro-batches had been trained on."""


class Feed(Protocol):
    """How batches come to a device that isn't the CPU: `frameworks/NAME/feed.py`."""

    def put(self, images: NDArray[np.uint8]) -> Any:
        """A copy of these bytes on the device, once it is there; called by a thread that does nothing else."""

    def normal(self, images: Any) -> Any:
        """What `normalize` makes of them, computed there: (N, H, W, C), to be given to the net."""


class Collective(Protocol):
    """How a framework adds over the processes of a team: `frameworks/NAME/collective.py`."""

    def add(self, net: Any, more: NDArray[Any]) -> NDArray[Any]:
        """Make the gradients so far of a net those of all processes; the sum of `more`, float64, over all of them."""

    def close(self) -> None:
        """Leave; all do at the same place of their work."""


class Framework(Protocol):
    """`frameworks/NAME/__init__.py`."""

    def native(
        self,
        graph: Any,
        *,
        device: str = "cpu",
        precision: str = "float32",
        threads: int | None = None,
        batch_norm: str = "exact",
        seed: int = 0,
    ) -> Net:
        """A native net with the graph's parameters, of the dtype that `precision.of_weights` says.

        `seed` is for dropout alone.
        """

    def found_device(self) -> str:
        """What the device `auto` comes to here: cuda or cpu."""

    def environment(self) -> dict[str, str]:
        """Versions and settings that a reader of a run needs."""
