"""Formats that a bundle is written in: one a file, the folder is the registry. A file holds:

EXTENSION    of what is written, as `.onnx`; "" for a folder
FOLDER       what a folder is called where no other name is given
HELP         what comes out, in a line
OPTIONS      names of further arguments of `write` (and of `export`), where there are any
EXTENSIONS   {option: the extension with it}, where it has another
placed       (path, force, version) -> path, where versions are put beside each other
write        (bundle, path) -> path: write it, with what `_text.text` says about it inside
"""
