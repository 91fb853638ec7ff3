"""The engine that compiles: layout, loops, machine code."""
