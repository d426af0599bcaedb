"""What operating systems do differently: the one file that asks which one this is.

Linux is where everything runs and is tested. macOS and Windows follow what their manuals say; the tests replace
`sys.platform` and take functions away, but nothing here was ever run there.
"""

from __future__ import annotations

import errno
import mmap
import os
import platform
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

NO_LINK = getattr(os, "O_NOFOLLOW", 0)  # what is a link isn't opened
TO_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
BINARY = getattr(os, "O_BINARY", 0)  # Windows changes line ends in files that are opened without it
TO_WRITE = BINARY | NO_LINK | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)  # beside O_WRONLY or O_RDWR
BY_HANDLE = os.open in os.supports_dir_fd and hasattr(os, "O_DIRECTORY")  # names are looked up in an open folder
HANGUP = (
    (signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()
)  # its terminal went away; a process may be told not to care
STOPPING = (signal.SIGINT, signal.SIGTERM, *HANGUP)
LONGEST_S = 60.0  # an age of this process above this is a clock that can't be trusted
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_RESERVE = 0x4000  # MAP_NORESERVE of Linux, which Python's mmap doesn't name
_LACKS = {  # as Python, the system's loader and ONNX Runtime say it
    r"can't start new thread|PosixThread|pthread_create|Resource temporarily unavailable": "threads (ulimit -u)",
    r"(?<![\w.])MemoryError|failed to map segment|Cannot allocate memory|bad_alloc": "memory (ulimit -v)",
    r"Too many open files": "open files (ulimit -n)",
}
_position = threading.Lock()


def cpus() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def trim() -> None:
    """Give memory that nobody holds any more back to the system, where the C library keeps it: glibc does, for ever."""
    import ctypes  # for help it would be the slowest of all

    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def system_name() -> str:
    """The system and the processor's architecture: `Linux x86_64`."""
    return f"{platform.system()} {platform.machine()}"


def system_release() -> str:
    """The same with the system's own version: `Linux 6.8.0 x86_64`."""
    return f"{platform.system()} {platform.release()} {platform.machine()}"


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _high_water() -> int:
    """What Linux says of this process alone, 0 where it doesn't: a child's ru_maxrss begins at its parent's."""
    with suppress(OSError), open("/proc/self/status", encoding="ascii", errors="replace") as lines:
        for line in lines:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def peak_memory() -> int:
    """The largest resident size of this process so far, bytes."""
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    if sys.platform == "linux" and (found := _high_water()):
        return found
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


_holds: list[int] = []  # limits of `address_space` that are wanted now, by any thread: the limit is the process's
_before: list[tuple[int, int]] = []  # what stood before the first of them
_holding = threading.Lock()


@contextmanager
def address_space(more: int) -> Iterator[None]:
    """Hold this process to `more` bytes above what it has now, where the system can; the rest gets no memory.

    Where several threads ask at once the loosest holds, and the last one to end puts back what stood before all.
    """
    if sys.platform != "linux":
        yield
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    wanted = pages * resource.getpagesize() + more
    with _holding:
        if not _holds:
            _before[:] = [resource.getrlimit(resource.RLIMIT_AS)]
        _holds.append(wanted)
        _settle()
    try:
        yield
    finally:
        with _holding:
            _holds.remove(wanted)
            _settle()


def _settle() -> None:
    import resource

    before = _before[-1]
    known = [limit for limit in before if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([max(_holds), *known]), before[1]) if _holds else before)


@contextmanager
def unheld() -> Iterator[None]:
    """No hold of `address_space` while a process is started: it would inherit what was meant for a file of this one."""
    with _holding:
        if not _holds:
            yield
            return
        import resource

        resource.setrlimit(resource.RLIMIT_AS, _before[-1])
        try:
            yield
        finally:
            _settle()


def lacking(text: str) -> str:
    """What this process may have no more of, as an error's text says, and the remedy; "" where it says nothing."""
    what = next((words for pattern, words in _LACKS.items() if re.search(pattern, text)), "")
    return f"this process may have no more {what}. Raise that limit, or end other programs." if what else ""


def process_start() -> float:
    """When this process started, seconds since 1970; so times include Python's own start."""
    for source in (_start_from_boot, _start_from_psutil):
        try:
            start = source()
        except (OSError, ValueError, IndexError, AttributeError, ImportError):
            continue
        if 0 <= time.time() - start <= LONGEST_S:
            return start
    return time.time()


def _start_from_boot() -> float:
    """On Linux, from ticks since boot: psutil rounds the time of the boot to a second."""
    with open("/proc/self/stat", encoding="ascii", errors="replace") as stat:
        ticks = int(stat.read().rpartition(")")[2].split()[19])
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - max(0.0, age)


def _start_from_psutil() -> float:
    import psutil

    return float(psutil.Process().create_time())


def stopped(pid: int) -> bool:
    """Whether a process stands still, as after SIGSTOP."""
    import psutil

    try:
        return psutil.Process(pid).status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
    except psutil.Error:
        return False


def go_on(pid: int) -> None:
    """Let a process of ours go on that was stopped, where the system stops processes."""
    if hasattr(signal, "SIGCONT"):
        with suppress(OSError):
            os.kill(pid, signal.SIGCONT)


def tell_stacks() -> None:
    """From now on, `ask_for_stacks` makes this process write the stacks of all threads to stderr; not on Windows."""
    import faulthandler

    if hasattr(signal, "SIGUSR1"):
        faulthandler.register(signal.SIGUSR1, all_threads=True)


def ask_for_stacks(pid: int) -> None:
    """Make a process of ours tell where its threads are."""
    if hasattr(signal, "SIGUSR1"):
        with suppress(OSError):
            os.kill(pid, signal.SIGUSR1)


def read_beside(handle: int) -> bytes:
    """All of a file that another process writes on with the same place in it: that place doesn't move."""
    if hasattr(os, "pread"):
        return os.pread(handle, os.fstat(handle).st_size, 0)
    place = os.lseek(handle, 0, os.SEEK_CUR)
    os.lseek(handle, 0, os.SEEK_SET)
    content = os.read(handle, os.fstat(handle).st_size)
    os.lseek(handle, place, os.SEEK_SET)
    return content


def of_another(path: Path) -> bool:
    """Whether a file or folder is another user's; where the system doesn't say, it isn't."""
    return hasattr(os, "getuid") and path.stat().st_uid != os.getuid()


def folder_below(root: Path, names: Sequence[str], *, make: bool) -> int | None:
    """A descriptor of the folder `names` below `root`, found through no link but those of `root` itself.

    Args:
        make: folders that are missing.

    Returns:
        None where names can't be looked up in an open folder, as on Windows; links are looked for all the same.

    Raises:
        OSError: a link, no folder, or it isn't there.
    """
    if make:
        root.mkdir(parents=True, exist_ok=True)
    handle = os.open(root, _FOLDER) if BY_HANDLE else None
    place = root
    try:
        for name in names:
            place = place / name
            inner = _inner(place, handle, make=make)
            if handle is not None:
                os.close(handle)
            handle = inner
    except OSError as error:
        if handle is not None:
            os.close(handle)
        if place.is_symlink():
            raise OSError(errno.ELOOP, "a link, which isn't followed", os.fspath(place)) from None
        error.filename = os.fspath(place)
        raise
    return handle


def _inner(place: Path, outer: int | None, *, make: bool) -> int | None:
    name: Path | str = place if outer is None else place.name
    try:
        if outer is not None:
            return os.open(name, _FOLDER | NO_LINK, dir_fd=outer)
        if place.is_symlink() or not place.exists():
            raise FileNotFoundError(errno.ENOENT, "isn't there")
    except FileNotFoundError:
        if not make:
            raise
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=outer)
        return _inner(place, outer, make=False)
    return None


def lock(handle: int) -> bool:
    """Whether an open file is ours alone now; the system frees it when this process ends, however it ends."""
    if sys.platform == "win32":
        return _lock_on_windows(handle)
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: nothing to hold on to
        return True
    return True


def _lock_on_windows(handle: int) -> bool:
    import msvcrt

    try:
        os.lseek(handle, 1 << 20, os.SEEK_SET)  # far behind the text, which others may read
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError:
        return False
    return True


def sync(path: Path) -> None:
    """Bring a file's bytes, or a folder's names, to the disk; Windows syncs no folder, and no file opened to read."""
    windows = sys.platform == "win32"
    if windows and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if windows else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_at(handle: int, data: memoryview | bytes, at: int) -> int:
    """Write at a place of a file, from any thread; how many bytes were taken."""
    if hasattr(os, "pwrite"):
        return os.pwrite(handle, data, at)
    with _position:  # one position for all threads
        os.lseek(handle, at, os.SEEK_SET)
        return os.write(handle, data)


def read_at(handle: int, out: memoryview, at: int) -> int:
    """Read from a place of a file into `out`, from any thread; how many bytes came, fewer where the file ends.

    What is mapped would be faster by nothing, and ends the process (SIGBUS) where somebody makes the file shorter.
    """
    if hasattr(os, "preadv"):
        return os.preadv(handle, [out], at)
    with _position:
        os.lseek(handle, at, os.SEEK_SET)
        data = os.read(handle, len(out))
    out[: len(data)] = data
    return len(data)


def bytes_at(handle: int, size: int, at: int) -> bytes:
    """The bytes at a place of a file, from any thread; fewer at its end."""
    found, done = bytearray(size), 0
    while done < size and (count := read_at(handle, memoryview(found)[done:], at + done)):
        done += count
    return bytes(memoryview(found)[:done])


def promised_memory(size: int) -> mmap.mmap | None:
    """A map that may be larger than the machine's memory, if nobody touches it; None where only Linux would give it.

    Linux refuses to promise more than there is (30 GB for 10,000 images of 480 x 480), unless nothing is promised.
    """
    if sys.platform != "linux":
        return None
    with suppress(OSError, ValueError):
        return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NO_RESERVE)
    return None


def font_folders() -> list[Path]:
    """Where the system keeps fonts."""
    home = Path.home()
    if sys.platform == "darwin":
        return [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts"]
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA", str(home / "AppData/Local"))
        return [Path(os.environ.get("WINDIR", "C:/Windows")) / "Fonts", Path(local) / "Microsoft/Windows/Fonts"]
    shared = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    own = os.environ.get("XDG_DATA_HOME") or str(home / ".local/share")
    return [Path(root) / "fonts" for root in [own, *shared.split(":")] if root] + [home / ".fonts"]
