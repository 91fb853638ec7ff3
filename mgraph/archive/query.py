"""The language of ``find``: words and ``field:value``, combined by ``and``, ``or``, ``not`` and parentheses."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mgraph.archive.parcels import words
from mgraph.archive.references import sound
from mgraph.errors import FileError, nearest, shown

FIELDS = {
    "op": "an operation occurs: op:tanh",
    "input": "an input has this name: input:x1",
    "nodes": "the number of nodes: nodes:>100, nodes:3..20, nodes:7",
    "name": "kept under this name, * for any rest: name:lesson/*",
    "tag": "a version has this tag: tag:exam-2026",
    "label": "a name has this label: label:author=ada, label:author",
    "like": "shares subgraphs with a file or a kept graph, nearest first: like:neuron.json, like:#neuron",
    "contains": "this subgraph occurs in it; an input stands for any node: contains:cell.json",
    "shape": "the same structure: shape:sha256:3fa9, shape:neuron.json, shape:#neuron",
    "recipe": "the same structure and leaves' numbers, whatever the names: recipe:#neuron",
    "verified": "the last verdict: verified:exact, verified:within, verified:differs, verified:never",
    "failing": "the last verdict is that it differs: failing:",
    "since": "kept on this day or later: since:2026-01-31",
}
"""The fields, and what each asks."""
_TOKEN = re.compile(
    r"""\s*(?:(?P<paren>[()])|(?P<field>[a-z]+:[^\s()"]*(?:"[^"]*")?)|(?P<quoted>"[^"]*")|(?P<word>[^\s()"]+))"""
)
_LENGTH, _CONDITIONS, _DEPTH = 2_000, 40, 20
"""A query's characters, conditions (each word is one) and levels of ``not`` and parentheses at most: a database plans
each condition together with all others, and SQLite's parser has a stack of 100."""


@dataclass(frozen=True)
class Asked:
    """One condition: a field and its value; the field is ``word`` for a word of the text."""

    field: str
    value: str


@dataclass(frozen=True)
class Combined:
    """Conditions combined by ``and``, ``or`` or ``not``."""

    how: str
    parts: tuple[Query, ...]


Query = Asked | Combined


def parsed(text: str) -> Query:
    """The query that a text means; an empty one asks for everything. Raises FileError, with the place."""
    if len(text) > _LENGTH:
        raise FileError(f"a query has at most {_LENGTH:,} characters, not {len(text):,}")
    sound(text, "a query")
    if not text.strip():
        return Combined("and", ())
    parser = _Parser(text)
    found = parser.either(0)
    if parser.kind:
        raise FileError(f"the query has a ')' that nothing opens: {shown(text)}")
    if (count := _conditions(found)) > _CONDITIONS:
        raise FileError(f"a query has at most {_CONDITIONS} conditions, each word being one, not {count:,}")
    return found


def _conditions(query: Query) -> int:
    if isinstance(query, Asked):
        return len(words(query.value)) if query.field == "word" else 1
    return sum(map(_conditions, query.parts))


def _is_mute(query: Query) -> bool:
    """Whether it is a text without a word to look up, such as a dash."""
    return isinstance(query, Asked) and query.field == "word" and not words(query.value)


class _Parser:
    """Recursive descent over the tokens of a query."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0
        self._advance()

    def _advance(self) -> None:
        found = _TOKEN.match(self._text, self._place)
        if found is None:
            if self._text[self._place :].strip():
                raise FileError(f"the query has a quotation mark that is not closed: {shown(self._text)}")
            self.kind, self._value = "", ""
            return
        self._place = found.end()
        self.kind = str(found.lastgroup)
        self._value = found[self.kind]

    def either(self, depth: int) -> Query:
        """Conditions with ``or`` between."""
        parts = [self._all(depth)]
        while self._is_word("or"):
            self._advance()
            parts.append(self._all(depth))
        return parts[0] if len(parts) == 1 else Combined("or", tuple(parts))

    def _all(self, depth: int) -> Query:
        parts: list[Query] = []
        while self.kind and (self.kind, self._value) != ("paren", ")") and not self._is_word("or"):
            if self._is_word("and") and parts:
                self._advance()
            parts.append(self._one(depth))
        if not parts:
            raise FileError(f"the query ends where a condition should follow: {shown(self._text)}")
        parts = [part for part in parts if not _is_mute(part)] or [_told(parts[0])]
        return parts[0] if len(parts) == 1 else Combined("and", tuple(parts))

    def _one(self, depth: int) -> Query:
        if depth > _DEPTH:
            raise FileError(f"a query nests not and parentheses at most {_DEPTH} deep")
        if self._is_word("not"):
            self._advance()
            return Combined("not", (_told(self._one(depth + 1)),))
        kind, value = self.kind, self._value
        if not kind or (kind, value) == ("paren", ")"):
            raise FileError(f"the query ends where a condition should follow: {shown(self._text)}")
        self._advance()
        if kind == "paren":
            inside = self.either(depth + 1)
            if (self.kind, self._value) != ("paren", ")"):
                raise FileError(f"the query has a '(' that is not closed: {shown(self._text)}")
            self._advance()
            return inside
        return _asked(value) if kind == "field" else Asked("word", value.strip('"'))

    def _is_word(self, word: str) -> bool:
        return self.kind == "word" and self._value in (word, word.upper())


def _told(query: Query) -> Query:
    """The query. Raises FileError if it has no word, for then it would ask nothing."""
    if isinstance(query, Asked) and _is_mute(query):
        raise FileError(
            f"there is no word to look up in {shown(query.value)}: a word is made of letters, digits and underscores"
        )
    return query


def _asked(token: str) -> Asked:
    """The condition that ``field:value`` states."""
    field, _, value = token.partition(":")
    if field not in FIELDS:
        raise FileError(
            f"a query has no field {shown(field)}.{nearest(field, FIELDS)} There are {', '.join(FIELDS)}; to look for"
            " the text itself, put it in quotation marks"
        )
    value = value.replace('"', "")
    if not value and field != "failing":
        raise FileError(f"{field}: needs a value. {FIELDS[field][0].upper()}{FIELDS[field][1:]}")
    return Asked(field, value)
