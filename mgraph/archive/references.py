"""How a kept graph is named after an archive's ``#``: ``neuron``, ``neuron@2``, ``neuron:latest``, ``sha256:3fa9``."""

from __future__ import annotations

import re
from typing import NamedTuple

from mgraph.errors import FileError, shown

NAME_LIMIT = 200
"""Characters in a name, a tag or a label's key at most."""
VALUE_LIMIT = 400
"""Characters in a label's value at most: PostgreSQL has no index of longer ones."""
_DIGEST = re.compile(r"sha256:([0-9a-fA-F]{1,64})")
_VERSION = re.compile(r"(.+)@([0-9]{1,9})", re.DOTALL)


class Reference(NamedTuple):
    """Which kept graph is meant: a digest's first digits; or a name, and a version's number, a tag, or neither."""

    name: str = ""
    number: int | None = None
    tag: str | None = None
    digest: str | None = None

    def __str__(self) -> str:
        if self.digest is not None:
            return f"sha256:{self.digest}"
        number = "" if self.number is None else f"@{self.number}"
        return self.name + number + ("" if self.tag is None else f":{self.tag}")


def parsed(text: str) -> Reference:
    """The reference that a text means. Raises FileError."""
    if found := _DIGEST.fullmatch(text):
        return Reference(digest=found[1].lower())
    if text.startswith("sha256:"):
        raise FileError(f"{shown(text)} is no digest: after sha256: come 1 to 64 of the digits 0-9 and a-f")
    if found := _VERSION.fullmatch(text):
        return Reference(checked(found[1], "a name"), number=int(found[2]))
    name, colon, tag = text.partition(":")
    if not colon:
        return Reference(checked(name, "a name"))
    return Reference(checked(name, "a name"), tag=checked(tag, "a tag"))


def checked(text: str, what: str) -> str:
    """A name, a tag or a label's key, as it was given. Raises FileError where it could be taken for something else."""
    sound(text, what)
    problem = (
        "is not empty"
        if not text
        else f"has at most {NAME_LIMIT} characters"
        if len(text) > NAME_LIMIT
        else "is on one line and has no control characters"
        if not text.isprintable()
        else "does not begin or end with a space"
        if text != text.strip()
        else "holds no '@', ':' or '#', which separate it from a version, a tag and the archive"
        if set(text) & set("@:#")
        else "is not the word that a digest begins with"
        if (text, what) == ("sha256", "a name")
        else ""
    )
    if problem:
        raise FileError(f"{shown(text)} cannot be {what}: {what} {problem}")
    return text


def sound(text: str, what: str, limit: int = 1_000_000) -> str:
    """A text that both databases hold, as it was given.

    Raises FileError for a NUL, half a pair of UTF-16, and more than ``limit`` characters.
    """
    if not isinstance(text, str):
        raise TypeError(f"{what} is a str, not {type(text).__name__}")
    if len(text) > limit:
        raise FileError(f"{what} has at most {limit:,} characters, not {len(text):,}")
    if strange := re.search("[\0\ud800-\udfff]", text):
        raise FileError(f"{shown(text)} cannot be {what}: no text has a character {shown(strange[0])}")
    return text


def name_of(text: str) -> str:
    """The nearest allowed name to a file's name or a title: what separates becomes a hyphen."""
    kept = "".join(c if c.isprintable() and c not in "@:#" else "-" for c in text).strip()
    return kept[:NAME_LIMIT].strip() or "graph"
