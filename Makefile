PYTHON ?= .venv/bin/python

.PHONY: bench exactness test

bench:
	$(PYTHON) benchmarks/bench.py

exactness:
	$(PYTHON) exactness/check.py

test:
	$(PYTHON) -m pytest
