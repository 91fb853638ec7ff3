"""Derivatives as graphs: the chain rule, applied to the op table's formulas over ``Value``s, gives a new document.

It computes derivatives of the old one's nodes, can be saved, drawn and replayed with other numbers, and differentiated
again. Reverse mode adds up what consumers contribute in the order that the format defines, so that a gradient's graph
replays to the bits of a backward pass; forward mode adds up what operands contribute (Griewank and Walther, Evaluating
Derivatives, 2nd ed., sections 3.1 and 3.2). Equal subexpressions are shared and constants folded, where that cannot
change a bit.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from itertools import count
from math import nan
from typing import Any

from mgraph.arithmetic.ops import CONSTANT, INPUT, LEAVES, OPS, PARAMETER
from mgraph.document.model import NAME_LIMIT, Document, Node, number
from mgraph.document.spelling import unused
from mgraph.document.wiring import Wiring
from mgraph.errors import ReplayError, shown
from mgraph.recording.value import FIXED, LITERAL, Value, apply, literal, topological_order
from mgraph.replaying.run import real

SCOPE = "derivative"
"""Where the nodes that are not the old document's are."""
Term = Value | float
Ref = str | float
"""An operand of a document: a node's id, or a literal."""
STEPS = {name for name, op in OPS.items() if set(op.derivatives) == {"0"}}
"""Ops that pass nothing on."""
_VALUES: dict[str, Any] = {name: partial(apply, name) for name in OPS} | {"__builtins__": {}}
"""What the names in formulas mean for values."""


@cache
def _derivatives(op: str) -> tuple[Callable[..., Term], ...]:
    """The partial derivatives of an op, to be called with values."""
    return OPS[op].functions(_VALUES)[1]


class Lifted:
    """A document's nodes as values, from which derivatives are built."""

    def __init__(self, wiring: Wiring) -> None:
        self.wiring = wiring
        self.values: dict[str, Value] = {}
        for node in wiring.nodes:
            if node["op"] in LEAVES:
                value = Value(float(node.get("data", nan)), op=node["op"])
            else:
                value = apply(node["op"], *(self._operand(each) for each in node["args"]))
            self.values[node["id"]] = value
        self.names = {value: name for name, value in self.values.items()}

    def _operand(self, given: str | float) -> Value:
        return self.values[given] if isinstance(given, str) else literal(given)

    def reverse(self, seeds: Mapping[Value, Term], wrt: Sequence[Value]) -> list[Term]:
        """The adjoints of ``wrt``, from the seeds."""
        order = topological_order(tuple(seeds))
        moving = _moving(order, wrt)
        adjoints = _Flow(seeds)
        for value in reversed(order):
            if value in adjoints:
                for operand, slope in _slopes(value, moving):
                    adjoints.carry(value, operand, value.op, slope)
        return adjoints.of(wrt)

    def forward(self, tangents: Mapping[Value, Term], of: Sequence[Value]) -> list[Term]:
        """The tangents of ``of``, from those of leaves."""
        found = _Flow(tangents)
        for value in topological_order(tuple(of)):
            if value not in tangents:
                for operand, slope in _slopes(value, found):
                    found.carry(operand, value, value.op, slope)
        return found.of(of)


def _moving(order: Sequence[Value], wrt: Sequence[Value]) -> set[Value]:
    """The values that may change with ``wrt``."""
    found = set(wrt)
    for value in order:
        if value.op not in STEPS and any(operand in found for operand in value.operands):
            found.add(value)
    return found


def _slopes(value: Value, moving: Container[Value]) -> Iterator[tuple[Value, Term]]:
    """Each operand that moves, and the value's derivative by it."""
    if value.op in OPS:
        for operand, derivative in zip(value.operands, _derivatives(value.op), strict=True):
            if operand in moving and operand.op not in FIXED:
                slope = derivative(*value.operands, value)
                yield operand, slope.data if isinstance(slope, Value) and slope.op in FIXED else slope


class _Flow:
    """What has flowed to each value so far, adjoints or tangents, and whether it came by branches that are taken.

    That is known when the graph is replayed, so it is a term as well: 1 or 0, or NaN where a slope is NaN, so that
    what flows by it is NaN too. What flows to a value that is not reached is 0.
    """

    def __init__(self, start: Mapping[Value, Term]) -> None:
        self._sums: dict[Value, Term] = dict(start)
        self._reached: dict[Value, Term] = dict.fromkeys(start, 1.0)
        self._gated: set[Value] = set()
        """Values that something flows to through a gate."""

    def __contains__(self, value: object) -> bool:
        return value in self._sums

    def of(self, values: Iterable[Value]) -> list[Term]:
        """What has flowed to each of them."""
        return [self._sums.get(value, 0.0) for value in values]

    def carry(self, source: Value, target: Value, op: str, slope: Term) -> None:
        """Add to ``target`` slope times what ``source`` has; by an op of branches only if the slope is not 0.

        Where the slope of a ``gate`` is 0, what it passes on is 0 but may still change: it is not masked, only kept
        from an infinity behind it, so that further derivatives are right.
        """
        path, flow = self._reached[source], self._sums[source]
        switches = OPS[op].branches and op != "gate"
        taken = _both(path, _taken(slope)) if switches else path
        if taken == 0.0 or (op == "gate" and slope == 0.0):
            return
        if op == "gate" or (switches and path == 1.0):
            part = apply("gate", slope, flow)
        elif switches:
            part = apply("gate", taken, flow if _is_switch(slope) else slope * flow)
        else:
            finite = isinstance(slope, float) and slope - slope == 0.0  # 0 times it is 0
            part = apply("gate", flow, slope) if source in self._gated and not finite else slope * flow
            path = 1.0 if finite else path
        if not switches and path != 1.0:
            part = apply("gate", path, part)
        if op == "gate" or source in self._gated:
            self._gated.add(target)
        self._sums[target] = part if target not in self._sums else self._sums[target] + part
        self._reached[target] = _either(self._reached.get(target, 0.0), taken)


def _is_switch(slope: Term) -> bool:
    """Whether a slope is 0, 1 or NaN for certain: a comparison, or 1 less a comparison."""
    if isinstance(slope, float):
        return False
    if slope.op == "sub" and slope.operands[0].op == LITERAL and slope.operands[0].data == 1.0:
        slope = slope.operands[1]
    return slope.op == "greater"


def _taken(slope: Term) -> Term:
    """1 if a slope is not 0, else 0."""
    return slope if _is_switch(slope) else apply("greater", apply("abs", slope), 0.0)


def _both(p: Term, q: Term) -> Term:
    """1 if p and q are, 0 if either is, whatever the other: 1**NaN and NaN**0 are 1."""
    if 0.0 in (p, q):
        return 0.0
    if 1.0 in (p, q):
        return q if p == 1.0 else p
    return (1.0 + p) ** q - 1.0


def _either(p: Term, q: Term) -> Term:
    """1 if p or q is."""
    if p is q or p == 0.0 or q == 1.0:
        return q
    return p if p == 1.0 else apply("maximum", p, q)


class _Writer:
    """Values to the nodes of a document: equal ones once, with constants folded."""

    def __init__(self, lifted: Lifted) -> None:
        self._names = lifted.names
        self._old = {node["id"]: node for node in lifted.wiring.nodes}
        self._refs: dict[Value, Ref] = {}
        self._known: dict[tuple[str, tuple[Ref, ...]], str] = {}
        self._numbered = (f"g{k}" for k in count())
        self.nodes: dict[str, Node] = {}

    def write(self, value: Value) -> None:
        """Write one value; its operands are written already."""
        name = self._names.get(value)
        if name is not None:
            self._refs[value] = name
            node: Node = {**self._old[name]}
            node.pop("grad", None)
            self.nodes[name] = node
            if "args" in node:
                self._known.setdefault(_key(value.op, tuple(self._refs[each] for each in value.operands)), name)
        elif value.op == LITERAL:
            self._refs[value] = value.data
        else:
            self._refs[value] = self._made(value.op, tuple(self._folded(each) for each in value.operands))

    def _folded(self, value: Value) -> Ref:
        """An operand of a new node: a constant counts as its number."""
        constant = value.op == CONSTANT and value.data - value.data == 0.0
        return value.data if constant else self._refs[value]

    def _made(self, op: str, refs: tuple[Ref, ...]) -> Ref:
        if all(isinstance(each, float) for each in refs):
            return float(OPS[op].forward(*refs))
        simple = _simplified(op, refs)
        if not isinstance(simple, tuple):
            return simple
        op, refs = simple
        key = _key(op, refs)
        if key not in self._known:
            name = next(each for each in self._numbered if each not in self.nodes and each not in self._old)
            self._known[key] = self._add(op, refs, name)
        return self._known[key]

    def _add(self, op: str, refs: tuple[Ref, ...], name: str) -> str:
        args = [self._constant(each) if isinstance(each, float) and each - each != 0.0 else each for each in refs]
        self.nodes[name] = {"id": name, "op": op, "args": args, "scope": SCOPE}
        return name

    def _constant(self, x: float) -> str:
        """A node for a number that cannot be a literal."""
        key = (CONSTANT, (repr(x),))
        if key not in self._known:
            name = unused(f"c{len(self._known)}", self.nodes, self._old)
            self.nodes[name] = {"id": name, "op": CONSTANT, "data": number(x), "scope": SCOPE}
            self._known[key] = name
        return self._known[key]

    def output(self, term: Term, name: str) -> str:
        """A node of its own for a result: 0 + x, as an adjoint starts from 0; or a constant.

        A name that is too long for an id is its label.
        """
        ref = self._folded(term) if isinstance(term, Value) else term
        made = unused(name, self.nodes, self._old)
        fits = len(made) <= NAME_LIMIT
        made = made if fits else unused("derivative", self.nodes, self._old)
        if isinstance(ref, str):
            self._add("add", (0.0, ref), made)
        else:
            self.nodes[made] = {"id": made, "op": CONSTANT, "data": number(0.0 + ref), "scope": SCOPE}
        if not fits:
            self.nodes[made]["label"] = name
        return made


def _key(op: str, refs: tuple[Ref, ...]) -> tuple[str, tuple[Ref, ...]]:
    """What makes two nodes equal: the op and its operands, in any order where a and b commute to the bit."""
    spelled: tuple[Ref, ...] = tuple(repr(each) if isinstance(each, float) else f"'{each}" for each in refs)
    return op, tuple(sorted(spelled, key=str)) if op in ("add", "mul") else spelled


def _simplified(op: str, refs: tuple[Ref, ...]) -> Ref | tuple[str, tuple[Ref, ...]]:
    """The same number by less work, or the op as it is."""
    if op == "mul" and isinstance(refs[1], float):
        refs = refs[::-1]
    first, last = refs[0], refs[-1]
    if op == "gate" and isinstance(first, float):
        if first == 0.0:
            return 0.0
        op = "mul"
    if (op == "mul" and first == 1.0) or (op in ("div", "pow") and last == 1.0):
        return last if op == "mul" else first
    if op == "mul" and first == -1.0:
        return "neg", (last,)
    return op, refs


def _written(
    lifted: Lifted, terms: Sequence[Term], names: Sequence[str], title: str, derivative: dict[str, Any] | None = None
) -> Document:
    """The document of these terms as outputs; its meta says which derivatives they are, for it to be shown so."""
    writer = _Writer(lifted)
    leaves = [value for value in lifted.values.values() if value.op in (INPUT, PARAMETER)]
    for value in topological_order((*leaves, *(term for term in terms if isinstance(term, Value)))):
        writer.write(value)
    outputs = [writer.output(term, name) for term, name in zip(terms, names, strict=True)]
    document: Document = {"mgraph": 1, "title": title, "nodes": list(writer.nodes.values()), "outputs": outputs}
    return document if derivative is None else {**document, "meta": {"derivative": derivative}}


def _nodes(wiring: Wiring, names: str | Iterable[str] | None, default: Sequence[str], purpose: str) -> list[str]:
    """The ids meant, of which there must be one."""
    given = default if names is None else [names] if isinstance(names, str) else list(names)
    found = list(dict.fromkeys(wiring.resolve(name) for name in given))
    if not found:
        raise ReplayError(f"there is nothing to differentiate{purpose}")
    return found


def _leaves(wiring: Wiring, names: str | Iterable[str] | None, purpose: str = " with respect to") -> list[str]:
    """What to differentiate with respect to: by default every input and parameter; not a constant."""
    found = _nodes(wiring, names, [*wiring.inputs, *wiring.parameters], purpose)
    for name in found:
        if wiring.op(name) == CONSTANT:
            raise ReplayError(f"{shown(name)} is a constant: there is no derivative with respect to it")
    return found


def _quotient(of: str, *wrt: str) -> str:
    """``dL/da``, ``d2L/da db``, with names in brackets where they are not plain."""
    plain = [name if name.isidentifier() else f"({name})" for name in (of, *wrt)]
    power = str(len(wrt)) if len(wrt) > 1 else ""
    return f"d{power}{plain[0]}/" + " ".join(f"d{name}" for name in plain[1:])


def gradient(wiring: Wiring, of: str | None, wrt: str | Iterable[str] | None) -> Document:
    """The document that computes the gradient; see :meth:`mgraph.graph.Graph.gradient`."""
    leaves = _leaves(wiring, wrt)
    lifted = Lifted(wiring)
    if of is None:
        seeds = {lifted.values[name]: seed for name, seed in wiring.seeds.items()}
        name = next(iter(wiring.seeds)) if list(wiring.seeds.values()) == [1.0] else "S"
    else:
        name = wiring.resolve(of)
        seeds = {lifted.values[name]: 1.0}
    terms = lifted.reverse(seeds, [lifted.values[each] for each in leaves])
    names, told = [_quotient(name, each) for each in leaves], {"order": 1, "of": [name], "wrt": leaves}
    return _written(lifted, terms, names, f"Gradient of {name}", told)


def jacobian(wiring: Wiring, of: Iterable[str] | None, wrt: str | Iterable[str] | None) -> Document:
    """The document that computes the Jacobian; see :meth:`mgraph.graph.Graph.jacobian`."""
    leaves = _leaves(wiring, wrt)
    outputs = _nodes(wiring, of, wiring.outputs, "")
    lifted = Lifted(wiring)
    terms: list[Term] = []
    for name in outputs:
        terms += lifted.reverse({lifted.values[name]: 1.0}, [lifted.values[each] for each in leaves])
    names = [_quotient(name, each) for name in outputs for each in leaves]
    told = {"order": 1, "of": outputs, "wrt": leaves}
    return _written(lifted, terms, names, f"Jacobian of {', '.join(outputs[:4])}", told)


def hessian(wiring: Wiring, of: str | None, wrt: str | Iterable[str] | None) -> Document:
    """The document that computes second derivatives; see :meth:`mgraph.graph.Graph.hessian`."""
    leaves = _leaves(wiring, wrt)
    if of is None and len(wiring.outputs) != 1:
        raise ReplayError(f"the graph has {len(wiring.outputs)} outputs; say of which")
    name = wiring.resolve(wiring.outputs[0] if of is None else of)
    lifted = Lifted(wiring)
    values = [lifted.values[each] for each in leaves]
    terms: list[Term] = []
    names = []
    for k, first in enumerate(lifted.reverse({lifted.values[name]: 1.0}, values)):
        terms += lifted.reverse({first: 1.0}, values[k:]) if isinstance(first, Value) else [0.0] * len(values[k:])
        names += [_quotient(name, leaves[k], each) for each in leaves[k:]]
    return _written(lifted, terms, names, f"Hessian of {name}", {"order": 2, "of": [name], "wrt": leaves})


def jvp(wiring: Wiring, tangents: Mapping[str, float]) -> Document:
    """The document that computes a directional derivative; see :meth:`mgraph.graph.Graph.jvp`."""
    numbers = wiring.by_id(tangents)
    leaves = _leaves(wiring, numbers, " along")
    lifted = Lifted(wiring)
    directions: dict[Value, Term] = {lifted.values[name]: real(numbers[name], name) for name in leaves}
    terms = lifted.forward(directions, [lifted.values[name] for name in wiring.outputs])
    names = [f"d{name}" if name.isidentifier() else f"d({name})" for name in wiring.outputs]
    return _written(lifted, terms, names, f"Derivative along {', '.join(leaves[:4])}")
