"""Every error that Bakeoff raises on purpose.

    BakeoffError
    ├── UsageError               an argument, option or recipe that can't be used            exit code 2
    │   └── RecipeError          an unknown key, a wrong type or value in a recipe
    ├── DataError                images, folders or arrays that can't be read              exit code 3
    │   ├── BadFilesError        some files aren't images: all of them are named
    │   └── NoSpaceError         a disk without space, or a folder that can't be written
    ├── StorageError             a storage that has given no answer for minutes              exit code 3
    ├── MissingDependencyError   a library is missing: names the extra that brings it        exit code 4
    ├── UnsupportedError         an operator, layer or format that has no lowering           exit code 5
    ├── VersionError             a file of another schema                                    exit code 6
    ├── ParityError              two things that had to be the same are not                  exit code 7
    │   └── DeclaredError        what isn't kept is known, and nobody has accepted it
    ├── CorruptError             a file that is truncated, edited or hostile                 exit code 8
    ├── WorkerError              a worker process died                                       exit code 9
    ├── NotFiniteError           a loss, gradient, weight or rate that is no finite number    exit code 1
    ├── DivergedError            a loss or a weight that has grown a thousandfold             exit code 1
    ├── NotWorthSavingError      arrays for a checkpoint that aren't finite                   exit code 1
    ├── OutOfMemoryError         a step needs more memory than there is                       exit code 1
    └── Cancelled                somebody asked to stop                                      exit code 130, 143 or 129

A message says what came, what was expected and how to mend it, in at most three lines.
"""

from __future__ import annotations

from collections.abc import Sequence


class BakeoffError(Exception):
    """The base of all; `exit_code` is what the command line returns."""

    exit_code = 1


class UsageError(BakeoffError):
    """An argument or option that can't be used."""

    exit_code = 2


class RecipeError(UsageError):
    """A recipe with an unknown key, a wrong type or a wrong value."""


class DataError(BakeoffError):
    """Images, folders or arrays that can't be read."""

    exit_code = 3


class BadFilesError(DataError):
    """Files that can't be decoded.

    Attributes:
        files: pairs of path and reason, all of them.
    """

    def __init__(self, files: Sequence[tuple[str, str]]) -> None:
        self.files = tuple(files)
        first = "; ".join(f"{path}: {reason}" for path, reason in self.files[:3])
        more = f"; and {len(self.files) - 3} more" if len(self.files) > 3 else ""
        count = "1 file is" if len(self.files) == 1 else f"{len(self.files)} files are"
        super().__init__(
            f"{count} not a readable image: {first}{more}\n"
            "Mend or remove them, or leave them out with --bad-files exclude (they are then named and counted)."
        )

    def __reduce__(self) -> tuple[type[BadFilesError], tuple[tuple[tuple[str, str], ...]]]:
        return type(self), (self.files,)


class NoSpaceError(DataError):
    """Nothing more can be written there; what was there before is whole."""


class StorageError(BakeoffError):
    """A storage that has given no answer for minutes; no fault of an image, so that none is left out for it."""

    exit_code = 3


class MissingDependencyError(BakeoffError):
    """A library is not installed.

    Args:
        library: the name to import, as `torch`.
        extra: the extra of Bakeoff that brings it.
        purpose: what it would add.
        remedy: what to do, where installing the extra is not it.
    """

    exit_code = 4

    def __init__(self, library: str, extra: str, purpose: str, remedy: str = "") -> None:
        self.library, self.extra, self.purpose, self.remedy = library, extra, purpose, remedy
        remedy = remedy or f"Install it: pip install 'bakeoff[{extra}]'"
        super().__init__(f"{library} is not installed, and {purpose} needs it.\n{remedy}")

    def __reduce__(self) -> tuple[type[MissingDependencyError], tuple[str, str, str, str]]:
        return type(self), (self.library, self.extra, self.purpose, self.remedy)


class UnsupportedError(BakeoffError):
    """An operator, layer or format without a lowering."""

    exit_code = 5


class VersionError(BakeoffError):
    """A file whose `schema` number this version can't read."""

    exit_code = 6


class ParityError(BakeoffError):
    """Two things that had to be the same are not."""

    exit_code = 7


class DeclaredError(ParityError):
    """A conversion doesn't keep all, says what, and nobody has accepted that."""


class CorruptError(BakeoffError):
    """A file that is truncated, was edited, or holds what must not be executed."""

    exit_code = 8


class WorkerError(BakeoffError):
    """A worker process died; the message holds the end of what it said.

    Attributes:
        died: whether the process did; else it lives, and told an error that nobody foresaw.
    """

    exit_code = 9
    died = False


class PeerError(BakeoffError):
    """Another worker of the same training ended, or can't be heard; that one's own error says why."""

    exit_code = 9


class NotFiniteError(BakeoffError):
    """A loss, gradient, weight or rate that is no finite number; the last checkpoint stands."""


class DivergedError(BakeoffError):
    """A loss or a weight that has grown a thousandfold; the last checkpoint stands."""


class NotWorthSavingError(BakeoffError):
    """Arrays that would not be worth going on from."""


class OutOfMemoryError(BakeoffError):
    """A step needs more memory than there is."""


class Cancelled(BakeoffError):  # noqa: N818 - a request that was met, not an error
    """Somebody asked to stop: Ctrl-C, SIGTERM, SIGHUP, or the parent went away.

    Args:
        code: what the command returns: 128 + the signal's number.
    """

    def __init__(self, message: str, code: int = 130) -> None:
        super().__init__(message)
        self.exit_code = code

    def __reduce__(self) -> tuple[type[Cancelled], tuple[str, int]]:
        return type(self), (str(self), self.exit_code)
