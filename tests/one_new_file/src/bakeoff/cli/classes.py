"""`bakeoff classes`."""

from __future__ import annotations

from bakeoff.cli import _options as options

PANEL, PLACE = "Know", 9
EXAMPLES = (("bakeoff classes photos", "what the images are called"),)


def command(data: options.DataPath, json: options.Json = False, debug: options.Debug = False) -> None:
    """Print the names of the classes of DATA."""
    from bakeoff.cli import _output as out
    from bakeoff.data import read_data

    names = read_data(data).classes
    if json:
        out.print_json({"classes": list(names)})
    else:
        out.console().print(*names, sep="\n", markup=False)
