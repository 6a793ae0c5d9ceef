"""The directed graph below everything: orders, cycles and closures."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from iacengine.graph.dag import DependencyGraph

edges = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=25)


def graph_of(pairs):
    graph = DependencyGraph()
    for number in range(10):
        graph.add(number)
    for node, needed in pairs:
        graph.need(node, needed)
    return graph


def reaches(pairs, start):
    seen, todo = set(), [start]
    while todo:
        here = todo.pop()
        for node, needed in pairs:
            if node == here and needed != node and needed not in seen:
                seen.add(needed)
                todo.append(needed)
    return seen


@given(edges)
def test_the_order_has_every_node_after_all_it_needs_or_stops_at_a_cycle(pairs):
    graph = graph_of(pairs)
    place = {node: number for number, node in enumerate(graph.order())}
    for node, needed in pairs:
        if node in place and node != needed:
            assert place[needed] < place[node]
    stuck = {node for node in range(10) if any(n in reaches(pairs, n) for n in {node} | reaches(pairs, node))}
    assert set(place) == set(range(10)) - stuck


@given(edges)
def test_each_cycle_that_is_named_goes_round_and_each_knot_is_named_once(pairs):
    graph = graph_of(pairs)
    cycles = graph.cycles()
    knots = {frozenset({node} | {o for o in reaches(pairs, node) if node in reaches(pairs, o)}) for node in range(10)}
    assert len(cycles) == len({knot for knot in knots if len(knot) > 1})
    for cycle in cycles:
        assert len(cycle) == len(set(cycle)) >= 2
        for before, node in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
            assert (node, before) in pairs


@given(edges, st.integers(0, 9))
def test_a_closure_is_everything_that_is_reached(pairs, start):
    graph = graph_of(pairs)
    assert graph.closure([start], graph.needs) == {start} | reaches(pairs, start)
    backwards = [(needed, node) for node, needed in pairs]
    assert graph.closure([start], graph.needed_by) == {start} | reaches(backwards, start)


def test_ties_keep_the_order_in_which_nodes_were_added():
    graph = DependencyGraph()
    for name in "zebra":
        graph.add(name)
    assert "".join(graph.order()) == "zebra"


def test_a_node_never_needs_itself():
    graph = DependencyGraph()
    graph.add("a")
    graph.need("a", "a")
    assert list(graph.edges()) == []
    assert graph.order() == ["a"]
