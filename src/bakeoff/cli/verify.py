"""`bakeoff verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bakeoff.cli import _options as options

PANEL, PLACE = "Know", 3
EXAMPLES = (
    ("bakeoff verify resnet50.keras.certificate.json", "run the checks of a conversion again, here"),
    ("bakeoff verify resnet50.keras.certificate.json --offline --json", "for programs, without the network"),
)


def command(
    certificate: Annotated[Path, typer.Argument(metavar="CERTIFICATE", help="NAME.certificate.json, from convert.")],
    mirror: options.Mirror = None,
    offline: options.Offline = False,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Run the checks of a certificate again: same source, same questions, the file beside it."""
    from bakeoff.cli import _output as out
    from bakeoff.conversion.verify import NAMING, verify
    from bakeoff.errors import ParityError
    from bakeoff.parity import to_json
    from bakeoff.workers.progress import progress

    with progress() as listen:
        found = verify(certificate, offline=offline, mirror=None if mirror is None else str(mirror), listen=listen)
    value = to_json(found)
    if json:
        out.print_json({"certificate": str(certificate), **value})
    else:
        console = out.console()
        console.print(out.checks("same?", value["checks"]))
        passed = sum(one.passed for one in found.checks)
        console.print(f"\n{certificate}: {passed} of {len(found.checks)} checks passed", markup=False)
    if not found.passed:
        failed = [one for one in found.checks if not one.passed]
        named = next((one.detail for one in failed if one.name in NAMING), failed[0].detail)
        names = ", ".join(one.name for one in failed)
        raise ParityError(f"{certificate}: it doesn't hold here: {names}.\n{named}")
