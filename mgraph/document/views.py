"""A document seen from outside: all that can be asked of it, and nothing that leads inside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, overload

from mgraph.document.collector import collector_paused
from mgraph.document.model import Document, Node, copied, copy_node
from mgraph.document.wiring import Wiring

if TYPE_CHECKING:
    from networkx import MultiDiGraph


class Nodes(Sequence[Node]):
    """The nodes of a graph, operands before their consumers. What is taken out is a copy."""

    def __init__(self, nodes: list[Node]) -> None:
        self._nodes = nodes

    @overload
    def __getitem__(self, place: int) -> Node: ...
    @overload
    def __getitem__(self, place: slice) -> list[Node]: ...
    def __getitem__(self, place: int | slice) -> Node | list[Node]:
        found = self._nodes[place]
        return list(map(copy_node, found)) if isinstance(found, list) else copy_node(found)

    def __iter__(self) -> Iterator[Node]:
        return map(copy_node, self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)

    def __repr__(self) -> str:
        return repr(self._nodes)


class View:
    """A wiring to look at. What it returns is a copy, or cannot be changed."""

    _wiring: Wiring

    def __getstate__(self) -> dict[str, Any]:
        """What a copy or a pickle holds: the document. All else follows from it."""
        return {"_wiring": self._wiring}

    # What it holds.

    @property
    def document(self) -> Document:
        """A copy of the document, as JSON data."""
        with collector_paused():
            return copied(self._wiring.document)

    @property
    def title(self) -> str | None:
        """The document's title."""
        return self._wiring.document.get("title")

    @property
    def description(self) -> str | None:
        """What ``meta`` says under ``description``, if that is text."""
        found = self._wiring.document.get("meta", {}).get("description")
        return found if isinstance(found, str) else None

    @property
    def tags(self) -> tuple[str, ...]:
        """What ``meta`` says under ``tags``, if that is a list of texts."""
        found = self._wiring.document.get("meta", {}).get("tags")
        return tuple(found) if isinstance(found, list) and all(isinstance(tag, str) for tag in found) else ()

    @property
    def meta(self) -> dict[str, Any]:
        """A copy of the document's free-form JSON; empty without any."""
        return deepcopy(self._wiring.document.get("meta", {}))

    @property
    def tolerance(self) -> int:
        """How far recorded numbers may be from replayed ones, in units in the last place."""
        return self._wiring.tolerance

    @property
    def nodes(self) -> Nodes:
        """The nodes, operands before their consumers."""
        return Nodes(self._wiring.nodes)

    @property
    def index(self) -> Mapping[str, int]:
        """Position of each node in :attr:`nodes`, by id."""
        return MappingProxyType(self._wiring.index)

    @property
    def data(self) -> Mapping[str, float]:
        """Recorded numbers by id; nodes without one are left out."""
        return self._wiring.data

    @property
    def grad(self) -> Mapping[str, float]:
        """Recorded gradients by id; nodes without one are left out."""
        return self._wiring.grad

    @property
    def inputs(self) -> list[str]:
        """Ids of the ``input`` leaves."""
        return self._wiring.inputs.copy()

    @property
    def parameters(self) -> list[str]:
        """Ids of the ``parameter`` leaves."""
        return self._wiring.parameters.copy()

    @property
    def constants(self) -> list[str]:
        """Ids of the ``constant`` leaves (literal operands are no nodes)."""
        return self._wiring.constants.copy()

    @property
    def outputs(self) -> list[str]:
        """Ids of the roots: the document's, else the operations that nothing consumes, else such leaves."""
        return self._wiring.outputs.copy()

    @property
    def op_counts(self) -> dict[str, int]:
        """How many nodes there are of each op, the most frequent first."""
        return dict(Counter(node["op"] for node in self._wiring.nodes).most_common())

    @property
    def seeds(self) -> Mapping[str, float]:
        """Adjoints that the backward pass starts from: the document's, else 1.0 on every output but constants."""
        return self._wiring.seeds

    def __len__(self) -> int:
        return len(self._wiring)

    def __contains__(self, name: object) -> bool:
        return name in self._wiring

    # How its nodes hang together.

    def op(self, name: str) -> str:
        """The op of the node with this id."""
        return self._wiring.op(name)

    def resolve(self, name: str) -> str:
        """The id that ``name`` means: an id, or a label that one node alone has. Raises ReplayError otherwise."""
        return self._wiring.resolve(name)

    @property
    def depth(self) -> int:
        """Operations on the longest path from a leaf, 0 for leaves alone."""
        return self._wiring.depth

    def ancestors(self, *names: str) -> list[str]:
        """Ids of everything that the nodes are computed from, in order, themselves left out. Raises ReplayError."""
        return self._wiring.ancestors(*names)

    def descendants(self, *names: str) -> list[str]:
        """The influence cone: ids of everything that is computed from the nodes, in order. Raises ReplayError."""
        return self._wiring.descendants(*names)

    def generations(self) -> list[list[str]]:
        """Ids by depth: leaves first, then each node right after the last of its operands."""
        return self._wiring.generations()

    def to_networkx(self) -> MultiDiGraph[str]:
        """A new NetworkX graph: nodes by id, with what the document says of each as attributes, and ``literals``,
        the literal operands by position; one edge from each operand to its consumer, keyed by its ``position``
        (a*a has two)."""
        return self._wiring.to_networkx()
