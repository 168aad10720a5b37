"""How the graph is run from the command line: sessions, worker processes, recovery."""
