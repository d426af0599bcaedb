"""The neutral graph: named nodes over operator pages, NumPy parameters, channels last."""

from bakeoff.graph.compose import Composer
from bakeoff.graph.graph import Graph, Node, Parameter, Ref
from bakeoff.graph.interpreter import run

__all__ = ["Composer", "Graph", "Node", "Parameter", "Ref", "run"]
