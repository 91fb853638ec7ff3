"""``python -m mgraph``."""

from mgraph.cli import main

main(prog_name="mgraph")
