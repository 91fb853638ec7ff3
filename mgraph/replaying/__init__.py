"""A document becomes a flat plan, and an engine fills in its numbers and adjoints."""
