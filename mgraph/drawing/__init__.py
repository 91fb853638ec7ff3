"""How a graph looks."""
