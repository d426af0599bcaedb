"""`bakeoff serve`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from bakeoff.cli import _options as options

PANEL, PLACE = "Use", 4
NEEDS = False  # MODEL_NAME may say which
EXAMPLES = (
    ("bakeoff serve runs/RUN", "TensorFlow Serving's protocols at 8501 (HTTP) and 8500 (gRPC), on this machine"),
    ("bakeoff serve --name shirts=runs/A --name shoes=runs/B@3", "two models, with names and a version"),
    ("bakeoff serve models/shirts", "a folder of versions (1/, 2/, ...): new ones are taken while it runs"),
    ("bakeoff serve runs/RUN --collect photos", "the page at / may keep pictures for the next training"),
    ("bakeoff serve runs/RUN --host 0.0.0.0 --token SECRET", "for others, who need the secret"),
)
_limits = partial(typer.Option, rich_help_panel="Limits")
_page = partial(typer.Option, rich_help_panel="The page at /")
_access = partial(typer.Option, rich_help_panel="Who may ask")
_files = partial(typer.Option, rich_help_panel="Files of TensorFlow Serving")


def command(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="MODEL...", help="Runs, bundles, exported files, folders of versions.")
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", metavar="NAME=PATH[@VERSION]", help="A model under a name; repeatable."),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    rest_port: Annotated[int, typer.Option(min=0, max=65535, help="Of HTTP; 0 takes a free one.")] = 8501,
    grpc_port: Annotated[int, typer.Option(min=0, max=65535, help="Of gRPC; 0 takes a free one.")] = 8500,
    unload_first: Annotated[
        bool, typer.Option("--unload-first", help="End the old version first: less memory, and a gap.")
    ] = False,
    trust: Annotated[
        bool, typer.Option("--trust", help="Load files that ask for more than classifiers need; they may reach files.")
    ] = False,
    access_log: Annotated[bool, typer.Option("--access-log", help="A JSON line a request, on stderr.")] = False,
    token: Annotated[
        str, _access("--token", envvar="BAKEOFF_TOKEN", help="A secret that requests bring: Authorization: Bearer ...")
    ] = "",
    open_: Annotated[bool, _access("--open", help="Everyone who reaches the address may ask.")] = False,
    cors: Annotated[
        bool, _access("--rest_api_enable_cors_support", "--cors", help="Pages of other sites may ask.")
    ] = False,
    tls_cert: Annotated[Path | None, _access(metavar="FILE", help="Certificate (PEM): TLS at both ports.")] = None,
    tls_key: Annotated[Path | None, _access(metavar="FILE", help="Its key (PEM).")] = None,
    model_config_file: Annotated[
        Path | None, _files("--model_config_file", metavar="FILE", help="Names, places, versions, labels of models.")
    ] = None,
    monitoring_config_file: Annotated[
        Path | None, _files("--monitoring_config_file", metavar="FILE", help="Whether and where measures are.")
    ] = None,
    batching_parameters_file: Annotated[
        Path | None, _files("--batching_parameters_file", metavar="FILE", help="Rows, threads and the queue.")
    ] = None,
    collect: Annotated[
        Path | None, _page(metavar="FOLDER", help="Keep pictures that a user of the page labels: class folders.")
    ] = None,
    collect_mb: Annotated[int, _page(min=1, help="MiB that this folder may hold.")] = 1024,
    queue: Annotated[int | None, _limits(min=1, help="Requests that may wait; 32 a thread otherwise.")] = None,
    rows: Annotated[int, _limits(min=1, help="Images a request may have.")] = 1024,
    body_mb: Annotated[int, _limits(min=1, max=2047, help="MiB a request may have.")] = 64,
    timeout: Annotated[float, _limits(min=0.001, help="Seconds in which a request is answered.")] = 30.0,
    grace: Annotated[float, _limits(min=0, help="Seconds of going on after SIGTERM, not ready.")] = 5.0,
    threads: options.Threads = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON line on stdout once it is ready.")] = False,
    debug: options.Debug = False,
) -> None:
    """Serve models to the clients of TensorFlow Serving and KServe, over HTTP and gRPC."""
    from dataclasses import replace

    from bakeoff.serving import config_files
    from bakeoff.serving.naming import from_environment, given
    from bakeoff.serving.server import Server
    from bakeoff.serving.settings import Settings
    from bakeoff.workers.stopping import asked_politely

    settings = Settings(
        host=host, rest_port=rest_port, grpc_port=grpc_port, threads=threads, queue=queue, rows=rows, body_mb=body_mb,
        timeout_s=timeout, grace_s=grace, token=token, open_=open_, cors=cors, cert=tls_cert, key=tls_key,
        trust=trust, unload_first=unload_first, access_log=access_log, collect=collect, collect_mb=collect_mb,
    )  # fmt: skip
    if monitoring_config_file is not None:
        settings = replace(settings, metrics_path=config_files.metrics_path(monitoring_config_file))
    if batching_parameters_file is not None:
        settings = config_files.batching(batching_parameters_file, settings)
    wanted = [given(text) for text in [*(models or ()), *(name or ())]]
    wanted += config_files.models(model_config_file) if model_config_file else []
    default = from_environment()
    server = Server(wanted or ([default] if default else []), settings)
    with asked_politely(lambda _: server.stop()):
        server.run(lambda: _say(server, json))


def _say(server: object, json: bool) -> None:
    from bakeoff.cli import _output as out
    from bakeoff.cli._errors import say
    from bakeoff.serving.server import Server

    assert isinstance(server, Server)
    settings = server.settings
    if json:
        names = sorted(server.models.given)
        out.print_json({"rest_port": server.rest_port, "grpc_port": server.grpc_port, "models": names})
    who = "this machine" if settings.local else "whoever has the token" if settings.token else "everyone (--open)"
    say(f"serving {', '.join(sorted(server.models.given))} to {who}: {server.url}, gRPC at {server.grpc_port}")
