"""The commands: what each takes and prints. What they do is in :mod:`mgraph.api`, which is imported when one runs."""
