"""Python read into LLVM's language: how the compiled engine comes to do what the reference does.

What is read is the source of ordinary annotated functions, in a small subset of Python: numbers, tuples of them, arrays
and dataclasses (see :mod:`mgraph.replaying.compiled.native`); assignment, ``if``, ``while``, ``for`` over a range,
``return``; arithmetic, comparisons, calls.

Some values are known while a function is translated: constants, globals, parameters that are ``Fixed``. What follows
from them is computed there and then; an ``if`` on them keeps one branch, and a ``for`` over a tuple of them is written
out, once an element. So a loop over the op table becomes a branch an op, and a loop over a width of 1 its body.
"""

from __future__ import annotations

import ast
import builtins
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llvmlite import ir

from mgraph.replaying.compiled.instructions import Instructions
from mgraph.replaying.compiled.native import (
    BITS,
    DOUBLE,
    LONG,
    Pointer,
    Record,
    Source,
    Value,
    known,
    leaves,
    shaped,
    signature,
    source,
)

_EXTERNAL: dict[Any, str] = {
    abs: "llvm.fabs.f64",
    math.copysign: "llvm.copysign.f64",
    math.floor: "llvm.floor.f64",
    math.sqrt: "llvm.sqrt.f64",
} | {getattr(math, name): name for name in ("exp", "expm1", "log", "log1p", "tanh", "sin", "cos", "pow")}
"""Functions of doubles by the name that LLVM or the C library has for them."""
_CONVERSIONS: dict[Any, tuple[str, ir.Type]] = {float: ("sitofp", DOUBLE), int: ("fptosi", LONG)} | BITS


class Module:
    """A module of LLVM's, to which functions are added when they are first called.

    ``instead`` says what is called in place of a function; ``outside`` finds the address of one that is machine code
    already, or None.
    """

    def __init__(self, instead: Mapping[Any, Any], outside: Callable[[Any], int | None]) -> None:
        self.ir = ir.Module("mgraph")
        self.instead = instead
        self.outside = outside
        self._functions: dict[tuple[Any, ...], ir.Function] = {}
        self._tables: dict[int, Pointer] = {}

    def function(self, function: Any, fixed: Mapping[str, Any]) -> ir.Function:
        """The function, translated for these values of its fixed parameters."""
        key = (function, *fixed.values())
        if key not in self._functions:
            read, name = source(function), function.__name__
            kinds = [kind for kind in leaves(tuple(read.parameters.values())) if kind is not None]
            # The prefix, because LLVM thinks that it knows what a function called exp does.
            made = ir.Function(self.ir, signature(kinds, read.result), f"mgraph.{name}.{len(self._functions)}")
            made.linkage = "internal"
            made.attributes.add("nounwind")
            if name.endswith("_accurate") or any(isinstance(kind, tuple) for kind in read.parameters.values()):
                made.attributes.add("noinline")  # rare cases, which would cost the common one its registers
            for argument, kind in zip(made.args, kinds, strict=True):
                if isinstance(kind, Pointer):
                    argument.add_attribute("noalias")
            self._functions[key] = made
            _Body(self, read, made).translate(fixed)
        return self._functions[key]

    def external(self, name: str, arity: int) -> ir.Function:
        """A function of doubles that LLVM or the C library has."""
        found = self.ir.globals.get(name)
        return found or ir.Function(self.ir, signature([DOUBLE] * arity, DOUBLE), name)

    def table(self, numbers: tuple[float, ...]) -> Pointer:
        """A constant array."""
        if id(numbers) not in self._tables:
            kind = ir.ArrayType(DOUBLE, len(numbers))
            made = ir.GlobalVariable(self.ir, kind, f"table.{len(self._tables)}")
            made.linkage, made.global_constant, made.initializer = "internal", True, ir.Constant(kind, numbers)
            self._tables[id(numbers)] = Pointer(DOUBLE, made)
        return self._tables[id(numbers)]


class _Body(ast.NodeVisitor):
    """A function in translation: visiting a statement adds it, visiting an expression adds it and returns its value.

    ``names`` has a place for each local name: a variable, a tuple of places, or the value itself if it is no number.
    """

    def __init__(self, module: Module, read: Source, function: ir.Function) -> None:
        self.module, self.read, self.function = module, read, function
        self.emit = Instructions(function)
        self.build = self.emit.build
        self.names: dict[str, Any] = {}

    def translate(self, fixed: Mapping[str, Any]) -> None:
        """The whole function."""
        arguments = iter(self.function.args)
        for name, kind in self.read.parameters.items():
            self.names[name] = fixed[name] if kind is None else self.emit.stored(None, shaped(kind, arguments))
        self._all(self.read.body)
        self.emit.finish()

    def _all(self, statements: Sequence[ast.stmt]) -> None:
        for statement in statements:
            if not self.emit.ended:
                self.visit(statement)

    def generic_visit(self, node: ast.AST) -> None:
        raise NotImplementedError(f"{type(node).__name__} is not in the subset of Python that becomes machine code")

    # Statements

    def visit_Expr(self, node: ast.Expr) -> None:
        self.visit(node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        x = self.visit(node.value)
        for target in node.targets:
            self._assign(target, x)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._assign(node.target, self.emit.computed(type(node.op), self.visit(node.target), self.visit(node.value)))

    def _assign(self, target: ast.expr, x: Value) -> None:
        match target:
            case ast.Name(id=name):
                self.names[name] = self.emit.stored(self.names.get(name), x)
            case ast.Tuple(elts=targets):
                for each, part in zip(targets, x, strict=True):
                    self._assign(each, part)
            case ast.Subscript(value=array, slice=index):
                self.emit.stored(self.emit.element(self.visit(array), self.visit(index)), x)
            case _:
                self.generic_visit(target)

    def visit_Return(self, node: ast.Return) -> None:
        assert node.value is not None
        found = leaves(self.visit(node.value))
        parts = [self.emit.converted(kind, x) for kind, x in zip(leaves(self.read.result), found, strict=True)]
        if len(parts) == 1:
            self.build.ret(parts[0])
            return
        struct = ir.Constant(self.function.ftype.return_type, ir.Undefined)
        for k, part in enumerate(parts):
            struct = self.build.insert_value(struct, part, k)
        self.build.ret(struct)

    def visit_If(self, node: ast.If) -> None:
        test = self.visit(node.test)
        if known(test):
            self._all(node.body if test else node.orelse)
            return
        with self.build.if_else(self.emit.truth(test)) as (then, otherwise):
            with then:
                self._all(node.body)
            with otherwise:
                self._all(node.orelse)

    def visit_While(self, node: ast.While) -> None:
        self._repeat(lambda: self.visit(node.test), lambda: self._all(node.body))

    def visit_For(self, node: ast.For) -> None:
        match node.iter, node.target:
            case ast.Call(func=ast.Name(id="range"), args=limits), target:
                self._count(target, [self.visit(limit) for limit in limits], node.body)
            case _, ast.Name(id=name):
                for each in self.visit(node.iter):
                    self.names[name] = each
                    self._all(node.body)
            case _:
                self.generic_visit(node)

    def _count(self, target: ast.expr, limits: list[Value], body: Sequence[ast.stmt]) -> None:
        first, last, step = (0, *limits, 1) if len(limits) == 1 else (*limits, 1)[:3]
        counter = self.emit.stored(None, first)

        def test() -> Value:
            at = self.emit.loaded(counter)
            up, down = (self.emit.truth(self.emit.compared(sign, at, last)) for sign in (ast.Lt, ast.Gt))
            return self.build.select(self.emit.truth(self.emit.compared(ast.Gt, step, 0)), up, down)

        def turn() -> None:
            self._assign(target, self.emit.loaded(counter))
            self._all(body)
            self.emit.stored(counter, self.emit.computed(ast.Add, self.emit.loaded(counter), step))

        self._repeat(test, turn)

    def _repeat(self, test: Callable[[], Value], turn: Callable[[], None]) -> None:
        head, body, end = (self.function.append_basic_block() for _ in range(3))
        self.build.branch(head)
        self.build.position_at_end(head)
        self.build.cbranch(self.emit.truth(test()), body, end)
        self.build.position_at_end(body)
        turn()
        self.build.branch(head)
        self.build.position_at_end(end)

    # Expressions

    def visit_Constant(self, node: ast.Constant) -> Value:
        return node.value

    def visit_Name(self, node: ast.Name) -> Value:
        if node.id in self.names:
            return self.emit.loaded(self.names[node.id])
        return self.read.names[node.id] if node.id in self.read.names else getattr(builtins, node.id)

    def visit_Attribute(self, node: ast.Attribute) -> Value:
        of = self.visit(node.value)
        return of.parts[node.attr] if isinstance(of, Record) else getattr(of, node.attr)

    def visit_Tuple(self, node: ast.Tuple) -> Value:
        return tuple(map(self.visit, node.elts))

    def visit_Subscript(self, node: ast.Subscript) -> Value:
        of, index = self.visit(node.value), self.visit(node.slice)
        if isinstance(of, tuple):
            if known(index):
                return of[index]
            of = self.module.table(of)
        x = self.emit.loaded(self.emit.element(of, index))
        return x if x.type == DOUBLE else self.emit.converted(LONG, x)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Value:
        x = self.visit(node.operand)
        return self.emit.inverted(x) if isinstance(node.op, ast.Not) else self.emit.negated(x)

    def visit_BinOp(self, node: ast.BinOp) -> Value:
        return self.emit.computed(type(node.op), self.visit(node.left), self.visit(node.right))

    def visit_Compare(self, node: ast.Compare) -> Value:
        numbers = [self.visit(each) for each in (node.left, *node.comparators)]
        pairs = zip(node.ops, numbers, numbers[1:], strict=False)
        return self.emit.joined(ast.And, [self.emit.compared(type(sign), x, y) for sign, x, y in pairs])

    def visit_BoolOp(self, node: ast.BoolOp) -> Value:
        decisive = isinstance(node.op, ast.Or)  # having found this, Python looks no further
        found = self.visit(node.values[0])
        for each in node.values[1:]:
            if known(found):
                if bool(found) == decisive:
                    return found
                found = self.visit(each)
                continue
            place = self.emit.stored(None, self.emit.truth(found))
            test = self.emit.loaded(place)
            with self.build.if_then(self.build.not_(test) if decisive else test):
                self.emit.stored(place, self.emit.truth(self.visit(each)))
            found = self.emit.loaded(place)
        return found

    def visit_IfExp(self, node: ast.IfExp) -> Value:
        test = self.visit(node.test)
        if known(test):
            return self.visit(node.body if test else node.orelse)
        with self.build.if_else(self.emit.truth(test)) as (then, otherwise):
            with then:
                place = self.emit.stored(None, self.visit(node.body))
            with otherwise:
                self.emit.stored(place, self.visit(node.orelse))
        return self.emit.loaded(place)

    def visit_Call(self, node: ast.Call) -> Value:
        function, arguments = self.visit(node.func), [self.visit(each) for each in node.args]
        function = self.module.instead.get(function, function)
        if function in _CONVERSIONS:
            instruction, kind = _CONVERSIONS[function]
            return getattr(self.build, instruction)(self.emit.number(arguments[0]), kind)
        if function in _EXTERNAL:
            doubles = [self.emit.double(x) for x in arguments]
            return self.build.call(self.module.external(_EXTERNAL[function], len(doubles)), doubles)
        read = source(function)
        given = dict(zip(read.parameters, arguments, strict=True))
        fixed = {name: given.pop(name) for name, kind in read.parameters.items() if kind is None}
        found = self.build.call(self._callee(function, read, fixed), self._passed(read, given))
        if not isinstance(read.result, tuple):
            return found
        return shaped(read.result, (self.build.extract_value(found, k) for k in range(len(leaves(read.result)))))

    def _callee(self, function: Any, read: Source, fixed: Mapping[str, Any]) -> ir.Value:
        address = self.module.outside(function)
        if address is None:
            return self.module.function(function, fixed)
        kind = signature(list(read.parameters.values()), read.result)
        return self.build.inttoptr(ir.Constant(LONG, address), kind.as_pointer())

    def _passed(self, read: Source, given: Mapping[str, Value]) -> list[ir.Value]:
        kinds = leaves(tuple(read.parameters[name] for name in given))
        pairs = zip(kinds, leaves(tuple(given.values())), strict=True)
        return [x.address if isinstance(kind, Pointer) else self.emit.converted(kind, x) for kind, x in pairs]
