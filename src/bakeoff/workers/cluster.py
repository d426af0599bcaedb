"""A cluster of Ray: connected to where somebody asks for one, and imported nowhere else.

`local` starts one on this machine and ends it; `auto` is the one that runs here or that RAY_ADDRESS names;
`ray://HOST:PORT` is one elsewhere, by its client port. Every node needs Bakeoff in the same version.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeVar

from bakeoff.errors import BakeoffError, MissingDependencyError, UsageError, WorkerError
from bakeoff.system import cpus
from bakeoff.workers.channel import Listener, Reporter, tell

T = TypeVar("T")
EXPECTED = "local, auto, or ray://HOST:PORT"
REACHED_S = 5.0  # for whoever listens at an address; Ray itself would try for two minutes
FREE_S = 60.0  # for CPUs that others use
RETRIES = 3  # of a task whose process or node is lost
_HELD: dict[str, Callable[[Any], Any]] = {}  # in a process of the cluster: what the tasks at work are done by


def check(where: str | None) -> None:
    """Refuse what names no cluster.

    Raises:
        UsageError: it is none of the three.
    """
    if where not in (None, "local", "auto") and not re.fullmatch(r"ray://[^/\s]+:\d{1,5}", where or ""):
        raise UsageError(f"--cluster {where}: expected {EXPECTED}.")


@contextmanager
def connected(where: str | None, listen: Listener | None = None) -> Iterator[None]:
    """Connected, as long as the first of these in this process lasts; to none where `where` is None.

    Raises:
        MissingDependencyError: Ray isn't installed.
        UsageError: there is no such cluster, or it is of another version.
    """
    if where is None:
        yield
        return
    if find_spec("ray") is None:
        raise MissingDependencyError("ray", "ray", "--cluster")
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")  # under `uv run`, Ray sends the whole working folder
    import ray

    if ray.is_initialized():
        yield
        return
    address = _reached(where)
    kept = signal.getsignal(signal.SIGTERM)
    try:
        own = {"num_cpus": cpus()} if where == "local" else {}
        if own:  # a dashboard asks the cloud's metadata address, and Ray's makers, whatever its switch says
            import_module("ray._private.services").start_api_server = lambda *_, **__: ("", None)  # type: ignore[attr-defined]
        with _nowhere():
            found = ray.init(address=address, logging_level="ERROR", log_to_driver=False, **own)
        import_module("ray._private.worker").print_to_stdstream = lambda *_, **__: None  # type: ignore[attr-defined] # of deaths
    except (Exception, SystemExit) as error:
        raise UsageError(f"--cluster {where}: {_short(error)}") from None
    finally:
        if kept is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, kept)  # Ray's own would end this process on the spot
    if url := found.dashboard_url:
        Reporter(listen).log(f"Ray's dashboard: {url if '://' in url else f'http://{url}'}")
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _nowhere() -> Iterator[None]:
    """Not in the working folder, which others may have made: Ray's processes import modules from where this one is."""
    kept = os.getcwd()
    os.chdir(os.sep)
    try:
        yield
    finally:
        os.chdir(kept)


def _reached(where: str) -> str:
    """What Ray is told; it would wait for a cluster that is gone, and end this process."""
    address = where
    if where == "auto":
        try:
            address = import_module("ray._private.services").canonicalize_bootstrap_address("auto")
        except ConnectionError:
            raise UsageError(
                "--cluster auto: no cluster runs here. Start one (ray start --head), or use --cluster local."
            ) from None
    if where == "local":
        return where
    host, _, port = address.rpartition("://")[2].rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=REACHED_S).close()
    except (OSError, OverflowError) as error:
        said = getattr(error, "strerror", None) or error
        raise UsageError(f"--cluster {where}: nothing answers at {host}:{port} ({said}). Does it run?") from None
    return address


def need(count: int, what: str) -> None:
    """Refuse what the cluster is too small for.

    Raises:
        UsageError: it has fewer CPUs.
    """
    import ray

    if (there := int(ray.cluster_resources().get("CPU", 0))) < count:
        raise UsageError(
            f"--cluster: {what} needs {count} CPUs, one a worker, and the cluster has {there}. Add nodes, or use fewer."
        )


def free(count: int, listen: Listener | None = None, wait_s: float = FREE_S) -> int:
    """How many CPUs are free, at least so many: for those that others use it is waited, and said so.

    Raises:
        WorkerError: they aren't free in time.
    """
    end, told = time.monotonic() + wait_s, time.monotonic() + 2  # what has just ended is counted late
    while (found := spare()) < count:
        if time.monotonic() > end:
            raise WorkerError(f"--cluster: {count} free CPUs are needed, and there are {found} after {wait_s:g} s.")
        if time.monotonic() > told:
            told = end + 1
            Reporter(listen).log(f"waiting for {count} free CPUs of the cluster, at most {wait_s:g} s; {found} are")
        time.sleep(0.2)
    return found


def spare() -> int:
    """How many CPUs are free now."""
    import ray

    return int(ray.available_resources().get("CPU", 0))


def share_out(maker: Callable[[T], Callable[[Any], Any]], common: T, items: Iterable[Any]) -> Iterator[Any]:
    """`maker(common)(item)` of each item, in their order, by tasks of the cluster; few items are taken ahead.

    Args:
        maker: a module's own function; a process of the cluster calls it once.
        common: sent to each process once.

    Raises:
        BakeoffError: what a task raised.
        WorkerError: a task's process was lost again and again, or the cluster has no CPU left.
    """
    import ray

    need(1, "what is shared out")
    task, token = ray.remote(_task).options(num_cpus=1, max_retries=RETRIES), secrets.token_hex(8)
    held = ray.put(common)
    most = 2 * int(ray.cluster_resources()["CPU"])
    waiting: deque[Any] = deque()
    for item in items:
        waiting.append(task.remote(token, maker, [held], item))
        if len(waiting) > most:
            yield result(waiting.popleft())
    while waiting:
        yield result(waiting.popleft())


def _task(token: str, maker: Callable[[Any], Callable[[Any], Any]], held: list[Any], item: Any) -> Any:
    """In a process of the cluster."""
    if token not in _HELD:
        import ray

        _HELD.clear()
        _HELD[token] = maker(ray.get(held[0]))
    return _HELD[token](item)


def result(reference: Any, wait_s: float = FREE_S) -> Any:
    """What a call on the cluster gives; it is waited for as long as the cluster has a CPU.

    Raises:
        BakeoffError: what the call raised.
        WorkerError: its process or node was lost (`died`), or an error that nobody foresaw.
    """
    import ray
    from ray import exceptions

    while True:
        try:
            return ray.get(reference, timeout=wait_s)
        except exceptions.GetTimeoutError:
            if ray.cluster_resources().get("CPU", 0) < 1:
                raise WorkerError("--cluster: no node with a CPU is left.") from None
            tell(f"the cluster has given nothing for {wait_s:g} s; it is waited for. Do others use its CPUs?")
        except (exceptions.RayError, ConnectionError) as error:
            raise _said(error) from None


def _said(error: Exception) -> BakeoffError:
    """What Ray's error means; the whole of it is a note."""
    from ray.exceptions import RayTaskError

    cause = error.cause if isinstance(error, RayTaskError) else None
    if isinstance(cause, BakeoffError):
        return cause
    if "No module named 'bakeoff" in str(error):
        return UsageError("--cluster: a node has no Bakeoff, or another. Install the same version on every node.")
    found = WorkerError(f"{type(cause).__name__}: {_short(cause)}" if cause else f"Ray lost it: {_short(error)}")
    found.died = cause is None
    found.add_note(str(error))
    return found


def _short(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1 if "creation task" in lines[0] else 0]  # of an actor that failed to start, why comes last


def here() -> str | None:
    """The id of this process's node; None where it isn't part of the cluster."""
    import ray

    away = import_module("ray.util.client").ray.is_connected()
    return None if away else str(ray.get_runtime_context().get_node_id())


def address() -> str:
    """Where the cluster that this process belongs to is found from its nodes."""
    import ray

    return str(ray.get_runtime_context().gcs_address)


def local_address() -> str:
    """The address at which this process's node is reached by the others."""
    import ray

    return str(ray.util.get_node_ip_address())
