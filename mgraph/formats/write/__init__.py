"""To other tools' formats: one module a format."""
