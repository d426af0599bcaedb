"""One section of the report per file: verdict, curves, classes, confusion, wrong, parity, environment.

The folder is the registry. A file holds:

    ORDER       where it stands: sections are sorted by it
    TEXT        {"en": {key: sentence}, "zh": {the same keys}}; `title` is the heading
    TEMPLATE    Jinja, escaped automatically; `t` gives a sentence, `report` the run, and what `context` gives
    context     (report, say) -> dict for the template, or None: there is nothing to say
"""
