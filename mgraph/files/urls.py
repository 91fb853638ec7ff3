"""Addresses of databases, as a message may have them."""

from __future__ import annotations

import re

_REFERENCE = re.compile(r"(.*)(#[^#@]*(?:@[0-9]+)?)", re.DOTALL)
_USER = re.compile(r"(://[^:/?#@]*):(?:.*@|(?!\d*(?:[/?]|$))[^/?]*)", re.DOTALL)
"""A password reaches to the last ``@``; where there is none, what follows a colon is one unless it is a port."""
_QUERY = re.compile(r"([?&](?:ssl)?password=)[^&#]*", re.IGNORECASE)


def without_password(url: str) -> str:
    """A URL such as ``postgresql://ada:secret@host/course#neuron``, with ``***`` for the password.

    Whatever else is not a URL is returned as it is. What could be part of a password is hidden too.
    """
    if "://" not in url:
        return url
    found = _REFERENCE.fullmatch(url)
    address, reference = found.groups() if found else (url, "")
    hidden = _USER.sub(lambda m: f"{m[1]}:***" + "@" * m[0].endswith("@"), address, count=1)
    return _QUERY.sub(r"\1***", hidden) + reference
