"""What the frameworks' collectives ask of the team that they are set up by."""

from __future__ import annotations

import socket

from bakeoff.workers.team import Team


def free_port(host: str) -> int:
    """A port at which nobody listens there."""
    with socket.create_server((host, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def addresses(team: Team, port: int) -> list[str]:
    """HOST:PORT of every worker, by rank; this one's port is given."""
    return [value for value, _ in team.all("addresses", (f"{team.host}:{port}", []))]
