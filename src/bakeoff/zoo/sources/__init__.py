"""One library a file. What it holds:

LIBRARY, NEEDS, EXTRA      the package, what has to be installed for it, the extra that brings it
FRAMEWORK                  torch or keras: in which worker its nets live
build(model, ...)          a native net with drawn weights
fill(net, path, ...)       the net with the weights of a file, where the library has names of its own in it
describe(model, weights)   (Signature, class names or None)
cache_path(weights)        where the library itself would keep the file
rows()                     what the catalogue says, one dict a model; run by `python -m bakeoff.zoo.census`

A library whose models are folders (transformers) has OPEN, where it has more of them than any catalogue, and in
place of `describe`: accepts, place, weights_of, weights, parts, config_of, made, processed, save, renamed, state_of.
"""
