"""One library a file. What it holds:

LIBRARY, NEEDS, EXTRA      the package, what has to be installed for it, the extra that brings it
FRAMEWORK                  torch or keras: in which worker its nets live
build(model, ...)          a native net with drawn weights
fill(net, path, ...)       the weights of a file, in the library's own way
describe(model, weights)   (Signature, class names or None)
cache_path(weights)        where the library itself would keep the file
rows()                     what the catalogue says, one dict a model; run by `python -m bakeoff.zoo.census`
"""
