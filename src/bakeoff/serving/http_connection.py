"""A connection of uvicorn with an end to waiting for headers, and to their size: what slow senders live by."""

from __future__ import annotations

from typing import Any

from bakeoff.serving.settings import Settings

LARGEST_HEAD = 64 << 10  # bytes


def connection(settings: Settings) -> Any:
    """The class of connections with these limits."""
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class Connection(HttpToolsProtocol):
        """From its first byte, or the end of the last request, to its headers' end it is on the clock."""

        waiting: Any = None
        head = 0

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._wait()

        def connection_lost(self, exc: Exception | None) -> None:
            self._came()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self.waiting is None and (self.cycle is None or self.cycle.response_complete):
                self._wait()
            if self.waiting is not None:
                self.head += len(data)
            super().data_received(data)
            if self.waiting is not None and self.head > LARGEST_HEAD:
                self.send_400_response("Too many headers.")

        def on_headers_complete(self) -> None:
            self._came()
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            super().on_message_complete()
            self.head = 0

        def _wait(self) -> None:
            self.head = 0
            self.waiting = self.loop.call_later(settings.header_s, self._late)

        def _came(self) -> None:
            if self.waiting is not None:
                self.waiting.cancel()
                self.waiting = None

        def _late(self) -> None:
            self.waiting = None
            self.transport.close()

    return Connection
