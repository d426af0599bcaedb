"""What can be wrong with data: one audit a file, see `bakeoff.data.audit`. The folder is the registry. A file holds:

KINDS     what it can find, each a `Kind`: name, place in the output, what it means in two languages
find      (subject) -> findings of these kinds
"""
