"""What the frameworks' collectives ask of the team that they are set up by: addresses, and who is on which machine."""

from __future__ import annotations

import socket

from bakeoff.workers.team import Team


def free_port(host: str) -> int:
    """A port at which nobody listens there."""
    with socket.create_server((host, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def whereabouts(team: Team, port: int) -> tuple[list[str], int]:
    """HOST:PORT of every worker, by rank; and how many of those before this one are on its machine: its GPU there.

    Args:
        port: this worker's.
    """
    found: list[str] = [value for value, _ in team.all("addresses", (f"{team.host}:{port}", []))]
    return found, sum(one.rpartition(":")[0] == team.host for one in found[: team.rank])
