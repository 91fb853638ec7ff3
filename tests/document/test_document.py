"""Format 1: what is refused and in which words, the schema, canonical bytes, and bytes on disk."""

from __future__ import annotations

import gzip
import importlib.util
import json
import math
import os
import random
import resource
import struct
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest
import rfc8785
from conftest import EACH_SAMPLE, ROOT, random_document, sample_script
from hypothesis import given
from hypothesis import strategies as st

import mgraph
from mgraph import DocumentError, FileError, Graph, Value, load, loads
from mgraph.arithmetic.ops import LEAVES, OPS, unknown_op
from mgraph.document import model, strict_json
from mgraph.document.canonical import canonical
from mgraph.document.model import NAME_LIMIT, dump, parse, schema, schema_text
from mgraph.errors import CycleError, VersionError
from mgraph.files import svg

A = '{"id": "a", "op": "input", "data": 0.5}'
VALIDATOR = jsonschema.Draft202012Validator(schema())


def nodes(*texts: str, more: str = "") -> str:
    return f'{{"mgraph": 1, "nodes": [{", ".join(texts)}]{more}}}'


def node(text: str) -> str:
    return nodes(A, "{" + text + "}")


NUMBER = 'expected a number, or "NaN", "Infinity" or "-Infinity" as a string, got '
KNOWN = f"This mgraph knows {', '.join((*LEAVES, *OPS))}; a newer mgraph may know more."
KEYS = "Allowed here: id, op, args, data, grad, label, scope, source"
LONG = "x" * 10_000_000

# What no document may be: the text, the exact message, and whether the schema can say so too.
BAD = [
    # not JSON, or not the JSON of a document
    ("", "empty: a document is a JSON object, such as the ones in samples/", None),
    ("  \n", "empty: a document is a JSON object, such as the ones in samples/", None),
    ("hello", "not JSON: unexpected character, expected a JSON value, at line 1, column 1", None),
    ('{"mgraph": 1,\n "nodes": [', "not JSON: it ends in the middle, at line 2, column 12 (cut short?)", None),
    ('{"mgraph": 1,}', "not JSON: trailing comma is not allowed, at line 1, column 13", None),
    (
        "[" * 100_000,
        "line 1, column 1,026: nested deeper than 1,000 levels; a document needs 4, its meta at most 100",
        None,
    ),
    (
        node('"id": "b", "op": "input", "data": NaN'),
        'line 1, column 101: NaN is not JSON; write it as the string "NaN"',
        None,
    ),
    (
        node('"id": "b", "op": "input", "data": -NaN'),
        'line 1, column 101: -NaN is not JSON; write it as the string "NaN"',
        None,
    ),
    (
        node('"id": "b", "op": "input", "data": -Infinity'),
        'line 1, column 101: -Infinity is not JSON; write it as the string "-Infinity"',
        None,
    ),
    (
        node('"id": "b", "op": "input", "data": 1e999'),
        "line 1, column 101: a number past binary64 (whose largest is about 1.797e308); an infinity is the string"
        ' "Infinity"',
        None,
    ),
    (
        node(f'"id": "b", "op": "input", "data": 1{"0" * 400}'),
        "line 1, column 101: a number past binary64 (whose largest is about 1.797e308); an infinity is the string"
        ' "Infinity"',
        None,
    ),
    (node('"id": "b\\ud800", "op": "input"'), "not JSON: no low surrogate in string, at line 1, column 75", None),
    ("[1]", "$: a document is a JSON object, not a list", True),
    ('"1"', "$: a document is a JSON object, not '1'", True),
    # versions
    ('{"nodes": []}', '$: not an mgraph document: the key "mgraph" (the format\'s version, 1) is missing', True),
    ('{"mgraph": 0}', "$.mgraph: there is no format 0; the first is 1", True),
    (
        '{"mgraph": 2, "nodes": 7}',
        "$.mgraph: this document is of format 2; this mgraph reads format 1. Install an mgraph that reads format 2",
        True,
    ),
    ('{"mgraph": true}', "$.mgraph: the format's version is the integer 1, not true", True),
    ('{"mgraph": "1"}', "$.mgraph: the format's version is the integer 1, not '1'", True),
    # the document's keys
    ('{"mgraph": 1}', "$: the key 'nodes' is missing", True),
    (nodes(), "$.nodes: the graph is empty: it needs at least one node", True),
    ('{"mgraph": 1, "nodes": {}}', "$.nodes: expected a list of nodes, got an object", True),
    (nodes("3"), "$.nodes[0]: expected a node: an object with an id and an op, got 3", True),
    (
        nodes(A, more=', "titel": "x"'),
        "$.titel: unknown key. Did you mean 'title'? Allowed here: mgraph, title, nodes, outputs, seeds, tolerance, meta",
        True,
    ),
    (nodes(A, more=', "title": null'), "$.title: expected text, got null", True),
    (
        nodes(A, more=f', "title": "{LONG}"'),
        "$.title: a text of 10,000,000 characters; at most 10,000 are allowed here",
        True,
    ),
    (nodes(A, more=', "outputs": "a"'), "$.outputs: expected a list of node ids, got 'a'", True),
    (nodes(A, more=', "outputs": []'), "$.outputs: at least one is needed", True),
    (nodes(A, more=', "outputs": [1]'), "$.outputs[0]: expected text, got 1", True),
    (nodes(A, more=', "outputs": ["b"]'), "$.outputs[0]: there is no node 'b'.", None),
    (nodes(A, more=', "outputs": ["a", "a"]'), "$.outputs[1]: the output 'a' is repeated", True),
    (nodes(A, more=', "seeds": ["a"]'), "$.seeds: expected an object, got a list", True),
    (nodes(A, more=', "seeds": {"a": true}'), f"$.seeds.a: {NUMBER}true", True),
    (nodes(A, more=', "seeds": {"aa": 1}'), "$.seeds: there is no node 'aa'. Did you mean 'a'?", None),
    (nodes(A, more=', "tolerance": 4'), "$.tolerance: expected an object, got 4", True),
    (nodes(A, more=', "tolerance": {"ulps": -1}'), "$.tolerance.ulps: expected an integer of at least 0, got -1", True),
    (
        nodes(A, more=', "tolerance": {"ulps": 1.5}'),
        "$.tolerance.ulps: expected an integer of at least 0, got 1.5",
        True,
    ),
    (nodes(A, more=', "meta": [1]'), "$.meta: expected an object, got a list", True),
    (
        nodes(A, more=', "meta": {"n": [9007199254740992]}'),
        "$.meta.n[0]: an integer past 2**53 - 1 is not exact in JSON; write it as a string",
        None,
    ),
    (
        nodes(A, more=', "meta": {"n": {"a b": [1e300, -18446744073709551617]}}'),
        "$.meta.n['a b'][1]: an integer past 2**53 - 1 is not exact in JSON; write it as a string",
        None,
    ),
    (
        nodes(A, more=f', "meta": {{"n": 1{"0" * 308}}}'),
        "$.meta.n: an integer past 2**53 - 1 is not exact in JSON; write it as a string",
        None,
    ),
    (nodes(A, more=f', "meta": {{"d": {"[" * 150}{"]" * 150}}}'), "$.meta.d" + "[0]" * 24 + "…: nested too deep", None),
    # a node's keys
    (node('"op": "input"'), "$.nodes[1]: the key 'id' is missing", True),
    (node('"id": "b"'), "$.nodes[1] (node 'b'): the key 'op' is missing", True),
    (node('"id": "", "op": "input"'), "$.nodes[1].id: an empty text is not allowed here", True),
    (node('"id": 3, "op": "input"'), "$.nodes[1].id: expected text, got 3", True),
    (
        node(f'"id": "{LONG}", "op": "input"'),
        f"$.nodes[1].id (node '{'x' * 40}'… (10,000,000 characters)): a text of 10,000,000 characters; at most 1,000 are"
        " allowed here",
        True,
    ),
    (node('"id": "b", "op": "input", "colour": 1'), f"$.nodes[1].colour (node 'b'): unknown key. {KEYS}", True),
    (
        node('"id": "b", "op": "input", "lable": "x"'),
        f"$.nodes[1].lable (node 'b'): unknown key. Did you mean 'label'? {KEYS}",
        True,
    ),
    (node('"id": "b", "op": "input", "label": 5'), "$.nodes[1].label (node 'b'): expected text, got 5", True),
    (node('"id": "b", "op": "input", "data": true'), f"$.nodes[1].data (node 'b'): {NUMBER}true", True),
    (node('"id": "b", "op": "input", "data": "1.5"'), f"$.nodes[1].data (node 'b'): {NUMBER}'1.5'", True),
    (node('"id": "b", "op": "input", "data": "nan"'), f"$.nodes[1].data (node 'b'): {NUMBER}'nan'", True),
    (node('"id": "b", "op": "input", "data": null'), f"$.nodes[1].data (node 'b'): {NUMBER}null", True),
    (node('"id": "b", "op": "input", "grad": [1]'), f"$.nodes[1].grad (node 'b'): {NUMBER}a list", True),
    (node('"id": "b", "op": "constant"'), "$.nodes[1] (node 'b'): the key 'data' is missing", True),
    (
        node('"id": "b", "op": "constant", "data": 1, "grad": 1'),
        "$.nodes[1].grad (node 'b'): a constant gets no gradient",
        True,
    ),
    # ops and operands
    (
        node('"id": "b", "op": "tahn", "args": ["a"]'),
        f"$.nodes[1] (node 'b'): unknown op 'tahn'. Did you mean 'tanh'? {KNOWN}",
        True,
    ),
    (
        node('"id": "b", "op": "gelu", "args": ["a"]'),
        f"$.nodes[1] (node 'b'): unknown op 'gelu'. Did you mean 'relu'? {KNOWN}",
        True,
    ),
    (node('"id": "b", "op": "__import__"'), f"$.nodes[1] (node 'b'): unknown op '__import__'. {KNOWN}", True),
    (node('"id": "b", "op": 3'), "$.nodes[1] (node 'b'): 'op' is text, not 3", True),
    (
        node('"id": "b", "op": "input", "args": ["a"]'),
        "$.nodes[1].args (node 'b'): an input, parameter or constant takes no operands",
        True,
    ),
    (node('"id": "b", "op": "tanh"'), "$.nodes[1] (node 'b'): the key 'args' is missing", True),
    (
        node('"id": "b", "op": "tanh", "args": "a"'),
        "$.nodes[1].args (node 'b'): expected a list of operands, got 'a'",
        True,
    ),
    (node('"id": "b", "op": "tanh", "args": []'), "$.nodes[1].args (node 'b'): this op takes 1 operand, not 0", True),
    (
        node('"id": "b", "op": "tanh", "args": ["a", "a"]'),
        "$.nodes[1].args (node 'b'): this op takes 1 operand, not 2",
        True,
    ),
    (
        node('"id": "b", "op": "mul", "args": ["a"]'),
        "$.nodes[1].args (node 'b'): this op takes 2 operands, not 1",
        True,
    ),
    (
        node('"id": "b", "op": "mul", "args": ["a", true]'),
        "$.nodes[1].args[1] (node 'b'): expected an operand: a node's id or a finite number, got true",
        True,
    ),
    (
        node('"id": "b", "op": "mul", "args": ["a", "NaN"]'),
        "$.nodes[1].args[1] (node 'b'): there is no node 'NaN'.",
        None,
    ),
    (
        node('"id": "b", "op": "mul", "args": ["aa", 2]'),
        "$.nodes[1].args[0] (node 'b'): there is no node 'aa'. Did you mean 'a'?",
        None,
    ),
    # the wiring
    (node('"id": "a", "op": "input"'), "$.nodes[1].id (node 'a'): the id is taken: $.nodes[0] has it too", None),
    (
        nodes('{"id": "caf\\u00e9", "op": "input"}', '{"id": "cafe\\u0301", "op": "input"}'),
        "$.nodes[1].id (node 'cafe\u0301'): the id looks like that of $.nodes[0]: 'cafe\\u0301' and 'caf\\xe9' differ only in"
        " Unicode normalisation",
        None,
    ),
    (
        nodes(
            A,
            '{"id": "c", "op": "add", "args": ["a", "e"]}',
            '{"id": "d", "op": "tanh", "args": ["c"]}',
            '{"id": "e", "op": "neg", "args": ["d"]}',
        ),
        "$.nodes: 3 nodes depend on themselves: c -> d -> e -> c",
        None,
    ),
    (node('"id": "b", "op": "mul", "args": ["b", "a"]'), "$.nodes: a node depends on itself: b -> b", None),
    (
        '{"mgraph": 1, "nodes": [{"id": "k", "op": "constant", "data": 1}], "seeds": {"k": 1}}',
        "$.seeds (node 'k'): a constant gets no gradient, so it cannot be a seed",
        None,
    ),
    # keys and texts that could be taken for something else
    (
        nodes(A, more=f', "seeds": {{"{"x" * 1001}": 1}}'),
        "$.seeds: a text of 1,001 characters; at most 1,000 are allowed here",
        True,
    ),
    (node('"id": "b", "op": "input", "input": 3'), f"$.nodes[1].input (node 'b'): unknown key. {KEYS}", True),
    (
        node('"id": "b", "op": "neg", "args": [true], "neg": [1]'),
        "$.nodes[1].args[0] (node 'b'): expected an operand: a node's id or a finite number, got true",
        True,
    ),
    (
        node('"id": "b", "op": "neg", "args": [""]'),
        "$.nodes[1].args[0] (node 'b'): there is no node ''.",
        True,
    ),
    (
        nodes('{"id": "\\u001b[31mA", "op": "neg", "args": ["\\u001b[31mA"]}'),
        "$.nodes: a node depends on itself: '\\x1b[31mA' -> '\\x1b[31mA'",
        None,
    ),
    (
        node('"id": "b", "op": "add", "args": [-0,-0],"data": NaN'),
        'line 1, column 115: NaN is not JSON; write it as the string "NaN"',
        None,
    ),
    # repeated keys
    ('{"mgraph": 1, "mgraph": 1, "nodes": [' + A + "]}", "$: the key 'mgraph' is repeated", None),
    (node('"id": "b", "op": "input", "data": 1, "data": 2'), "$.nodes[1]: the key 'data' is repeated", None),
    (
        node('"id": "b:\\":", "op": "input", "data" : 1, "d\\u0061ta": 2'),
        "$.nodes[1]: the key 'data' is repeated",
        None,
    ),
    (
        node('"id": "b:\\":", "op": "input", "label": "a\\":b", "data" :1, "data":2'),
        "$.nodes[1]: the key 'data' is repeated",
        None,
    ),
    (nodes(A, more=', "meta": {"x": {"y": 1, "y": ":"}}'), "$.meta.x: the key 'y' is repeated", None),
    (nodes(A, more=', "seeds": {"a": 1, "a": 1}'), "$.seeds: the key 'a' is repeated", None),
]


def short(text: str) -> str:
    return text if len(text) < 60 else text[:60] + "…"


@pytest.mark.parametrize(("text", "message", "schema_too"), BAD, ids=[short(message) for _, message, _ in BAD])
def test_bad_documents_are_refused_in_exact_words(text: str, message: str, schema_too: bool | None) -> None:
    with pytest.raises(DocumentError) as refused:
        loads(text)
    assert str(refused.value) == message
    if schema_too:
        assert not VALIDATOR.is_valid(json.loads(text)), "the schema accepts it"


def test_the_errors_are_of_their_kinds() -> None:
    with pytest.raises(VersionError):
        loads('{"mgraph": 2}')
    with pytest.raises(CycleError) as cyclic:
        loads(nodes('{"id": "c", "op": "neg", "args": ["d"]}', '{"id": "d", "op": "tanh", "args": ["c"]}'))
    assert cyclic.value.cycle == ["c", "d", "c"]
    assert issubclass(CycleError, DocumentError) and issubclass(VersionError, DocumentError)


def test_a_long_cycle_is_named_in_short() -> None:
    ring = [f'{{"id": "r{k}", "op": "neg", "args": ["r{(k - 1) % 1000}"]}}' for k in range(1000)]
    with pytest.raises(CycleError) as cyclic:
        loads(nodes(*ring))
    assert str(cyclic.value).endswith("r0 -> r1 -> r2 -> r3 -> r4 -> r5 -> … -> r996 -> r997 -> r998 -> r999 -> r0")
    assert len(cyclic.value.cycle) == 1001


def test_bytes_that_are_not_utf8_json() -> None:
    for raw, message in (
        (b"\xef\xbb\xbf{}", "it starts with a byte order mark (EF BB BF)"),
        ('{"mgraph": 1}'.encode("utf-16"), "not UTF-8 (it looks like UTF-16 or UTF-32)"),
        ('{"mgraph": 1}'.encode("utf-16-le"), "not UTF-8 (it looks like UTF-16 or UTF-32)"),
        (b'{"mgraph": 1,\n"title": "\xff"}', "not UTF-8: byte 0xFF at offset 24 (line 2)"),
    ):
        with pytest.raises(DocumentError) as refused:
            loads(raw)
        assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    "text",
    [
        node('"id": "b", "op": "input", "data": 3'),
        node('"id": "b", "op": "input", "data": "NaN", "grad": "-Infinity"'),
        node('"id": "b:", "op": "input", "label": ": \\"x\\": ", "source" : "cell 3:4"'),
        node('"id": "b", "op": "pow", "args": ["a", 2]'),
        node('"id": "b", "op": "input", "data": 1e-0, "grad": 1E-0'),
        nodes(
            '{"id": "b", "op": "mul", "args": ["a", "a"]}', A, more=', "meta": {"any": [null, true, {"x": -0.5e-7}]}'
        ),
        nodes(A, more=', "tolerance": {"ulps": 4}, "seeds": {"a": 2}, "outputs": ["a"], "title": ""'),
    ],
)
def test_good_documents_load_and_fit_the_schema(text: str) -> None:
    graph = loads(text)
    VALIDATOR.validate(json.loads(text))
    VALIDATOR.validate(json.loads(graph.to_bytes()))
    assert loads(graph.to_bytes()).to_bytes() == graph.to_bytes()


def test_numbers_in_meta_stay_what_they_are() -> None:
    for text in ("9007199254740991", "-9007199254740991", "1e300", "-1.5e19", "9.3e18", "18446744073709551616.0"):
        kept = loads(nodes(A, more=f', "meta": {{"n": [{text}]}}')).meta["n"][0]
        assert kept == json.loads(text) and type(kept) is type(json.loads(text))
    for made in (2**53, -(2**63), 2**64, 10**400):
        with pytest.raises(DocumentError, match=r"\$\.meta\.n: an integer past"):
            mgraph.record(Value(1.0), meta={"n": made})


@pytest.mark.parametrize("zero", ["-0.0", "-0", "-0e5", "-0.0e-3"])
def test_negative_zero_survives(zero: str) -> None:
    graph = loads(
        nodes(f'{{"id": "a-0,", "op": "input", "data": {zero}}}', '{"id": "b", "op": "mul", "args": ["a-0,", -0 ]}')
    )
    assert math.copysign(1, graph.data["a-0,"]) == -1
    again = loads(graph.to_bytes())
    assert math.copysign(1, again.data["a-0,"]) == math.copysign(1, again.document["nodes"][1]["args"][1]) == -1


@given(st.lists(st.floats(), min_size=1))
def test_every_double_round_trips_to_the_bit(numbers: list[float]) -> None:
    values = [Value(x) for x in numbers]
    graph = mgraph.record(*values)
    again = loads(graph.to_bytes())
    for x, y in zip(numbers, again.data.values(), strict=True):
        assert struct.pack("<d", x) == struct.pack("<d", y) or (x != x and y != y)


# The schema


def test_the_published_schema_is_the_models() -> None:
    assert (ROOT / "schemas" / "mgraph-1.schema.json").read_text() == schema_text(), (
        "run: mgraph schema > schemas/mgraph-1.schema.json"
    )
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("path", EACH_SAMPLE, ids=lambda p: p.name)
def test_samples_fit_the_schema(path: Path) -> None:
    raw = path.read_bytes()
    model = json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw)
    if len(model["nodes"]) > 1000:
        model["nodes"] = model["nodes"][:300] + model["nodes"][-300:]
    VALIDATOR.validate(model)


@pytest.mark.parametrize("name", OPS)
def test_the_schema_knows_each_ops_arity(name: str) -> None:
    for count in range(4):
        args = ["a"] * count
        text = json.dumps({"mgraph": 1, "nodes": [{"id": "b", "op": name, "args": args}]})
        assert VALIDATOR.is_valid(json.loads(text)) == (count == OPS[name].arity)


# Canonical bytes


@given(st.floats(allow_nan=False, allow_infinity=False) | st.floats(1e-9, 1e-3) | st.floats(1e14, 1e23))
def test_canonical_numbers_are_rfc_8785(x: float) -> None:
    graph = mgraph.record(Value(x, name="x"))
    expected = rfc8785.dumps(json.loads(graph.to_bytes()))
    if x == 0 and math.copysign(1, x) < 0:
        expected = expected.replace(b'"data":0', b'"data":-0.0')
    assert canonical(graph.document) == expected


def doubles() -> Iterator[float]:
    """Some of every binade, with all their digits and with few, and the neighbours of every power of ten."""
    stream = random.Random(8785)
    for power in range(-323, 309):
        yield from (math.nextafter(x := float(f"1e{power}"), 0), x, math.nextafter(x, math.inf))
    for exponent in range(-1074, 1024):
        for digits in (17, 17, 17, 9, 4, 1):
            x = math.ldexp(1 + stream.random(), exponent)
            yield from (x, -float(f"{x:.{digits}g}"), float(round(x)) if exponent < 70 else x)


@pytest.mark.slow
def test_numbers_of_every_size_are_spelled_as_ecmascript_does() -> None:
    finite = [x for x in doubles() if x and math.isfinite(x)]  # zeros have a sign here, and a test of their own
    nodes = [{"id": "x", "op": "input", "data": x, "grad": -x} for x in finite]
    nodes += [{"id": "y", "op": "add", "args": [x, -x]} for x in finite]
    for part in batched(nodes, 5_000):
        assert canonical({"mgraph": 1, "nodes": part}) == rfc8785.dumps({"mgraph": 1, "nodes": part})


def batched(listed: list, size: int) -> Iterator[list]:
    return (listed[k : k + size] for k in range(0, len(listed), size))


@pytest.mark.slow
@given(st.dictionaries(st.text(), st.none() | st.text() | st.integers(1 - 2**53, 2**53 - 1) | st.lists(st.text())))
def test_canonical_text_is_rfc_8785(meta: dict) -> None:
    graph = Graph({"mgraph": 1, "nodes": [{"id": "a", "op": "input"}], "meta": meta})
    assert canonical(graph.document) == rfc8785.dumps(json.loads(graph.to_bytes()))


def test_the_digest_tells_zeros_apart_and_nothing_else_about_layout() -> None:
    text = nodes('{"id": "a", "op": "input", "data": 0.0}', '{"id": "b", "op": "neg", "args": ["a"]}')
    plain = loads(text)
    assert plain.digest == loads(json.dumps(json.loads(text), indent=3)).digest
    assert plain.digest != loads(text.replace("0.0", "-0.0")).digest
    assert plain.digest.startswith("sha256:") and len(plain.digest) == 71
    assert parse(canonical(plain.document)) == plain.document


# Files


@pytest.mark.parametrize("path", EACH_SAMPLE, ids=lambda p: p.name)
def test_saving_what_was_loaded_gives_the_same_bytes(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / path.name
    load(path).save(copy)
    first, second = path.read_bytes(), copy.read_bytes()
    assert (gzip.decompress(first) == gzip.decompress(second)) if path.suffix == ".gz" else (first == second)


@pytest.mark.parametrize("path", EACH_SAMPLE, ids=lambda p: p.name)
def test_a_sample_is_what_its_script_makes(path: Path) -> None:
    raw = path.read_bytes()
    assert sample_script(path).build().to_bytes() == (gzip.decompress(raw) if path.suffix == ".gz" else raw)


def test_the_layout_is_one_node_a_line_whatever_the_texts() -> None:
    hostile = ['},{"id":', '","op":', ',"data":', '"', "\\", '{"id":', "\n", "},{"]
    values = [Value(1.0, name=text) for text in hostile]
    for value in values:
        value._scope = value.name
    graph = mgraph.record(*values, title=hostile[0], meta={h: h for h in hostile})
    assert orjson.loads(graph.to_bytes()) == graph.document
    lines = graph.to_bytes().split(b"\n")
    assert sum(line.startswith(b'    {"id": ') for line in lines) == len(hostile)


def test_a_chunk_boundary_does_not_show() -> None:
    values = [Value(float(k)) for k in range(2001)]
    graph = mgraph.record(*values)
    assert orjson.loads(dump(graph.document)) == graph.document


def test_gzip_is_told_by_its_bytes_and_written_by_name(tmp_path: Path) -> None:
    graph = load(ROOT / "samples" / "tanh.json")
    graph.save(tmp_path / "a.json.gz")
    assert (tmp_path / "a.json.gz").read_bytes()[:2] == b"\x1f\x8b"
    (tmp_path / "a.json.gz").rename(tmp_path / "b.json")
    assert load(tmp_path / "b.json").document == graph.document


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    cut = gzip.compress(b"{}" * 1000)[:-20]
    (tmp_path / "cut.gz").write_bytes(cut)
    (tmp_path / "bad.gz").write_bytes(b"\x1f\x8b" + b"rubbish" * 5)
    for name, message in (
        ("none.json", "there is no such file"),
        ("", "a directory, not a document"),
        ("cut.gz", "the gzip data ends in the middle (cut short?)"),
        ("bad.gz", "the gzip data is damaged: unknown compression method"),
    ):
        with pytest.raises(FileError) as refused:
            load(tmp_path / name)
        assert str(refused.value) == f"{tmp_path / name}: {message}".replace("/:", ":")
    with pytest.raises(FileError, match="cannot be read: embedded null byte"):
        load("a\0b")


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
def test_an_unreadable_file(tmp_path: Path) -> None:
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp())
    try:
        folder.chmod(0o755)
        secret = folder / "secret.json"
        secret.write_text(nodes(A))
        secret.chmod(0)
        code = "import os\nfrom mgraph import FileError\nfrom mgraph.files import atomic\nos.getuid() or os.setuid(65534)\n"
        code += f"try: atomic.read({str(secret)!r})\nexcept FileError as e: print(e)"
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    finally:
        shutil.rmtree(folder)
    assert run.stdout == f"{secret}: cannot be read: permission denied\n", run


def test_an_error_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text(nodes("3"))
    with pytest.raises(DocumentError) as refused:
        load(tmp_path / "bad.json")
    assert str(refused.value).startswith(f"{tmp_path / 'bad.json'}: $.nodes[0]: expected a node")


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "g.json"
    target.write_text("the old file")
    graph = mgraph.record(*[Value(float(k)) for k in range(5000)])
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, old[1]))  # as a full disk, and Python ignores SIGXFSZ
    try:
        with pytest.raises(FileError, match="cannot be written: file too large"):
            graph.save(target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert target.read_text() == "the old file"
    assert list(tmp_path.iterdir()) == [target]


def test_saving_follows_links_and_keeps_permissions(tmp_path: Path) -> None:
    target, link = tmp_path / "g.json", tmp_path / "link.json"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    mgraph.save(Value(1.0, name="x"), link)
    assert link.is_symlink() and target.stat().st_mode & 0o777 == 0o640
    assert load(target).inputs == ["x"]
    for place, message in ((tmp_path, "it is a directory"), (tmp_path / "no" / "g.json", "no such file or directory")):
        with pytest.raises(FileError, match=message):
            mgraph.save(Value(1.0), place)


# Doors


class Checks:
    """The model, which counts how often it is asked."""

    def __init__(self, model: Any) -> None:
        self.model, self.count = model, 0

    def validate_python(self, loaded: object) -> Any:
        self.count += 1
        return self.model.validate_python(loaded)


def test_what_comes_in_is_checked_once_and_what_mgraph_made_not_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = Value(0.5, name="a"), Value(2.0, name="b")
    root = (a * b).tanh()
    root.backward()
    graph = mgraph.record(root)
    graph.save(tmp_path / "g.json")
    cell = {"outputs": [{"data": {"application/vnd.mgraph+json": graph.document}}]}
    (tmp_path / "g.ipynb").write_text(json.dumps({"nbformat": 4, "cells": [cell]}))
    (tmp_path / "cppad.json").write_bytes(graph.export("cppad"))
    (tmp_path / "g.svg").write_bytes(svg.embed(b'<svg xmlns="http://www.w3.org/2000/svg"></svg>', graph.to_bytes()))
    run = graph.replay()
    once = {
        "record": lambda: mgraph.record(root),
        "trace": lambda: mgraph.trace(lambda x: x.exp(), x=1.0),
        "loads": lambda: loads(graph.to_bytes()),
        "from JSON data": lambda: Graph(graph.document),
        "from values": lambda: mgraph.from_values(root, meta={"more": 1}),
        **{name: lambda name=name: load(tmp_path / name) for name in ("g.json", "g.ipynb", "g.svg", "cppad.json")},
    }
    if importlib.util.find_spec("onnx"):
        (tmp_path / "g.onnx").write_bytes(graph.export("onnx"))
        once["g.onnx"] = lambda: load(tmp_path / "g.onnx")
    never = {
        "with_run": lambda: graph.with_run(run),
        "with_leaves": lambda: graph.with_leaves({"a": 0.7}),
        "slice": lambda: graph.slice(["n2"]),
        "replay of a part": lambda: graph.replay(outputs=["n2"]),
        "gradient": graph.gradient,
        "hessian": graph.hessian,
        "jvp": lambda: graph.jvp({"a": 1.0}),
        "verify": graph.verify,
        "diff": lambda: graph.diff(graph),
        "draw": lambda: graph.draw(run),
        "export": lambda: graph.export("python"),
    }
    checks = Checks(model._model)
    monkeypatch.setattr(model, "_model", checks)
    for times, calls in ((1, once), (0, never)):
        for name, call in calls.items():
            checks.count = 0
            call()
            assert checks.count == times, name


def test_a_cppad_graph_is_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cppad.json").write_bytes(mgraph.record(Value(0.5) * 2.0).export("cppad"))
    parsed: list[int] = []
    loading = strict_json.loads
    monkeypatch.setattr(strict_json, "loads", lambda raw: parsed.append(len(raw)) or loading(raw))
    load(tmp_path / "cppad.json")
    assert len(parsed) == 1


def test_what_mgraph_makes_would_pass_the_check() -> None:
    """Without a check of its own: names as long as they may be, and numbers that JSON lacks."""
    long = "x" * NAME_LIMIT
    for seed in range(12):
        made = random_document(seed)
        names = {node["id"]: node["id"] + long[len(node["id"]) :] for node in made["nodes"][:6]} if seed % 2 else {}
        for node in made["nodes"]:
            node["id"] = names.get(node["id"], node["id"])
            node["args"] = [names.get(a, a) for a in node.get("args", [])]
            if not node["args"]:
                del node["args"]
        graph = Graph(made)
        derived = [graph.gradient(), graph.jacobian(), graph.jvp(dict.fromkeys(graph.inputs[:2], 1.0))]
        derived += [each.gradient(of=each.outputs[0]) for each in derived[:1] if each.inputs]
        for each in [*derived, graph.with_run(graph.replay()), graph.with_leaves({}), graph.slice(graph.outputs[:1])]:
            assert Graph(each.document).digests == loads(each.to_bytes()).digests == each.digests
            assert Graph(each.document).to_bytes() == each.to_bytes()  # with its keys in order, too


# Recording


def test_ids_are_names_and_repeated_names_become_labels() -> None:
    x, y = Value(1.0, name="x"), Value(2.0, name="x")
    z = x * y + 3
    graph = mgraph.record(z)
    assert list(graph.index) == ["x", "n1", "n2", "n3"]
    assert graph.document["nodes"][1]["label"] == "x"
    assert graph.document["nodes"][3]["args"] == ["n2", 3.0]
    clash = mgraph.record(Value(1.0, name="n1") + Value(2.0))
    assert list(clash.index) == ["n1", "n1_", "n2"]


def test_what_is_recorded_depends_on_backward() -> None:
    x = Value(3.0, name="x")
    y = x * x
    assert "grad" not in mgraph.record(y).document["nodes"][0]
    y.backward(seed=2.0)
    graph = mgraph.record(y)
    assert graph.grad == {"x": 12.0, "n1": 2.0} and graph.seeds == {"n1": 2.0}
    (y * 2).backward()  # started from elsewhere: these gradients are not of y alone
    assert "grad" not in mgraph.record(y).document["nodes"][0]


def test_gradients_of_other_numbers_are_not_recorded() -> None:
    x = Value(2.0, name="x")
    y, z = x * 2, x * 3
    y.backward()
    z.backward()
    assert mgraph.record(y, z).grad == {}  # x.grad is z's alone
    y.backward()
    assert mgraph.record(y).grad == {"x": 2.0, "n1": 1.0}
    y.backward(accumulate=True)
    assert mgraph.record(y).grad == {}
    y.backward()
    x.grad = 0.0
    assert mgraph.record(y).grad == {}


def test_a_graph_keeps_its_own_meta_and_outputs() -> None:
    meta = {"k": [1]}
    graph = mgraph.record(Value(1.0), meta=meta)
    before = graph.to_bytes()
    meta["k"].append(math.nan)
    graph.outputs.append("zzz")
    assert graph.to_bytes() == before


def test_many_outputs_and_seeds_load_in_linear_time() -> None:
    many = [f"n{k}" for k in range(50_000)]
    model = {"mgraph": 1, "nodes": [{"id": n, "op": "input"} for n in many], "outputs": many}
    assert len(Graph(model | {"seeds": dict.fromkeys(many, 1.0)}).seeds) == 50_000
    with pytest.raises(DocumentError, match="the output 'n7' is repeated"):
        Graph(model | {"outputs": [*many, "n7"]})


def test_numbers_that_json_lacks_are_recorded() -> None:
    y = Value(math.inf, name="x") * math.nan
    graph = mgraph.record(y, 2.5)
    assert graph.document["nodes"][0]["data"] == "Infinity"
    assert [node["op"] for node in graph.nodes] == ["input", "constant", "mul", "constant"]
    assert graph.outputs == ["n2", "n3"] and math.isnan(graph.data["n2"])


def test_what_the_format_cannot_hold_is_refused() -> None:
    for call, message in (
        (lambda: mgraph.record(Value(1.0, name="\ud800")), "half a surrogate pair"),
        (lambda: mgraph.record(Value(1.0), meta={"x": {1: 2}}), r"\$\.meta\.x: a key is text, not 1"),
        (lambda: mgraph.record(Value(1.0), meta={"x": object}), r"\$\.meta\.x: not JSON"),
        (lambda: mgraph.record(Value(1.0), meta={"x": math.nan}), "not a finite number"),
        (lambda: mgraph.record(Value(1.0), meta="x"), r"^\$\.meta: expected an object, got 'x'$"),
        (lambda: mgraph.loads('{"mgraph": 1, "title": "\ud800"}'), "^not UTF-8: byte 0xED at offset 24"),
        (lambda: mgraph.record(Value(1.0), title="x" * 10_001), "a text of 10,001 characters"),
    ):
        with pytest.raises(DocumentError, match=message):
            call()
    with pytest.raises(TypeError, match="at least one value"):
        mgraph.record()
    for neither in (None, {"mgraph": 1}, memoryview(b"{}")):
        with pytest.raises(TypeError, match=r"^loads reads text or bytes, not \w+; load reads files$"):
            loads(neither)
    with pytest.raises(TypeError, match="a graph has its own"):
        mgraph.save(mgraph.record(Value(1.0)), "-", title="x")


def test_keys_that_are_not_text_are_refused_by_their_place() -> None:
    for more in ({"meta": {1: 2}}, {"seeds": {1: 1.0}}):
        with pytest.raises(DocumentError) as refused:
            Graph({"mgraph": 1, "nodes": [{"id": "a", "op": "input"}], **more})
        assert str(refused.value) == f"$.{next(iter(more))}: a key is text"
    for document, message in (
        ({"nodes": [{"id": "a", "op": "input"}], 1: 2}, "$: a key is text"),
        ({"nodes": [{"id": "a", "op": "input", 1: 2}]}, "$.nodes[0] (node 'a'): a key is text"),
        ({"nodes": [{"id": "a", "op": "input"}], "tolerance": {"ulps": 1, 1: 2}}, "$.tolerance: a key is text"),
    ):
        with pytest.raises(DocumentError) as refused:
            Graph({"mgraph": 1, **document})
        assert str(refused.value) == message
    with pytest.raises(DocumentError) as refused:
        mgraph.record(Value(1.0), meta=[1])
    assert str(refused.value) == "$.meta: expected an object, got a list"


def test_names_of_any_normal_form_are_fine_when_alone() -> None:
    name = unicodedata.normalize("NFD", "é")
    assert mgraph.record(Value(1.0, name=name)).inputs == [name]


def test_trace_records_functions_of_scalars() -> None:
    def f(x, w, y=2.0, *, flag=True, **rest):
        return (x * w[0] + w[1] * y).tanh() if flag else rest["k"]

    with pytest.warns(UserWarning, match=r"^no output depends on 'k' \(kept in the graph, with gradient 0\)"):
        graph = mgraph.trace(f, 0.5, [1.0, -1.0], k=3.0)
    assert graph.document["title"] == "f"
    assert graph.inputs == ["x", "w[0]", "w[1]", "y", "k"]
    assert graph.grad["x"] != 0 and len(graph.outputs) == 1
    several = mgraph.trace(lambda x: {"double": x * 2, "one": 1.0}, x=3.0)
    assert several.outputs == ["double", "one"] and several.constants == ["one"]
    with pytest.raises(TypeError, match="a real number is needed, not str"):
        mgraph.trace(lambda x: "no", x=1.0)


# Every error of a document


def every(document: object) -> list[str]:
    with pytest.raises(DocumentError) as refused:
        loads(json.dumps(document))
    return [str(refused.value), *map(str, refused.value.others)]


def test_every_error_of_the_structure_is_told_once() -> None:
    document = {
        "mgraph": 1,
        "title": 3,
        "nodes": [
            {"id": "a", "op": "input", "data": "1", "grad": True},
            {"id": "b", "op": "mul", "args": [None, True], "label": 4},
            {"id": "c", "op": "tanh", "args": ["a", "a"]},
            {"id": "d", "op": "tahn", "args": ["a"]},
        ],
        "outputs": ["a", 1],
        "colour": "red",
    }
    number = 'expected a number, or "NaN", "Infinity" or "-Infinity" as a string, got'
    assert every(document) == [
        "$.title: expected text, got 3",
        f"$.nodes[0].data (node 'a'): {number} '1'",
        f"$.nodes[0].grad (node 'a'): {number} true",
        "$.nodes[1].args[0] (node 'b'): expected an operand: a node's id or a finite number, got null",
        "$.nodes[1].args[1] (node 'b'): expected an operand: a node's id or a finite number, got true",
        "$.nodes[1].label (node 'b'): expected text, got 4",
        "$.nodes[2].args (node 'c'): this op takes 1 operand, not 2",
        f"$.nodes[3] (node 'd'): {unknown_op('tahn')}",
        "$.outputs[1]: expected text, got 1",
        "$.colour: unknown key. Allowed here: mgraph, title, nodes, outputs, seeds, tolerance, meta",
    ]


def test_every_error_of_the_wiring_is_told_once() -> None:
    document = {
        "mgraph": 1,
        "nodes": [
            {"id": "b", "op": "tanh", "args": ["aa"]},
            {"id": "a", "op": "constant", "data": 1.0},
            {"id": "a", "op": "mul", "args": ["x", "b"]},
        ],
        "outputs": ["a", "y", "a"],
        "seeds": {"z": 1.0},
    }
    assert every(document) == [
        "$.nodes[2].id (node 'a'): the id is taken: $.nodes[1] has it too",
        "$.nodes[0].args[0] (node 'b'): there is no node 'aa'. Did you mean 'a'?",
        "$.nodes[2].args[0] (node 'a'): there is no node 'x'.",
        "$.outputs[1]: there is no node 'y'.",
        "$.seeds: there is no node 'z'.",
        "$.outputs[2]: the output 'a' is repeated",
    ]


@pytest.mark.parametrize("wrong", [{"op": "tahn", "args": ["x0"]}, {"op": "tanh", "args": ["y0"]}], ids=str)
def test_the_errors_of_a_document_are_bounded(wrong: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    """And so are the searches for the nearest id, each of which takes as long as reading a thousand nodes."""
    asked = []
    monkeypatch.setattr("mgraph.document.wiring.nearest", lambda *words: asked.append(words) or "")
    nodes = [{"id": "x0", "op": "input", "data": 1.0}, *({"id": f"n{k}", **wrong} for k in range(3_000))]
    found = every({"mgraph": 1, "nodes": nodes})
    assert len(found) == 100 == len(set(found))
    assert len(asked) <= 20
