"""Any classifier in, native classifier out, with a certificate.

api         what the command calls: workers, checks, output
live        what the Python function calls: both nets in this process
tracing     what a net is asked: logits, gradients, steps, statistics
judging     from two traces to checks
output      the files that are written
"""
