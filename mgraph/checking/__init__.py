"""Whether a record is right, and what changed between two graphs."""
