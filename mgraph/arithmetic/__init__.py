"""What the numbers mean: the op table, its formulas, and its correctly rounded functions."""
