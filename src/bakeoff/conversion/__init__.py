"""Any classifier in, native classifier out, with a certificate.

api         names and files: what the command calls
live        a model in this process: what `bakeoff.convert` is
session     both sides, what they are asked, what the judge says
questions   the trial for a source
work        what the two sides do
delivery    the output, read back, and the certificate beside it
output      the files that are written
sourcing    a page of plain code
verify      a certificate, run again
"""
