"""The wiring of a document: order, cycles, slices, influence cones, generations.

A document that lists its nodes in topological order, as mgraph writes them, shows that in one scan, and once it is in
order every question is another scan. NetworkX sorts the others, names a cycle, and is what the graph is handed out as;
it is imported for that only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate, chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from mgraph.arithmetic.ops import CONSTANT, INPUT, LEAVES, PARAMETER
from mgraph.document.model import Document, Node, arranged, without_grad
from mgraph.errors import CycleError, DocumentError, ReplayError, nearest, shown, some

if TYPE_CHECKING:
    from networkx import MultiDiGraph

T = TypeVar("T")


SUGGESTIONS = 8
"""Errors of a document that name the nearest id: to look for one takes 25 ms."""


class Column(Mapping[str, float]):
    """One number a node, by id, in the graph's order; a node without the number has no key. It cannot be changed."""

    def __init__(self, index: Mapping[str, int], numbers: Sequence[float | None]) -> None:
        self._index = index
        self.numbers = tuple(numbers)
        """By position; of a replay, those of the literals follow."""

    def __getitem__(self, name: str) -> float:
        found = self.numbers[self._index[name]]
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return (name for name, k in self._index.items() if self.numbers[k] is not None)

    def __len__(self) -> int:
        return self._length

    @cached_property
    def _length(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return repr(dict(self))


class Wiring:
    """A document whose nodes refer to each other correctly, in topological order.

    Nodes listed in another order are sorted, stably: of the nodes that could come next, the one listed first
    does. Raises DocumentError for a repeated id, an operand, output or seed that does not exist and a seed on a
    constant, CycleError for nodes that depend on themselves.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self.index: dict[str, int] = {}
        """Position of each node in :attr:`nodes`, by id."""
        self.operands: list[int] = []
        """Position of every operand of every node, in order and flat; -1 for a literal."""
        try:
            self._connect()
        except DocumentError as first:
            first._keep(
                chain(
                    _repeated_ids(self.nodes), _lookalikes(self.nodes), self._missing_operands(), self._bad_references()
                )
            )
            raise

    def _connect(self) -> None:
        ordered = self._scan()
        if len(self.index) != len(self.nodes):
            _refuse(_repeated_ids(self.nodes))
        _refuse(_lookalikes(self.nodes))
        if not ordered:
            _refuse(self._missing_operands())
            self._sort()
            self._scan()
        _refuse(self._bad_references())

    def __reduce__(self) -> Any:
        return Wiring, (self.document,)

    @property
    def nodes(self) -> list[Node]:
        """The nodes, operands before their consumers."""
        return self.document["nodes"]

    @cached_property
    def starts(self) -> list[int]:
        """Where each node's operands begin in :attr:`operands`, and where the last one's end."""
        return list(accumulate([len(node["args"]) if "args" in node else 0 for node in self.nodes], initial=0))

    def __len__(self) -> int:
        return len(self.index)

    def __contains__(self, name: object) -> bool:
        return name in self.index

    def _scan(self) -> bool:
        """Fill :attr:`index` and :attr:`operands`; whether every operand is listed before its consumer."""
        index: dict[str, int] = {}
        positions: list[int] = []
        position, found = index.get, positions.append
        for k, node in enumerate(self.nodes):
            if "args" in node:
                for operand in node["args"]:
                    found(position(operand, -2) if operand.__class__ is str else -1)
            index[node["id"]] = k
        self.index, self.operands = index, positions
        return -2 not in positions

    def _missing_operands(self) -> Iterator[DocumentError]:
        missing = (
            (k, node["id"], a, operand)
            for k, node in enumerate(self.nodes)
            for a, operand in enumerate(node.get("args", ()))
            if isinstance(operand, str) and operand not in self.index
        )
        for count, (k, name, a, operand) in enumerate(missing):
            near = nearest(operand, self.index) if count < SUGGESTIONS else ""
            yield DocumentError(f"there is no node {shown(operand)}.{near}", f"$.nodes[{k}].args[{a}]", name)

    def _sort(self) -> None:
        import networkx as nx

        network = self.to_networkx()
        order: list[str] = []
        try:
            for name in nx.lexicographical_topological_sort(network, key=self.index.__getitem__):
                order.append(name)  # noqa: PERF402  # one by one, to have what was sorted before a cycle
        except nx.NetworkXUnfeasible:
            # Each node that is left has an operand that is left, so that a walk from any of them to operands meets a
            # cycle, and what it has passed by then is all that is looked at.
            network.remove_nodes_from(order)
            raise _cycle(nx.find_cycle(network, next(iter(network)), orientation="reverse"), self.index) from None
        nodes = [self.nodes[self.index[each]] for each in order]
        self.document = {**self.document, "nodes": nodes}

    def _bad_references(self) -> Iterator[DocumentError]:
        outputs, seeds = self.document.get("outputs", []), self.document.get("seeds", {})
        references = [(f"$.outputs[{k}]", name) for k, name in enumerate(outputs)]
        references += [("$.seeds", name) for name in seeds]
        missing = [(path, name) for path, name in references if name not in self.index]
        for count, (path, name) in enumerate(missing):
            near = nearest(name, self.index) if count < SUGGESTIONS else ""
            yield DocumentError(f"there is no node {shown(name)}.{near}", path)
        if len(set(outputs)) != len(outputs):
            seen: set[str] = set()
            for k, name in enumerate(outputs):
                if name in seen:
                    yield DocumentError(f"the output {shown(name)} is repeated", f"$.outputs[{k}]")
                seen.add(name)
        for name in seeds:
            if name in self.index and self.op(name) == CONSTANT:
                yield DocumentError("a constant gets no gradient, so it cannot be a seed", "$.seeds", name)

    def op(self, name: str) -> str:
        """The op of the node with this id."""
        return self.nodes[self.index[name]]["op"]

    def _leaves(self, op: str) -> list[str]:
        return [node["id"] for node in self.nodes if node["op"] == op]

    @cached_property
    def inputs(self) -> list[str]:
        """Ids of the ``input`` leaves."""
        return self._leaves(INPUT)

    @cached_property
    def parameters(self) -> list[str]:
        """Ids of the ``parameter`` leaves."""
        return self._leaves(PARAMETER)

    @cached_property
    def constants(self) -> list[str]:
        """Ids of the ``constant`` leaves (literal operands are no nodes)."""
        return self._leaves(CONSTANT)

    def _recorded(self, what: Literal["data", "grad"]) -> Column:
        return Column(self.index, [float(node[what]) if what in node else None for node in self.nodes])

    @cached_property
    def data(self) -> Column:
        """Recorded numbers by id; nodes without one are left out."""
        return self._recorded("data")

    @cached_property
    def grad(self) -> Column:
        """Recorded gradients by id; nodes without one are left out."""
        return self._recorded("grad")

    @property
    def outputs(self) -> list[str]:
        """Ids of the roots: the document's, else the operations that nothing consumes, else such leaves."""
        return self.document.get("outputs") or self._unused

    @cached_property
    def _unused(self) -> list[str]:
        used = {operand for node in self.nodes for operand in node.get("args", ())}
        unused = [node for node in self.nodes if node["id"] not in used]
        return [node["id"] for node in unused if node["op"] not in LEAVES] or [node["id"] for node in unused]

    @property
    def tolerance(self) -> int:
        """How far recorded numbers may be from replayed ones, in units in the last place: the document's, else 0."""
        return self.document["tolerance"]["ulps"] if "tolerance" in self.document else 0

    @cached_property
    def seeds(self) -> Mapping[str, float]:
        """Adjoints that the backward pass starts from: the document's, else 1.0 on every output but constants."""
        if "seeds" in self.document:
            return MappingProxyType({name: float(seed) for name, seed in self.document["seeds"].items()})
        return MappingProxyType({name: 1.0 for name in self.outputs if self.op(name) != CONSTANT})

    @cached_property
    def _by_label(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for node in self.nodes:
            if "label" in node:
                found.setdefault(node["label"], []).append(node["id"])
        return found

    def resolve(self, name: str) -> str:
        """The id that ``name`` means: an id, or a label that one node alone has. Raises ReplayError otherwise."""
        if not isinstance(name, str):
            raise ReplayError(f"a node is named by its id or label, which is text, not by {shown(name)}")
        if name in self.index:
            return name
        candidates = self._by_label.get(name, [])
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            message = f"{len(candidates)} nodes are labelled {shown(name)}; name one by its id: {some(candidates)}"
            raise ReplayError(message)
        known = dict.fromkeys((*self.inputs, *self.parameters, *self._by_label, *self.index))
        raise ReplayError(
            f"no node has the id or label {shown(name)}.{nearest(name, known)}"
            + f" The inputs are {some(self.inputs) or 'none'}"
            + (f"; the parameters are {some(self.parameters)}" if self.parameters else "")
            + f"; the outputs are {some(self.outputs)}"
        )

    def by_id(self, given: Mapping[str, T]) -> dict[str, T]:
        """What is given by id or unique label, by id. Raises ReplayError for an unknown name and a node named twice."""
        found: dict[str, T] = {}
        for name, what in given.items():
            node = self.resolve(name)
            if node in found:
                raise ReplayError(f"{shown(node)} is given two numbers, once as {shown(name)}")
            found[node] = what
        return found

    @cached_property
    def depth(self) -> int:
        """Operations on the longest path from a leaf, 0 for leaves alone."""
        levels: list[int] = []
        operand = iter(self.operands)
        for node in self.nodes:
            level = int("args" in node)
            for _, i in zip(node.get("args", ()), operand, strict=False):
                if i >= 0 and levels[i] >= level:
                    level = levels[i] + 1
            levels.append(level)
        return max(levels)

    def to_networkx(self) -> MultiDiGraph[str]:
        """A new MultiDiGraph: nodes by id, with what the document says of each as attributes, and ``literals``,
        the literal operands by position; one edge from each operand to its consumer, keyed by its ``position``
        (a*a has two)."""
        import networkx as nx

        network: MultiDiGraph[str] = nx.MultiDiGraph()
        for node in self.nodes:
            attributes: dict[str, Any] = {k: v for k, v in node.items() if k not in ("id", "args")}
            args = node.get("args", [])
            attributes["literals"] = {k: a for k, a in enumerate(args) if not isinstance(a, str)}
            network.add_node(node["id"], **attributes)
        for node in self.nodes:
            for position, operand in enumerate(node.get("args", ())):
                if isinstance(operand, str):
                    network.add_edge(operand, node["id"], key=position, position=position)
        return network

    def ancestors(self, *names: str) -> list[str]:
        """Ids of everything that the nodes are computed from, in order, themselves left out. Raises ReplayError."""
        wanted = set(map(self.resolve, names))
        needed: set[str] = set()
        for node in reversed(self.nodes):
            if node["id"] in wanted or node["id"] in needed:
                needed.update(a for a in node.get("args", ()) if isinstance(a, str))
        return [name for name in self.index if name in needed]

    def descendants(self, *names: str) -> list[str]:
        """The influence cone: ids of everything that is computed from the nodes, in order. Raises ReplayError."""
        influence = set(map(self.resolve, names))
        found = []
        for node in self.nodes:
            if not influence.isdisjoint(node.get("args", ())):
                influence.add(node["id"])
                found.append(node["id"])
        return found

    def generations(self) -> list[list[str]]:
        """Ids by depth: leaves first, then each node right after the last of its operands."""
        place: dict[str, int] = {}
        found: list[list[str]] = []
        for node in self.nodes:
            place[node["id"]] = k = max((place[a] + 1 for a in node.get("args", ()) if isinstance(a, str)), default=0)
            if k == len(found):
                found.append([])
            found[k].append(node["id"])
        return found

    def sliced(self, outputs: Iterable[str]) -> Document:
        """The document of what ``outputs`` need, and of nothing else. Raises ReplayError for an unknown name, or none.

        The document's seeds stay, as far as they are in the slice; if none is, the slice has the default ones.
        Recorded gradients stay if their seeds do.
        """
        names = [outputs] if isinstance(outputs, str) else outputs
        wanted = list(dict.fromkeys(self.resolve(name) for name in names))
        if not wanted:
            raise ReplayError("a slice needs at least one output")
        keep = {*wanted, *self.ancestors(*wanted)}
        document: Document = {
            **self.document,
            "nodes": [node for node in self.nodes if node["id"] in keep],
            "outputs": wanted,
        }
        seeds = {name: seed for name, seed in self.document.get("seeds", {}).items() if name in keep}
        document.pop("seeds", None)
        if seeds:
            document["seeds"] = seeds
        whole = (
            len(seeds) == len(self.document["seeds"]) if "seeds" in self.document else set(self.outputs) == set(wanted)
        )
        if not whole:
            document["nodes"] = without_grad(document["nodes"])
        return arranged(document)


def _refuse(errors: Iterator[DocumentError]) -> None:
    """Raise the first of the errors, if there is one."""
    for error in errors:
        raise error


def _repeated_ids(nodes: list[Node]) -> Iterator[DocumentError]:
    seen: dict[str, int] = {}
    for k, node in enumerate(nodes):
        first = seen.setdefault(node["id"], k)
        if first != k:
            yield DocumentError(f"the id is taken: $.nodes[{first}] has it too", f"$.nodes[{k}].id", node["id"])


def _lookalikes(nodes: list[Node]) -> Iterator[DocumentError]:
    """Two ids that differ only in Unicode normalisation look the same to everyone but a computer."""
    if "".join([node["id"] for node in nodes]).isascii():
        return
    from unicodedata import normalize

    seen: dict[str, int] = {}
    for k, node in enumerate(nodes):
        first = seen.setdefault(normalize("NFC", node["id"]), k)
        if first != k and nodes[first]["id"] != node["id"]:
            message = (
                f"the id looks like that of $.nodes[{first}]: {node['id']!a} and {nodes[first]['id']!a}"
                " differ only in Unicode normalisation"
            )
            yield DocumentError(message, f"$.nodes[{k}].id", node["id"])


def _cycle(edges: list[tuple[str, str, int, str]], index: dict[str, int]) -> CycleError:
    """The error for a cycle, walked from consumers to operands; it is told from operands to consumers."""
    ids = [edge[0] for edge in reversed(edges)]
    start = ids.index(min(ids, key=index.__getitem__))
    cycle = ids[start:] + ids[: start + 1]
    length = len(ids)
    some = cycle if length <= 12 else [*cycle[:6], "…", *cycle[-5:]]
    text = " -> ".join(name if name.isprintable() else shown(name) for name in some)
    what = "a node depends on itself" if length == 1 else f"{length:,} nodes depend on themselves"
    return CycleError(f"{what}: {text}", cycle)
