import json
from itertools import pairwise

from iacengine.cli.views.graph_text import as_json, dot, mermaid, only

NODES = ["a.b", 'module.m["x"].c.d', "z"]
EDGES = [("z", "a.b"), ("z", 'module.m["x"].c.d'), ("z", "a.b")]


def test_dot_is_sorted_and_escaped() -> None:
    assert dot(reversed(NODES), EDGES) == (
        "digraph G {\n"
        '  rankdir = "RL";\n'
        '  node [shape = rect, fontname = "sans-serif"];\n'
        '  "a.b" [label="a.b"];\n'
        '  "module.m[\\"x\\"].c.d" [label="module.m[\\"x\\"].c.d"];\n'
        '  "z" [label="z"];\n'
        '  "z" -> "a.b";\n'
        '  "z" -> "module.m[\\"x\\"].c.d";\n'
        "}\n"
    )


def test_mermaid_numbers_its_nodes() -> None:
    assert mermaid(NODES, EDGES) == (
        'flowchart RL\n  n0["a.b"]\n  n1["module.m[&quot;x&quot;].c.d"]\n  n2["z"]\n  n2 --> n0\n  n2 --> n1\n'
    )


def test_json_has_every_edge_once() -> None:
    document = json.loads(as_json(NODES, EDGES))
    assert document["nodes"] == sorted(NODES)
    assert document["edges"] == [{"source": "z", "target": target} for target in ("a.b", 'module.m["x"].c.d')]


def test_nodes_left_out_hand_on_what_they_need() -> None:
    edges = [("a", "local"), ("local", "var"), ("local", "b"), ("var", "c"), ("b", "c"), ("a", "a2"), ("a2", "c")]
    nodes, kept = only(["a", "b", "c"], edges)
    assert nodes == ["a", "b", "c"]
    assert kept == [("a", "b"), ("a", "c"), ("b", "c")]


def test_a_long_chain_of_nodes_left_out_is_followed() -> None:
    chain = [f"n{number}" for number in range(5000)]
    edges = list(pairwise(chain))
    assert only(["n0", "n4999"], edges)[1] == [("n0", "n4999")]
