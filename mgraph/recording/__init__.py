"""A computation in Python becomes a document."""
