"""What became of many graphs as JUnit's XML, which systems for continuous integration read."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from mgraph.cli.outcomes import NOTHING, Outcome
from mgraph.files.atomic import display


def document(what: str, outcomes: Sequence[Outcome]) -> bytes:
    """A test case a graph, in order: a failure if its numbers differ, an error if it could not be read, skipped if it
    records none. Every text in it is printable, so XML can hold it."""
    known = {
        "name": what,
        "tests": str(len(outcomes)),
        "failures": str(sum(each.status == 1 for each in outcomes)),
        "errors": str(sum(each.status == 2 for each in outcomes)),
        "time": f"{sum(each.seconds for each in outcomes):.6f}",
    }
    root = ElementTree.Element("testsuites", known)
    skipped = str(sum(each.kind == NOTHING for each in outcomes))
    suite = ElementTree.SubElement(root, "testsuite", {**known, "skipped": skipped})
    for each in outcomes:
        time, where = f"{each.seconds:.6f}", display(each.file)
        found = {"classname": what.replace(" ", "."), "name": each.name, "file": where, "time": time}
        case = ElementTree.SubElement(suite, "testcase", found)
        if each.status:
            tag = "failure" if each.status == 1 else "error"
            failed = ElementTree.SubElement(case, tag, {"type": each.kind, "message": each.says})
            failed.text = "\n".join(each.lines)
        elif each.kind == NOTHING:
            ElementTree.SubElement(case, "skipped", {"message": each.says})
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, "utf-8", xml_declaration=True)) + b"\n"
