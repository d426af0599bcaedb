"""How files are opened and written: regular ones alone; whole or not at all; what is said where there is no space.

All that is written, renamed or removed goes out through here. Links are followed in the folder that the user named, as
`cp` and `tar` do (`--run`, the folder of `--output`, the cache); never below it, and never in the place of the file:
there a link is replaced.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import IO, Any

from bakeoff.errors import BakeoffError, CorruptError, NoSpaceError, UsageError
from bakeoff.system import TO_READ, TO_WRITE, folder_below, lock, of_another, sync

MOST_NAMES = 10_000  # in a folder, that are compared with one that is missing
MOST_TEXT = 256 << 20
FREE_BYTES, GROWTH = 100 << 20, 100  # what is packed may grow so many times, and needn't be asked below so many bytes
LEFT_S = 86400.0  # what is older and still has a temporary name belongs to no process
_LEFT = re.compile(r"\.(.+)\.[0-9a-z_]{8}\.tmp", re.DOTALL)
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


def regular(path: str | os.PathLike[str], buffering: int = -1) -> IO[bytes]:
    """A file that is opened to read: a pipe would keep its reader waiting for ever, a device may have no end.

    Raises:
        OSError: it isn't there, may not be read, or is no regular file.
    """
    handle = os.open(path, TO_READ)
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe" if stat.S_ISFIFO(mode) else "a device"
        raise OSError(errno.EINVAL, f"{kind}, not a file", os.fspath(path))
    return os.fdopen(handle, "rb", buffering)


def absent(path: str | os.PathLike[str], what: str = "file or folder") -> str:
    """`there is no such file or folder.`, with the nearest path there is; of a link that leads nowhere, that."""
    path = Path(path)
    if path.is_symlink() and not path.exists():
        return "it is a link to what isn't there."
    if path.exists():
        return f"it is no {what}."
    downwards = (*reversed(path.parents), path)
    missing = next((one for one in downwards if not one.exists() and one.parent.is_dir()), path)
    with suppress(OSError), os.scandir(missing.parent) as entries:
        names = [entry.name for entry in islice(entries, MOST_NAMES)]
        if near := get_close_matches(missing.name, names, n=1):
            found = missing.with_name(near[0])
            whole = found / path.relative_to(missing)
            return f"there is no such {what}; did you mean {str(whole if whole.exists() else found)!r}?"
    return f"there is no such {what}."


def own(folder: Path) -> None:
    """Refuse to write into a folder that others could have laid out: links in it lead what is written elsewhere.

    Raises:
        UsageError: something in it is a link, a pipe or a device, or the folder is another user's.
    """
    waiting = [folder] if folder.is_dir() else []
    if waiting and of_another(folder):
        raise UsageError(f"{folder}: it is another user's. Copy it, and go on with the copy: cp -r")
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                elif not entry.is_file(follow_symlinks=False):
                    kind = "a link" if entry.is_symlink() else "a pipe or device"
                    raise UsageError(
                        f"{entry.path}: {kind}; nothing is written into a folder that holds one. Remove it."
                    )


def content(path: Path, most: int = MOST_TEXT) -> bytes:
    """The bytes of a regular file that is a text, as JSON.

    Raises:
        OSError: as `regular`; or it is larger than such a file can be.
    """
    with regular(path) as file:
        found = b"" if (large := os.fstat(file.fileno()).st_size > most) else file.read(most + 1)
    if large or len(found) > most:
        raise OSError(errno.EFBIG, f"larger than {most:,} bytes", os.fspath(path))
    return found


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        OSError: as `content`.
        ValueError: it isn't JSON, or is nested beyond reason.
    """
    try:
        return json.loads(content(path))
    except RecursionError:
        raise ValueError("nested too deep") from None


def growth(path: Path) -> int:
    """How many bytes may come out of a file that is packed."""
    return max(FREE_BYTES, GROWTH * path.stat().st_size)


def read_arrays(path: Path) -> dict[str, Any]:
    """The arrays of an `.npz`, by name; nothing is unpickled.

    Raises:
        OSError: as `regular`.
        Exception: of NumPy, zipfile or zlib, where it is damaged, or a bomb.
    """
    import numpy as np

    with regular(path) as file, np.load(file, allow_pickle=False) as archive:
        size = sum(one.file_size for one in archive.zip.infolist())
        if size > growth(path):
            raise ValueError(f"grows to {size:,} bytes: a bomb")
        return {name: archive[name] for name in archive.files}


@contextmanager
def named(path: Path, remedy: str, kind: type[BakeoffError] = CorruptError) -> Iterator[None]:
    """One error that names the file and the remedy, for all that a damaged or edited file makes of its readers.

    Raises:
        BakeoffError: what was raised inside, with the file before it, unless it names one beside it; else `kind`.
    """
    try:
        yield
    except BakeoffError as error:
        if str(path.parent) not in str(error):
            error.args = (f"{path}: {error}", *error.args[1:])
        raise
    except Exception as error:  # readers of bytes, JSON and arrays have no error in common
        raise kind(f"{path}: {said(error)}. {remedy}") from error


def said(error: Exception) -> str:
    """What a reader's error says of its file, in short."""
    if isinstance(error, OSError) and error.errno is not None:
        return f"can't be read ({(error.strerror or type(error).__name__).lower()})"
    text = ascii(" ".join(str(error).split()))[1:-1]
    return f"damaged or edited ({type(error).__name__}: {text[:80]})"


@contextmanager
def _way(path: Path, root: Path | None, *, make: bool) -> Iterator[tuple[Path, int | None]]:
    """A name, and the open folder that it belongs to: between `root` and the name no link is followed."""
    root = path.parent if root is None else root
    handle = folder_below(root, path.parent.relative_to(root).parts, make=make)
    try:
        yield (path if handle is None else Path(path.name)), handle
    finally:
        if handle is not None:
            os.close(handle)


def make_folder(path: Path, root: Path | None = None) -> Path:
    """The folder, made where it is missing.

    Args:
        root: the folder above it that the user named, or the cache; below it no link is followed.

    Raises:
        OSError: a link, or no folder.
    """
    with _way(path / "in it", root, make=True):
        return path


def opened(path: Path, flags: int, root: Path | None = None) -> int:
    """A descriptor to write with, of a regular file that has no other name: that one could lie anywhere.

    Args:
        path: of the file; its folder is made where `flags` have O_CREAT.
        flags: as for `os.open`.
        root: as for `make_folder`; None: the file's folder.

    Raises:
        OSError: a link, symbolic or hard; a pipe, a device, a folder; or it can't be opened.
    """
    with _way(path, root, make=bool(flags & os.O_CREAT)) as (name, inside):
        if path.is_symlink():
            raise OSError(errno.ELOOP, "a link, which isn't followed", os.fspath(path))
        handle = os.open(name, flags | TO_WRITE, 0o666, dir_fd=inside)
    status = os.fstat(handle)
    if stat.S_ISREG(status.st_mode) and status.st_nlink <= 1:
        return handle
    os.close(handle)
    kind = (
        "a hard link, so that another file would change, too; make a copy (cp -r)"
        if status.st_nlink > 1
        else "not a file"
    )
    raise OSError(errno.EMLINK, kind, os.fspath(path))


@contextmanager
def atomic_write(path: Path, root: Path | None = None) -> Iterator[IO[bytes]]:
    """A file that takes its name only when it is complete: temporary file, fsync, rename, fsync of the folder.

    Readers see the old file or the new one; whoever renames last wins; what is interrupted leaves the old one. A link
    that has the name is replaced, and what it leads to stays.

    Args:
        root: as for `make_folder`; None: the file's folder.
    """
    with _way(path, root, make=True) as (name, inside):
        fresh = name.with_name(_temporary(path.name))  # not by mkstemp: others may read what we write
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | TO_WRITE, 0o666, dir_fd=inside)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(fresh, name, src_dir_fd=inside, dst_dir_fd=inside)
        except BaseException:
            with suppress(OSError):
                os.unlink(fresh, dir_fd=inside)
            raise
        sync(path.parent)


def _temporary(name: str) -> str:
    """What is being written has such a name, and `sweep` knows it again."""
    return f".{name}.{secrets.token_hex(4)}.tmp"


@contextmanager
def fresh(target: Path) -> Iterator[Path]:
    """An empty folder beside `target`, for what takes that place when it is whole; at the end it is removed.

    So is the folder around it, where it is new and nothing came of it.
    """
    new = not target.parent.exists()
    sweep(make_folder(target.parent), target.name)
    made = target.with_name(_temporary(target.name))
    try:
        made.mkdir()
        yield made
    finally:
        with suppress(OSError):
            remove(made)
        if new:
            with suppress(OSError):
                target.parent.rmdir()


def temporary(kind: str) -> str:
    """A new folder of our own among the system's temporary ones; it stays until it is removed."""
    place = Path(tempfile.gettempdir())
    sweep(place, f"bakeoff-{kind}")
    return tempfile.mkdtemp(prefix=f".bakeoff-{kind}.", suffix=".tmp", dir=place)


@contextmanager
def workspace(kind: str) -> Iterator[Path]:
    """The same, removed at the end."""
    made = Path(temporary(kind))
    try:
        yield made
    finally:
        with suppress(OSError):
            remove(made)


def put(made: Path, target: Path) -> None:
    """Give a file or folder its place; what was there goes once the new one stands. A link there is replaced."""
    if not (made.is_dir() and os.path.lexists(target)):
        os.replace(made, target)
        return
    old = target.with_name(_temporary(target.name))
    os.replace(target, old)
    try:
        os.replace(made, target)
    except OSError:
        os.replace(old, target)
        raise
    with suppress(OSError):
        remove(old)


def remove(path: Path, root: Path | None = None) -> None:
    """Take away a file, a folder with all that is in it, or a link, but not what the link leads to.

    Args:
        root: as for `make_folder`; None: the file's folder.

    Raises:
        OSError: it can't be removed. Where nothing is there, nothing happens.
    """
    with suppress(FileNotFoundError), _way(path, root, make=False) as (name, inside):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(name, dir_fd=inside)
        else:
            os.unlink(name, dir_fd=inside)


def sweep(place: Path, name: str = "", *, age_s: float = LEFT_S) -> None:
    """Take away what processes that were killed had not finished writing.

    Args:
        place: a folder.
        name: what they were writing; "": anything.
        age_s: younger ones stay, and those of other users: somebody may be at work on them.
    """
    with suppress(OSError), os.scandir(place) as entries:
        for entry in entries:
            match = _LEFT.fullmatch(entry.name)
            if match is None or name not in ("", match[1]) or entry.is_symlink():
                continue
            with suppress(OSError):
                if time.time() - entry.stat().st_mtime > age_s and not of_another(Path(entry.path)):
                    remove(Path(entry.path))


@contextmanager
def alone(path: Path, root: Path) -> Iterator[None]:
    """One process at a time, of all that name this file; the others wait.

    Args:
        root: as for `make_folder`.
    """
    handle = opened(path, os.O_RDWR | os.O_CREAT, root)
    try:
        while not lock(handle):
            time.sleep(0.05)
        yield
    finally:
        os.close(handle)


@contextmanager
def space_for(path: Path, needed: int) -> Iterator[None]:
    """Turn the system's errors on writing `needed` bytes into one that names path and need.

    Raises:
        NoSpaceError: the disk is full, or the place can't be written.
    """
    try:
        yield
    except OSError as error:
        size = f"{needed / 1e6:.1f} MB" if needed >= 1e5 else f"{max(needed, 1) / 1e3:.1f} kB"
        if error.errno in _FULL:
            raise NoSpaceError(f"{path}: no space left; this write needs {size} there.\nMake room.") from None
        raise NoSpaceError(f"{path}: can't be written: {error.strerror or error}.") from None


@contextmanager
def room_for(target: Path) -> Iterator[None]:
    """Turn what libraries that write by themselves say of a full disk, each in its own words, into one line.

    Raises:
        NoSpaceError: the disk is full.
    """
    try:
        yield
    except Exception as error:
        if getattr(error, "errno", None) not in _FULL and "no space left" not in str(error).lower():
            raise
        raise NoSpaceError(f"{target}: no space left there. Choose another --output, or make room.") from None


def write_text(path: Path, text: str, root: Path | None = None) -> None:
    """Write a text file: it has its name only when it is complete.

    Args:
        root: as for `make_folder`; None: the file's folder.

    Raises:
        NoSpaceError: the disk is full, or the place can't be written.
    """
    content = text.encode()
    with space_for(path, len(content)), atomic_write(path, root) as stream:
        stream.write(content)
