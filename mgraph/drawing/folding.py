"""Which nodes are drawn as one box: the scopes to a depth, or as many as it takes to fit; and without scopes, bands of
depth.

Nodes drawn as one never depend on themselves by way of others, or an edge would run backwards: a scope that is left and
entered again is drawn in several parts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mgraph.document.wiring import Wiring
from mgraph.drawing.labels import natural

FIT = 150
"""Boxes of a picture that nobody asked for at most."""
EDGES = 400
"""Edges between them at most."""
SIBLINGS = 32
"""Collapsed scopes beside each other at most: nobody reads a column of 100 boxes."""
BANDS = 6
"""Bands of depth at most."""


@dataclass
class Fold:
    """Nodes that are drawn as one box."""

    name: str
    """What DOT calls the box."""
    title: str
    frame: str
    """The scope whose frame the box stands in."""
    parts: str
    """What is in it: ``16 neurons``; empty if it holds no scopes."""


def folds(wiring: Wiring, collapse: int | str | None) -> list[Fold | None]:
    """For each node, by position, what it is drawn with; None if it is drawn by itself.

    ``collapse`` is how many levels deep a scope is one box, ``"fit"`` for as few boxes as fit, or None.
    """
    if collapse is None or (collapse == "fit" and len(wiring) <= FIT):
        return [None] * len(wiring)
    paths = [tuple(node["scope"].split("/")) if "scope" in node else () for node in wiring.nodes]
    if isinstance(collapse, int):
        return _made(wiring, paths, [path[:collapse] or None for path in paths])
    tree = _Tree(wiring, _bundled(wiring, paths))
    return _made(wiring, tree.paths, tree.fitting())


Path = tuple[str, ...]


def _stem(name: str) -> str:
    return re.sub(r"[0-9]+", "#", name)


def _bundled(wiring: Wiring, paths: list[Path]) -> list[Path]:
    """The scopes, where each level has few: siblings whose names differ only in numbers get a scope around them if
    they are many. Nodes without a scope, if they are many, get bands of depth."""
    children: dict[tuple[Path, str], dict[str, None]] = {}
    for path in dict.fromkeys(paths):
        for k, name in enumerate(path):
            children.setdefault((path[:k], _stem(name)), {})[name] = None
    sorts = Counter(parent for parent, _ in children)
    many = {
        (parent, stem): _span(list(names))
        for (parent, stem), names in children.items()
        if len(names) > SIBLINGS and (sorts[parent] > 1 or not parent)
    }
    found = {path: path for path in paths}
    for path in found:
        bundled: list[str] = []
        for k, name in enumerate(path):
            around = many.get((path[:k], _stem(name)))
            bundled += [around, name] if around else [name]
        found[path] = tuple(bundled)
    top = {path[:1] for path in found.values()} - {()}
    if len(top) > FIT // 2:  # scopes of all sorts: their names tell nothing at this size
        return _bands(wiring)
    if sum(path == () for path in paths) > FIT // 2:
        bands = _bands(wiring)
        return [found[path] or band for path, band in zip(paths, bands, strict=True)]
    return [found[path] for path in paths]


def _span(names: list[str]) -> str:
    names.sort(key=natural)
    return f"{names[0]} … {names[-1]}"


def _bands(wiring: Wiring) -> list[Path]:
    """A scope for each kind of leaf, and for operations one for each range of depths."""
    depth: dict[str, int] = {}
    for level, names in enumerate(wiring.generations()):
        depth.update(dict.fromkeys(names, level))
    deepest = max(depth.values())
    size = -(-deepest // BANDS) or 1
    found: list[Path] = []
    for node in wiring.nodes:
        if "args" not in node:
            found.append((f"{node['op']}s",))
            continue
        first = (depth[node["id"]] - 1) // size * size + 1
        last = min(first + size - 1, deepest)
        found.append((f"depth {first}" if first == last else f"depth {first} to {last}",))
    return found


class _Tree:
    """Scopes, opened level by level as long as what is drawn fits."""

    def __init__(self, wiring: Wiring, paths: list[Path]) -> None:
        self.paths = paths
        self._direct = Counter(paths)
        """How many nodes each scope holds itself."""
        self._children: dict[Path, dict[Path, None]] = {(): {}}
        for path in self._direct:
            for k in range(len(path)):
                self._children.setdefault(path[:k], {})[path[: k + 1]] = None
        starts, operands = wiring.starts, wiring.operands
        self._edges = Counter(
            (paths[i], path) for k, path in enumerate(paths) for i in operands[starts[k] : starts[k + 1]] if i >= 0
        )
        """How many operands pass from scope to scope."""
        self._open: set[Path] = {()}

    def fitting(self) -> list[Path | None]:
        """For each node, the scope that is drawn as one box; None if it is drawn by itself."""
        waiting = self._alike([()])
        while waiting:
            group = waiting.pop(0)
            self._open.update(group)
            if self._fits(group):
                waiting += self._alike(group)
            else:
                self._open.difference_update(group)
        outer = {path: self._outermost(path) for path in self._direct}
        return [outer[path] for path in self.paths]

    def _alike(self, scopes: list[Path]) -> list[list[Path]]:
        """What is right inside these scopes, those together whose names differ only in numbers: they open together."""
        groups: dict[str, list[Path]] = {}
        for scope in scopes:
            for inner in self._children.get(scope, ()):
                groups.setdefault(_stem(inner[-1]), []).append(inner)
        return list(groups.values())

    def _fits(self, opened: Iterable[Path]) -> bool:
        if any(len(self._children.get(scope, ())) > SIBLINGS for scope in opened):
            return False
        shown = [scope for scope in self._open if scope]
        boxes = sum(self._direct[scope] for scope in [(), *shown])
        boxes += sum(child not in self._open for scope in self._open for child in self._children.get(scope, ()))
        return boxes <= FIT and self._edge_count() <= EDGES

    def _edge_count(self) -> int:
        between: set[tuple[Path, Path]] = set()
        single = 0
        for (source, target), count in self._edges.items():
            ends = self._outermost(source), self._outermost(target)
            if ends[0] is None or ends[1] is None:
                single += count
            elif ends[0] != ends[1]:
                between.add((ends[0], ends[1]))
        return len(between) + single

    def _outermost(self, path: Path) -> Path | None:
        """The outermost scope around a node that is not open."""
        return next((path[:k] for k in range(1, len(path) + 1) if path[:k] not in self._open), None)


def _made(wiring: Wiring, paths: Sequence[Path], drawn: Sequence[Path | None]) -> list[Fold | None]:
    """The folds: a scope that others lie between is split, and each part is one."""
    inner: dict[Path, dict[str, None]] = {}
    for path, scope in zip(paths, drawn, strict=True):
        if scope is not None and len(path) > len(scope):
            inner.setdefault(scope, {})[path[len(scope)]] = None
    part = _parts(wiring, drawn)
    last: dict[Path, int] = {}
    numbered: dict[tuple[Path, int], int] = {}
    for scope, k in zip(drawn, part, strict=True):
        if scope is not None and (scope, k) not in numbered:
            numbered[scope, k] = last[scope] = last.get(scope, 0) + 1
    found: dict[int, Fold] = {}
    for scope, k in zip(drawn, part, strict=True):
        if scope is not None and k not in found:
            of = f" ({numbered[scope, k]} of {last[scope]})" if last[scope] > 1 else ""
            name = f"s{len(found)}"
            found[k] = Fold(name, scope[-1] + of, "/".join(scope[:-1]), _parts_of(list(inner.get(scope, ()))))
    return [None if scope is None else found[k] for scope, k in zip(drawn, part, strict=True)]


def _parts_of(names: list[str]) -> str:
    """What scopes of these names are, counted."""
    if not names:
        return ""
    stems = {_stem(name).strip("#") for name in names}
    kind = stems.pop() if len(stems) == 1 else ""
    return f"{len(names):,} {(kind or 'scope') + 's' * (len(names) > 1)}"


def _parts(wiring: Wiring, drawn: Sequence[Path | None]) -> list[int]:
    """Number what is drawn as one, so that nothing depends on itself by way of others: a node that would close such a
    circle begins another part of its scope."""
    of: list[int] = []
    after: list[set[int]] = []
    latest: dict[Path, int] = {}
    starts, operands = wiring.starts, wiring.operands
    for k, scope in enumerate(drawn):
        sources = {of[i] for i in operands[starts[k] : starts[k + 1]] if i >= 0}
        this = None if scope is None else latest.get(scope)
        if this is None or _leads(after, this, {s for s in sources if s != this and this not in after[s]}):
            this = len(after)
            after.append(set())
        if scope is not None:
            latest[scope] = this
        for source in sources - {this}:
            after[source].add(this)
        of.append(this)
    return of


def _leads(after: Sequence[set[int]], start: int, ends: set[int]) -> bool:
    """Whether a way leads from ``start`` to one of ``ends``."""
    seen, waiting = {start}, [start] if ends else []
    while waiting:
        found = after[waiting.pop()] - seen
        if found & ends:
            return True
        seen |= found
        waiting += found
    return False
