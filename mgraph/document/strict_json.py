"""JSON text read strictly: nothing lost, nothing guessed, every error with its line and column or JSON path.

orjson does the parsing. What it lets pass is caught here: a repeated key (parsers keep the last), ``-0`` (parsers
make it the integer 0), and values that JSON can hold but RFC 8785 cannot write.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import Any

import orjson

from mgraph.errors import DocumentError, repeated, shown

EXACT_INT = 2**53 - 1
"""Every integer up to here is a double of its own; free-form JSON holds no larger one (RFC 7493, section 2.2)."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_MINUS_ZERO = re.compile(rb"-0(?<![\d.eE+-]-0)(?=[\s,}\]])")  # begins with a literal, which is searched for fast
_STRING_OR_MINUS_ZERO = re.compile(rb'"(?:[^"\\]++|\\.)*+"|' + _MINUS_ZERO.pattern)


def loads(raw: bytes) -> Any:
    """Parse UTF-8 JSON. Raises DocumentError with line and column, or with what the bytes look like instead."""
    if not raw.strip():
        raise DocumentError("empty: a document is a JSON object, such as the ones in samples/")
    if raw.startswith(b"\xef\xbb\xbf"):
        raise DocumentError(
            "it starts with a byte order mark (EF BB BF), which JSON forbids (RFC 8259, section 8.1); save it as"
            " UTF-8 without BOM"
        )
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") or raw[:2].count(0):
        raise DocumentError("not UTF-8 (it looks like UTF-16 or UTF-32); save it as UTF-8")
    signed = raw
    if _MINUS_ZERO.search(raw):  # as printf("%.17g") writes a negative zero
        signed = _STRING_OR_MINUS_ZERO.sub(lambda m: b"-0.0" if m[0] == b"-0" else m[0], raw)
    try:
        if signed is not raw:
            orjson.loads(raw)  # so that a line and column are those of the file
        return orjson.loads(signed)
    except orjson.JSONDecodeError as error:
        raise _syntax_error(raw, error) from None


def as_browsers_do(raw: bytes) -> Any:
    """Parse the JSON of a notebook, which a browser may have written; None if it is not even that.

    There every number is a double, so an integer past 2**53 - 1 is one too: ``JSON.stringify(1e17)`` has no point and
    no exponent. The NaN and Infinity that Python's ``json`` writes are taken. An object that repeats a key is marked,
    for :func:`refuse_marked`.
    """
    import json

    try:
        return json.loads(raw, parse_int=_as_double, object_pairs_hook=_keep_repeated)
    except (ValueError, RecursionError):
        return None


def _as_double(digits: str) -> int | float:
    x = float(digits)
    return x if digits == "-0" or abs(x) > EXACT_INT else int(digits)


def _syntax_error(raw: bytes, error: orjson.JSONDecodeError) -> DocumentError:
    try:
        text = raw.decode()
    except UnicodeDecodeError as bad:
        line = raw.count(b"\n", 0, bad.start) + 1
        return DocumentError(f"not UTF-8: byte 0x{raw[bad.start]:02X} at offset {bad.start:,} (line {line:,})")
    signed = text[error.pos - 1 : error.pos] == "-"
    where = f"line {error.lineno:,}, column {error.colno - signed:,}"
    reason = error.msg.rsplit(": line ", 1)[0]
    if "depth" in reason or "recursion" in reason:
        return DocumentError(f"{where}: nested deeper than 1,000 levels; a document needs 4, its meta at most 100")
    if "infinity" in reason:
        return DocumentError(
            f'{where}: a number past binary64 (whose largest is about 1.797e308); an infinity is the string "Infinity"'
        )
    found = re.match(r"-?(NaN|Infinity)", text[error.pos - signed : error.pos + 8])
    if found:
        text = found[0].removeprefix("-") if found[1] == "NaN" else found[0]
        return DocumentError(f'{where}: {found[0]} is not JSON; write it as the string "{text}"')
    if error.pos >= len(text.rstrip()):
        return DocumentError(f"not JSON: it ends in the middle, at {where} (cut short?)")
    return DocumentError(f"not JSON: {reason}, at {where}")


def refuse_repeated_keys(raw: bytes, kept: int) -> None:
    """Raise DocumentError if an object of ``raw`` has two equal keys; ``kept`` keys were left by the parser.

    Each key is followed by a colon outside strings, so a count of colons equal to the count of keys that were
    kept leaves no room for a dropped one. Strings may hold colons: then only those right behind a quote are
    counted, which misses none if no colon has white space before it. Else every object is looked at.
    """
    if raw.count(b":") == kept or (raw.count(b'":') == kept and re.search(rb"\s:", raw) is None):
        return
    import json

    try:
        refuse_marked(json.loads(raw, object_pairs_hook=_keep_repeated), "$")
    except RecursionError:
        raise DocumentError("nested too deep; a document needs 4 levels, its meta at most 100") from None


def count_keys(value: Any) -> int:
    """Keys of all objects in a JSON value."""
    if isinstance(value, dict):
        return len(value) + sum(map(count_keys, value.values()))
    return sum(map(count_keys, value)) if isinstance(value, list) else 0


class _Repeated(dict[str, Any]):
    """An object that repeats ``key``."""

    key: str


def _keep_repeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    marked, again = _Repeated(found), repeated(key for key, _ in pairs)
    assert again is not None
    marked.key = pairs[again[1]][0]
    return marked


def refuse_marked(value: Any, path: str) -> None:
    """Raise DocumentError if an object was marked because it has two equal keys."""
    if isinstance(value, _Repeated):
        raise DocumentError(f"the key {shown(value.key)} is repeated", path=path)
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        refuse_marked(child, path + step(key))


def check(value: Any, path: str, levels: int) -> None:
    """Refuse, in free-form JSON made by a program, what RFC 8785 cannot write, and more than ``levels`` of nesting."""
    if levels < 0:
        raise DocumentError("nested too deep", path=path[:80] + "…")
    if isinstance(value, dict):
        for key, child in value.items():
            if not isinstance(key, str):
                raise DocumentError(f"a key is text, not {kind(key)}", path=path)
            check(key, path, levels)
            check(child, path + step(key), levels - 1)
    elif isinstance(value, list):
        for k, child in enumerate(value):
            check(child, path + step(k), levels - 1)
    elif reason := _unwritable(value):
        raise DocumentError(reason, path=path)


def _unwritable(value: Any) -> str:
    """Why RFC 8785 cannot write a text, a number or a constant; empty if it can."""
    if isinstance(value, str):
        return "text with half a surrogate pair is not Unicode" if _SURROGATE.search(value) else ""
    if value is None or type(value) is bool:
        return ""
    if type(value) is int:
        past = abs(value) > EXACT_INT
        return "an integer past 2**53 - 1 is not exact in JSON; write it as a string" if past else ""
    if type(value) is float:
        return "" if isfinite(value) else 'not a finite number; write "NaN" or "Infinity" as a string'
    return f"not JSON: {kind(value)}"


def past_64_bits(value: Any) -> bool:
    """Whether a number in parsed JSON may have been an integer past 64 bits, of which orjson makes a double."""
    if isinstance(value, float):
        return abs(value) >= 2.0**63
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(map(past_64_bits, children))


def step(key: str | int) -> str:
    """One step of a JSON path: ``.name``, ``['any text']`` or ``[3]``."""
    if isinstance(key, int):
        return f"[{key}]"
    return f".{key}" if re.fullmatch(r"[A-Za-z_]\w{0,60}", key) else f"[{shown(key)}]"


def kind(value: object) -> str:
    """A JSON value for a message: what it is if it is large, else the value as JSON spells it."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return shown(value)
