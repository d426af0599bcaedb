"""What differs by system, on systems that are not here: `sys.platform` is replaced, functions are taken away."""

from __future__ import annotations

import mmap
import os
import platform
import re
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest

from bakeoff import system
from bakeoff.cli._errors import guarded
from bakeoff.errors import BakeoffError

PACKAGE = Path(system.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
ASKS = re.compile(
    r"sys\.platform|\bos\.name\b|(has|get)attr\((os|mmap|time|signal|socket)\b|\b(fcntl|msvcrt|winreg|termios|pwd|grp)\b"
    r"|/proc/|platform\.(system|machine|processor|release|uname|win32|mac)|\bimport resource\b"
    r"|sched_getaffinity|os\.(cpu_count|sysconf|pwrite|pread|O_BINARY|killpg|setsid|fork|statvfs|getuid)\b|\.madvise\("
)
PLATFORMS = ("linux", "darwin", "win32")


@pytest.fixture(params=PLATFORMS)
def name(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """One platform after the other, as far as `sys.platform` says."""
    monkeypatch.setattr(sys, "platform", request.param)
    return str(request.param)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_other_file_asks_for_the_platform(path: Path) -> None:
    found = ASKS.search(path.read_text(encoding="utf-8"))
    assert (found is not None) == (path.name == "system.py" and path.parent == PACKAGE), found


def test_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 3}, raising=False)
    assert system.cpus() == 2
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert system.cpus() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert system.cpus() == 1


def test_names_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for part, value in {"system": "Darwin", "machine": "arm64", "release": "24.1", "processor": "arm"}.items():
        monkeypatch.setattr(platform, part, lambda value=value: value)
    assert (system.system_name(), system.system_release()) == ("Darwin arm64", "Darwin 24.1 arm64")

    def none(*_: object, **__: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr("builtins.open", none)
    assert system.processor() == "arm"
    monkeypatch.setattr(platform, "processor", lambda: "")
    assert system.processor() == "arm64"


def test_peak_memory_is_in_bytes_everywhere(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux counts kibibytes, macOS bytes, Windows has another function."""
    usage = types.SimpleNamespace(ru_maxrss=700)
    fake = types.SimpleNamespace(RUSAGE_SELF=0, getrusage=lambda who: usage)
    monkeypatch.setitem(sys.modules, "resource", None if name == "win32" else fake)
    memory = types.SimpleNamespace(memory_info=lambda: types.SimpleNamespace(peak_wset=7))
    monkeypatch.setitem(sys.modules, "psutil", types.SimpleNamespace(Process=lambda: memory))
    monkeypatch.setattr(system, "_high_water", lambda: 0)  # as on a Linux that doesn't say it
    assert system.peak_memory() == {"linux": 700 * 1024, "darwin": 700, "win32": 7}[name]


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
def test_the_peak_of_a_child_is_its_own() -> None:
    """What getrusage says of a child begins at its parent's size: all small children looked alike."""
    held = bytearray(300 << 20)
    line = "from bakeoff.system import peak_memory; print(peak_memory())"
    found = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True).stdout
    assert int(found) < len(held)


@pytest.mark.clock
def test_times_count_from_the_start_of_the_process() -> None:
    code = "import time; time.sleep(0.3); from bakeoff.system import process_start; print(process_start())"
    before = time.time()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # Ticks are 10 ms; a start that was taken when asked would be 0.3 s late.
    assert -0.05 <= float(done.stdout) - before < 0.25


def test_a_start_without_proc_is_psutils(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object, **__: object) -> None:
        raise FileNotFoundError

    known = system.process_start.__globals__["time"].time() - 5
    monkeypatch.setattr("builtins.open", none)
    monkeypatch.setattr(system, "_start_from_psutil", lambda: known)
    assert system.process_start() == known


def test_a_clock_that_cannot_be_trusted_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "_start_from_boot", lambda: 0.0)
    monkeypatch.setattr(system, "_start_from_psutil", lambda: time.time() + 1000)
    assert system.process_start() == pytest.approx(time.time(), abs=1)


class Locking:
    """`fcntl` and `msvcrt` at once, of a file that is free, held, or on a disk without locks."""

    LOCK_EX, LOCK_NB, LK_NBLCK = 2, 4, 2

    def __init__(self, error: OSError | None) -> None:
        self.error, self.calls = error, 0

    def flock(self, handle: int, flags: int) -> None:
        self.calls += 1
        assert flags == self.LOCK_EX | self.LOCK_NB
        if self.error:
            raise self.error

    def locking(self, handle: int, mode: int, count: int) -> None:
        self.calls += 1
        assert (mode, count) == (self.LK_NBLCK, 1)
        assert os.lseek(handle, 0, os.SEEK_CUR) > 4096  # what is locked can't be read by others
        if self.error:
            raise self.error


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (None, {"linux": True, "darwin": True, "win32": True}),
        (BlockingIOError(11, "held"), {"linux": False, "darwin": False, "win32": False}),
        (OSError(95, "no locks here"), {"linux": True, "darwin": True, "win32": False}),
    ],
    ids=["free", "held", "no locks"],
)
def test_a_lock(
    name: str, error: OSError | None, ours: dict[str, bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = Locking(error)
    monkeypatch.setitem(sys.modules, "fcntl", None if name == "win32" else fake)  # None: no such module
    monkeypatch.setitem(sys.modules, "msvcrt", fake if name == "win32" else None)
    with (tmp_path / "lock").open("wb") as file:
        assert system.lock(file.fileno()) == ours[name]
    assert fake.calls == 1


def test_files_and_folders_are_synced(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows opens no folder, and syncs no file that was opened to be read."""
    synced, opened, open_ = [], [], os.open
    monkeypatch.setattr(os, "fsync", synced.append)
    monkeypatch.setattr(os, "open", lambda path, flags: opened.append((path, flags)) or open_(path, flags))
    file = tmp_path / "file"
    file.write_bytes(b"1")
    system.sync(file)
    system.sync(tmp_path)
    if name == "win32":
        assert opened == [(file, os.O_RDWR)]
    else:
        assert opened == [(file, os.O_RDONLY), (tmp_path, os.O_RDONLY)]
    assert len(synced) == len(opened)


@pytest.mark.parametrize("there", [True, False])
def test_writing_at_a_place(there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not there:
        monkeypatch.delattr(os, "pwrite")
    path = tmp_path / "file"
    path.write_bytes(b"abcdef")
    handle = os.open(path, os.O_RDWR | system.BINARY)
    assert system.write_at(handle, b"12", 3) == 2
    assert system.write_at(handle, memoryview(b"0"), 0) == 1
    os.close(handle)
    assert path.read_bytes() == b"0bc12f"


@pytest.mark.parametrize("there", [True, False])
def test_reading_at_a_place(there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not there:
        monkeypatch.delattr(os, "preadv")
    path = tmp_path / "file"
    path.write_bytes(b"abcdef")
    handle, out = os.open(path, os.O_RDWR | system.BINARY), bytearray(4)
    assert system.read_at(handle, memoryview(out), 1) == 4
    assert system.read_at(handle, memoryview(out), 4) == 2
    assert system.read_at(handle, memoryview(out), 9) == 0
    os.close(handle)
    assert out == b"efde"


def test_more_memory_than_there_is_only_on_linux(name: str) -> None:
    found = system.promised_memory(1 << 40)
    assert (found is not None) == (name == "linux")


def test_folders_of_fonts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: Path("/h"))
    for variable in ("LOCALAPPDATA", "WINDIR", "XDG_DATA_DIRS", "XDG_DATA_HOME"):
        monkeypatch.delenv(variable, raising=False)
    expected = {
        "linux": ["/h/.local/share/fonts", "/usr/local/share/fonts", "/usr/share/fonts", "/h/.fonts"],
        "darwin": ["/System/Library/Fonts", "/Library/Fonts", "/h/Library/Fonts"],
        "win32": ["C:/Windows/Fonts", "/h/AppData/Local/Microsoft/Windows/Fonts"],
    }
    assert [path.as_posix() for path in system.font_folders()] == expected[name]


@pytest.mark.parametrize(
    ("said", "limit"),
    [
        ("RuntimeError: can't start new thread", "ulimit -u"),
        ("env.cc:327 PosixThread::PosixThread(const char*)", "ulimit -u"),
        ("bundle.json: damaged or edited (MemoryError: )", "ulimit -v"),
        ("ImportError: libtorch_cpu.so: failed to map segment from shared object", "ulimit -v"),
        ("[Errno 24] Too many open files: 'a.png'", "ulimit -n"),
        ("a.png: no such file", ""),
    ],
)
def test_what_the_system_gives_no_more_of_is_named(said: str, limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the file nor the program is at fault, whatever was made of the error on its way."""
    for kind in (BakeoffError, RuntimeError):

        def work(kind: type[Exception] = kind) -> None:
            raise kind(said)

        assert guarded(work) != 0
        found = capsys.readouterr().err
        assert (limit in found and "Raise that limit" in found) if limit else "no more" not in found
        assert "unexpected" not in found or not limit


@pytest.mark.skipif(sys.platform != "linux", reason="address spaces are limited on Linux alone")
def test_threads_that_hold_the_process_at_once_leave_its_limit_as_it_was() -> None:
    """The first one in is the first one out: what it found is no longer what the second one found."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    first, second = system.address_space(8 << 30), system.address_space(9 << 30)
    first.__enter__()
    second.__enter__()
    assert resource.getrlimit(resource.RLIMIT_AS)[0] != before[0]
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert resource.getrlimit(resource.RLIMIT_AS) == before


@pytest.mark.skipif(sys.platform != "linux", reason="address spaces are limited on Linux alone")
def test_a_process_that_starts_while_a_file_is_loaded_is_not_held() -> None:
    """A worker's framework is larger than a file may be; another thread may load a file just then."""
    import resource

    from bakeoff.workers.launch import Worker

    before = resource.getrlimit(resource.RLIMIT_AS)
    with system.address_space(2 << 30):
        held = resource.getrlimit(resource.RLIMIT_AS)
        with Worker("onnxruntime") as worker:
            text = Path(f"/proc/{worker.pid}/limits").read_text(encoding="ascii")
            (line,) = (one for one in text.splitlines() if one.startswith("Max address space"))
            assert ("unlimited" in line) == (before[0] == resource.RLIM_INFINITY)
            assert str(held[0]) not in line
        assert resource.getrlimit(resource.RLIMIT_AS) == held
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_free_memory_goes_back_where_the_c_library_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """What glibc keeps of many small parts is the system's again; elsewhere nothing happens."""
    import ctypes

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * mmap.PAGESIZE

    if sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_trim"):
        many = [bytes(60_000) for _ in range(2000)]  # below the size from which glibc maps a part of its own
        many = many[-1:]  # on top of the others: all that lies below stays the process's
        before = resident()
        system.trim()
        assert before - resident() > 50 << 20
        assert len(many) == 1
    for failing in (OSError, TypeError, AttributeError):  # no library, no such name in it, no such call

        def lacking(_: None, failing: type[Exception] = failing) -> None:
            raise failing

        monkeypatch.setattr(ctypes, "CDLL", lacking)
        system.trim()
