"""Where a lower room calls a higher one: by these variables, which ``mgraph/__init__`` sets when it is imported.

So values, replays and reports import nothing of what is built on them. On their own they do what is set here.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own takes longer to import than Python to start, and the program waits for this
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def _as_text(shown: Any) -> dict[str, Any]:
    return {"text/plain": repr(shown)}


def _not_recorded(ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
    return NotImplemented


display: Callable[[Any], dict[str, Any]] = _as_text
"""What a notebook's cell shows of a value or a result, by MIME type."""
text: Callable[[Any], str] = repr
"""What ``print`` says of a result: the lines that the command line prints."""
on_ufunc: Callable[..., Any] = _not_recorded
"""What a NumPy function does to values."""
