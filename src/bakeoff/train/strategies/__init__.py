"""How a phase trains: a strategy is one file with `run(context, graph, phase) -> PhaseResult`."""
