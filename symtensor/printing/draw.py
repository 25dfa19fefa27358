"""`pydotprint`: a graph as a picture. With the Graphviz program any format; without it SVG, laid out here."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from symtensor.graph.shared import SharedVariable
from symtensor.graph.variable import Apply, Constant, Variable
from symtensor.graph.walk import toposort
from symtensor.printing.svg import Box, Edge, layered_svg
from symtensor.printing.targets import outputs_of

__all__ = ["pydotprint", "to_svg"]

COLORS = {
    "input": "#c7e9c0",
    "shared": "#9ecae1",
    "constant": "#eeeeee",
    "output": "#fdd0a2",
    "node": "#ffffff",
    "Fused": "#fff2ae",
    "Dot": "#fbb4ae",
    "Gemm": "#fbb4ae",
    "Reduction": "#decbe4",
}


def pydotprint(
    fct: Any,
    outfile: str | Path | None = None,
    compact: bool = True,
    format: str = "png",
    with_ids: bool = False,
    high_contrast: bool = True,
    max_label_size: int = 70,
    var_with_name_simple: bool = False,
    print_output_file: bool = True,
    return_image: bool = False,
) -> Any:
    """Draw the graph of a variable or compiled function (Theano's name).

    ``outfile``'s suffix gives the format (default ``symtensor.png``, or ``.svg`` where the Graphviz program ``dot`` is
    not installed). ``compact`` leaves out the boxes of unnamed intermediate results. Returns the picture's bytes
    with ``return_image``, else the path. RuntimeError where the format needs Graphviz and ``dot`` is missing.
    """
    has_dot = shutil.which("dot") is not None
    if outfile is None:
        outfile = f"symtensor.{format if has_dot else 'svg'}"
    path = Path(outfile)
    kind = path.suffix[1:].lower() or format
    boxes, edges = _picture(fct, compact, with_ids, max_label_size, var_with_name_simple, high_contrast)
    if kind == "dot":
        image = _pydot(boxes, edges).to_string().encode()
    elif has_dot:
        image = _pydot(boxes, edges).create(prog="dot", format=kind)
    elif kind == "svg":
        image = layered_svg(boxes, edges).encode()
    else:
        raise RuntimeError(
            f"pydotprint: the format {kind!r} needs Graphviz's program `dot`, which is not on the PATH; install "
            "Graphviz (for example `apt install graphviz`), or write an .svg or .dot file, which need no program"
        )
    if return_image:
        return image
    path.write_bytes(image)
    if print_output_file:
        print(f"The output file is available at {path}")
    return path


def to_svg(fct: Any, compact: bool = True, max_label_size: int = 40) -> str:
    """The graph as a self-contained SVG document, laid out without Graphviz."""
    boxes, edges = _picture(fct, compact, False, max_label_size, False, True)
    return layered_svg(boxes, edges)


def _picture(fct: Any, compact: bool, with_ids: bool, longest: int, simple_names: bool,
             color: bool) -> tuple[list[Box], list[Edge]]:
    outputs = outputs_of(fct)
    final = set(outputs)
    keys: dict[Variable | Apply, str] = {}
    boxes: dict[str, Box] = {}
    edges: list[Edge] = []

    def box(item: Variable | Apply, label: str, kind: str, rounded: bool) -> str:
        key = keys.setdefault(item, f"n{len(keys)}")
        tag = f" id={key[1:]}" if with_ids else ""
        boxes.setdefault(key, Box(key, _cut(label, longest) + tag, COLORS[kind] if color else "#ffffff", rounded))
        return key

    def variable_box(variable: Variable) -> str:
        kind = "input"
        if isinstance(variable, Constant):
            kind = "constant"
        elif isinstance(variable, SharedVariable):
            kind = "shared"
        elif variable.owner is not None:
            kind = "output" if variable in final else "node"
        return box(variable, _variable_label(variable, simple_names), kind, True)

    def maker(variable: Variable) -> str:
        """The box an edge from this variable starts at."""
        hidden = compact and variable.name is None and variable not in final
        return keys[variable.owner] if variable.owner is not None and hidden else variable_box(variable)

    for node in toposort(outputs):
        key = box(node, str(node.op), _kind(node), False)
        for index, variable in enumerate(node.inputs):
            edges.append(Edge(maker(variable), key, str(index) if len(node.inputs) > 1 else ""))
        for output in node.outputs:
            if output in final or not compact or output.name is not None:
                edges.append(Edge(key, variable_box(output), ""))
    for output in outputs:
        variable_box(output)
    return list(boxes.values()), edges


def _kind(node: Apply) -> str:
    name = type(node.op).__name__
    return name if name in COLORS else "node"


def _variable_label(variable: Variable, simple: bool) -> str:
    kind = str(variable.type)
    if isinstance(variable, Constant):
        return variable._brief()
    if variable.name is None:
        return kind
    return variable.name if simple else f"{variable.name}: {kind}"


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _pydot(boxes: list[Box], edges: list[Edge]) -> Any:
    try:
        import pydot  # type: ignore[import-untyped]
    except ImportError:
        raise RuntimeError("pydotprint: this format needs the package pydot: pip install symtensor[draw]") from None
    graph = pydot.Dot(graph_type="digraph", rankdir="TB")
    for box in boxes:
        graph.add_node(pydot.Node(box.key, label=_quoted(box.label), shape="ellipse" if box.rounded else "box",
                                  style="filled", fillcolor=_quoted(box.color)))
    for edge in edges:
        graph.add_edge(pydot.Edge(edge.start, edge.end, label=_quoted(edge.label)))
    return graph


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
