"""How the graph is run: sessions, worker processes, training processes, recovery."""
