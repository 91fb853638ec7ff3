"""How a result reads: as lines for a terminal and HTML for a notebook, both made of the same blocks."""
