"""The picture of the modules around one."""

from __future__ import annotations

import re
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from iacengine.registry.store.neighbours import Link, Neighbourhood
from iacengine.registry.web.module_graph import HEIGHT, WIDTH, draw

SELF = "acme/self/aws"


def name(letter):
    return f"acme/{letter}/aws"


def around(below=(), above=(), known=""):
    """Links are written as caller and called: "sa" is that self calls a; "s" is the module itself."""

    def link(pair):
        return Link(*(SELF if letter == "s" else name(letter) for letter in pair))

    known = {name(letter) for letter in known} | {SELF}
    return Neighbourhood(tuple(map(link, below)), tuple(map(link, above)), frozenset(known))


def columns(picture):
    """The names in each column, from the left."""
    found = {}
    for box in picture.boxes:
        found.setdefault(box.x, []).append(box.title)
    return [sorted(names) for _, names in sorted(found.items())]


def test_a_module_without_neighbours_has_no_picture():
    assert draw(SELF, around()) is None


def test_callers_are_left_and_what_is_called_is_right():
    picture = draw(SELF, around(["sa", "ab"], ["cs", "dc"]))
    assert columns(picture) == [["d"], ["c"], ["self"], ["a"], ["b"]]
    assert len(picture.curves) == 4


def test_a_module_stands_right_of_all_that_call_it():
    picture = draw(SELF, around(["sa", "sb", "sc", "ab", "bc"]))
    assert columns(picture) == [["self"], ["a"], ["b"], ["c"]]


def test_only_modules_that_are_here_are_links():
    links = (Link(SELF, name("a")), Link(SELF, name("b")), Link(SELF, "git::https://x/y.git", "", registered=False))
    picture = draw(SELF, Neighbourhood(links, (), frozenset({SELF, name("a")})))
    assert {box.full: (box.kind, box.url) for box in picture.boxes} == {
        SELF: ("self", ""),
        name("a"): ("module", "/modules/acme/a/aws"),
        name("b"): ("missing", ""),
        "git::https://x/y.git": ("source", ""),
    }


def test_many_modules_in_a_column_are_counted():
    links = tuple(Link(f"acme/caller-{number:02}/aws", SELF) for number in range(50))
    picture = draw(SELF, Neighbourhood((), links, frozenset()))
    assert len(picture.boxes) == 9
    assert [box.title for box in picture.boxes if box.kind == "more"] == ["43 more"]


@given(
    st.lists(st.tuples(st.sampled_from("sabcdefgh"), st.sampled_from("sabcdefgh")), max_size=25),
    st.lists(st.tuples(st.sampled_from("sabcdefgh"), st.sampled_from("sabcdefgh")), max_size=25),
)
def test_whatever_calls_whatever_boxes_lie_apart_and_in_the_picture(below, above):
    picture = draw(SELF, around(below, above))
    if picture is None:
        assert not below
        assert not above
        return
    assert [box.kind for box in picture.boxes].count("self") == 1
    for box in picture.boxes:
        assert 0 <= box.x <= picture.width - WIDTH
        assert 0 <= box.y <= picture.height - HEIGHT
    for one, other in combinations(picture.boxes, 2):
        assert abs(one.x - other.x) >= WIDTH or abs(one.y - other.y) >= HEIGHT
    assert all(re.fullmatch(r"M\d+ \d+C-?\d+ \d+ -?\d+ \d+ -?\d+ \d+", curve) for curve in picture.curves)
