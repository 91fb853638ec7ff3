"""A graph made into another graph: derivatives and fitting."""
