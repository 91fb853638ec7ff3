"""Foreign formats, one module each. The core knows none of them; a module here knows one and nothing of the others.

A module that reads has ``load``, which gives a document; one that writes has ``dump``, which takes a wiring and gives
bytes, and ``OPS``, how the format spells each op. An op that is not in ``OPS`` is refused by name.
"""
