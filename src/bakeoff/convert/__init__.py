"""Any classifier in, native classifier out, with a certificate.

api         what the command and the Python function both call: workers, checks, output
opening     a source, in its own process: the live net, its graph, what it wants of a picture
weights     a file of weights, matched with the names that a net has
tracing     what a net is asked: logits, gradients, steps, statistics
judging     from two traces to checks
writing     the output files
"""

from __future__ import annotations

from bakeoff import registry

registry.make_callable(__name__, "bakeoff.convert.native:convert")
