"""What can be wrong with data: one audit a file, `KINDS` and `find(subject)` in each; see `bakeoff.data.audit`."""
