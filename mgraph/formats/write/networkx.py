"""NetworkX's own formats: GraphML and node-link JSON, of the graph that ``to_networkx`` returns."""

from __future__ import annotations

import re
from io import BytesIO

import orjson

from mgraph.document.wiring import Wiring
from mgraph.errors import FormatError, shown

_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def write(wiring: Wiring) -> bytes:
    """Node-link JSON: nodes with op, data, grad, label, scope and literal operands; edges with ``position``.

    NaN and infinities are the document's strings. The outputs and seeds are attributes of the graph.
    """
    import networkx as nx

    network = wiring.to_networkx()
    network.graph.update(_about(wiring))
    return orjson.dumps(nx.node_link_data(network, edges="edges"), option=orjson.OPT_NON_STR_KEYS) + b"\n"


def write_graphml(wiring: Wiring) -> bytes:
    """GraphML: the same, with what is not a number or a text as JSON. Raises FormatError for text XML cannot hold."""
    import networkx as nx

    given = wiring.to_networkx()
    network: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    for name, value in _about(wiring).items():
        network.graph[name] = value if isinstance(value, str) else orjson.dumps(value).decode()
        _refuse_control_characters("the graph", network.graph[name])
    for node, attributes in given.nodes(data=True):
        _refuse_control_characters(f"node {shown(node)}", node, *attributes.values())
        literals = attributes.pop("literals")
        for key in attributes.keys() & {"data", "grad"}:
            attributes[key] = float(attributes[key])
        if literals:
            attributes["literals"] = orjson.dumps(literals, option=orjson.OPT_NON_STR_KEYS).decode()
        network.add_node(node, **attributes)
    for k, (source, target, position) in enumerate(given.edges(keys=True)):
        network.add_edge(source, target, key=f"e{k}", position=position)
    stream = BytesIO()
    nx.write_graphml_xml(network, stream, prettyprint=True)
    return stream.getvalue() + b"\n"


def _refuse_control_characters(where: str, *texts: object) -> None:
    for text in texts:
        if isinstance(text, str) and _NOT_XML.search(text):
            raise FormatError(f"GraphML cannot hold the control character in {shown(text)} of {where}")


def _about(wiring: Wiring) -> dict[str, object]:
    found: dict[str, object] = {"outputs": wiring.outputs, "seeds": wiring.document.get("seeds", {})}
    if "title" in wiring.document:
        found["title"] = wiring.document["title"]
    return found
