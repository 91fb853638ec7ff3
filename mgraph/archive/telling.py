"""What an archive says, as blocks for the terminal and for a notebook's cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mgraph.archive.holding import Holding, broken, holdings
from mgraph.errors import shown
from mgraph.showing.blocks import Block, Column, Entry, Styled, Table

if TYPE_CHECKING:
    from mgraph.archive.checkup import Checkup
    from mgraph.archive.hits import Hit
    from mgraph.archive.keeping import Receipt
    from mgraph.archive.listing import Details, Listed, Logged
    from mgraph.archive.verdicts import Past

KNOWN = "known"
_HEX = 12
"""Digits of a digest that tell it from others."""


def short(digest: str) -> str:
    """The first digits of a digest."""
    return digest[: len("sha256:") + _HEX]


def hits(found: Sequence[Hit], limit: int | None = None) -> list[Block]:
    """The documents that were found, of which at most ``limit`` are told."""
    if not found:
        return ["nothing is found"]
    more, found = limit is not None and len(found) > limit, found[:limit]
    columns = [
        Column("name", [f"{each.name}@{each.number}" for each in found], "path"),
        Column("title", [each.title for each in found], "text"),
    ]
    if any(each.score for each in found):
        columns.append(Column("score", [f"{each.score:.3g}" for each in found], "note"))
    columns.append(Column("nodes", [f"{each.nodes:,}" for each in found], "note"))
    blocks: list[Block] = [Table([*columns, Column("kept", [each.at[:10] for each in found], "note")])]
    return [*blocks, "and more; --limit N shows them"] if more else blocks


def listed(found: Sequence[Listed], pattern: str = "") -> list[Block]:
    """Names with their newest versions and tags; ``pattern`` is what they were to fit."""
    if not found:
        return [f"no name fits {shown(pattern)}" if pattern else "nothing is kept"]
    tags = [", ".join(f"{tag}@{number}" for tag, number in each.tags.items()) for each in found]
    columns = [Column("name", [each.name for each in found], "path")]
    if any(tags):
        columns.append(Column("tags", tags, "text"))
    columns += [
        Column("version", [str(each.number) for each in found], "note"),
        Column("nodes", [f"{each.nodes:,}" for each in found], "note"),
        Column("kept", [each.at[:10] for each in found], "note"),
    ]
    return [Table(columns)]


def what_became(receipt: Receipt) -> str:
    """Whether the document is new, or a version that holds a known one, or nothing."""
    if receipt.is_new:
        return "new document"
    return "new version" if receipt.is_new_version else KNOWN


def receipts(found: Sequence[Receipt]) -> list[Block]:
    """What was kept."""
    columns = [
        Column("name", [f"{each.name}@{each.number}" for each in found], "path"),
        Column("document", [short(each.digest) for each in found], "note"),
        Column("", [f"{what_became(each):<12}" for each in found], "note"),
    ]
    return [Table(columns)]


def counts(found: Sequence[Receipt], passed_over: int) -> str:
    """How many of each."""
    kinds = Counter(map(what_became, found))
    told = [f"{count:,} {kind}{'s' * (count != 1 and kind != KNOWN)}" for kind, count in kinds.items()]
    told += [f"{passed_over:,} other file{'s' * (passed_over != 1)} passed over"] if passed_over else []
    return ", ".join(told) or "no files"


def details(found: Details) -> list[Block]:
    """A version in full."""
    count = len(found.versions)
    facts = {
        "title": found.title,
        "nodes": f"{found.nodes:,}",
        "kept": f"{found.at} by {found.by}, with mgraph {found.mgraph}",
        "from": ", ".join(found.source.values()),
        "note": found.note,
        "tags": ", ".join(found.tags),
        "labels": ", ".join(f"{key}={value}" for key, value in found.labels.items()),
        "verdict": f"{found.verdict.said} ({found.verdict.at}, mgraph {found.verdict.mgraph})" if found.verdict else "",
        "also": ", ".join(found.elsewhere),
        "size": f"{found.size:,} bytes, {found.stored:,} in the archive",
    }
    head = f"{found.name}@{found.number}" + (f" of {count:,} versions" if count > 1 else "")
    blocks: list[Block] = [
        Styled(head, "title"),
        *(Entry(key, text, whole=key == "note") for key, text in facts.items() if text),
    ]
    return [*blocks, Entry("digest", found.digest, whole=True)]


def log(found: Sequence[Logged], whole: bool) -> list[Block]:
    """What was done, a line each; of a ``whole`` archive, to which name."""
    return [f"{each.at}  {each.by}  {each.verb:<8} {_done(each, whole)}" for each in found]


def _done(each: Logged, whole: bool) -> str:
    it, name = each.detail, f"{each.name} " if whole and each.name else ""
    match each.verb:
        case "keep":
            note = f": {it['note']}" if "note" in it else ""
            return f"{each.name}@{it['version']} {short(it['digest'])}{note}"
        case "tag":
            return name + _moved(it["tag"], *(None if at is None else f"@{at}" for at in (it["before"], it["now"])))
        case "label":
            return name + _moved(it["key"], it["before"], it["now"])
        case "prune":
            return f"{it['versions']:,} versions, {it['documents']:,} documents"
        case "import" | "copy":
            return f"{brought(it)}, from {it['origin']}"
    return name + "versions " + ", ".join(map(str, it["versions"]))


_WORDS = {
    "documents": ("document", "documents"),
    "versions": ("version", "versions"),
    "tags": ("tag", "tags"),
    "labels": ("label", "labels"),
    "events": ("entry of the log", "entries of the log"),
    "verdicts": ("verdict", "verdicts"),
}


def brought(counts: Mapping[str, int]) -> str:
    """What was new in an archive."""
    found = [f"{counts[kind]:,} {words[counts[kind] != 1]}" for kind, words in _WORDS.items() if counts[kind]]
    return ", ".join(found) or "nothing new"


def checkup(found: Checkup) -> list[str]:
    """What a check found, what it looked at, and what it did not look at: paragraphs, and a verdict."""
    told = [f"{each.state}: {each.where}: {each.said}" for each in found.faults]
    if found.level:
        told.append(f"checked: {'; '.join(_checked(found))}")
    told += [f"not checked: {each}" for each in found.unchecked]
    mended = sum(each.repaired for each in found.faults)
    count = f"{len(found.faults):,} fault{'s' * (len(found.faults) != 1)}"
    return [*told, (count + f", {mended:,} repaired" * bool(mended)) if found.faults else "nothing is damaged"]


def _checked(found: Checkup) -> list[str]:
    count = f"{found.documents:,} document{'s' * (found.documents != 1)}"
    which = "those documents"
    parts = [f"the digests of {count}", f"what is derived from {which}", f"whether {which} still come out"]
    return ["the database and its references", *parts[: found.level - 1]]


def _moved(what: str, before: str | None, now: str | None) -> str:
    if now is None:
        return f"{what} off {before}"
    return f"{what} {now}" if before is None else f"{what} {before} → {now}"


def verdicts(name: str, found: Sequence[Past]) -> list[Block]:
    """The verdicts on a name's versions; since when each holds, and the first version that does not."""
    if not found:
        return [f"{name} was never verified"]
    columns = [
        Column("version", [f"{name}@{each.number}" for each in found], "path"),
        Column("verdict", [each.said for each in found], "text"),
        Column("when", [each.at for each in found], "note"),
        Column("mgraph", [each.mgraph for each in found], "note"),
    ]
    lines = holdings(found)
    blocks: list[Block] = [Table(columns), *(line for each in lines for line in _since(name, each))]
    if (first := broken(lines)) is not None:
        rest = any(each.ok and each.since.number < first.since.number for each in lines)
        what = "is the first version that does not come out" if rest else "does not come out"
        blocks.append(Styled(f"{name}@{first.since.number} {what}", "bad"))
    return blocks


def _since(name: str, each: Holding) -> list[str]:
    what = "holds" if each.ok else "differs"
    found = [f"{name}@{each.since.number} {what} since {each.since.at[:10]}, {_with(each.since)}"]
    if each.before is not None:
        other = "differed" if each.ok else "held"
        found.append(f"  and {other} on {each.before.at[:10]}, {_with(each.before)}")
    return found


def _with(each: Past) -> str:
    return f"mgraph {each.mgraph}, Python {each.python}, {each.platform}"
