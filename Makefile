PYTHON ?= .venv/bin/python

.PHONY: bench test

bench:
	$(PYTHON) benchmarks/bench.py

test:
	$(PYTHON) -m pytest
