"""Which objects are the same one: by token, by id, by place."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from iacengine.addresses import parse_resource_instance
from iacengine.state.identity import matched
from iacengine.state.model import Identity


def known(
    place: str, token: str = "", id_: str = "", provider: str = 'provider["h/n/p"]', *, hidden: bool = False
) -> Identity:
    return Identity(parse_resource_instance(f"t.{place}"), "", provider, token, id_, hidden)


def test_a_token_tells_an_object_wherever_it_is() -> None:
    was, is_ = known("a", "t1", "i1"), known("b", "t1", "i2")
    assert matched([was], [known("a", "t2", "i1"), is_]) == {was: is_}


def test_an_id_tells_an_object_of_which_one_side_does_not_know_the_token() -> None:
    was, imported = known("a", "t1", "i1"), known("b", "", "i1")
    assert matched([was], [imported]) == {was: imported}
    assert matched([imported], [was]) == {imported: was}


def test_objects_that_were_made_one_after_the_other_under_one_id_are_two() -> None:
    assert matched([known("a", "t1", "i1")], [known("a", "t2", "i1")]) == {}


def test_an_id_counts_within_its_provider() -> None:
    assert matched([known("a", "", "i1")], [known("a", "", "i1", 'provider["h/n/q"]')]) == {}


def test_an_id_of_another_configuration_of_the_provider_counts_in_the_same_place() -> None:
    here, alias = known("a", "", "i1"), 'provider["h/n/p"].west'
    assert matched([here], [known("a", "", "i1", alias)]) == {here: known("a", "", "i1", alias)}
    assert matched([here], [known("b", "", "i1", alias)]) == {}


def test_what_has_neither_is_known_by_its_place() -> None:
    nameless = known("a")
    assert matched([nameless], [known("b"), known("a", "t1")]) == {nameless: known("a", "t1")}
    assert matched([nameless], [known("b"), known("a", "", "i1")]) == {nameless: known("a", "", "i1")}
    assert matched([known("a", "t1", "i1")], [known("a", "t2", "i2")]) == {}
    assert matched([nameless], [known("a", "t1", "i1")]) == {}, "it was made since, and can be told"


def test_an_object_whose_id_is_a_secret_is_known_by_it_as_long_as_it_is_not_written_down() -> None:
    old, new = known("a", "", "i1", hidden=True), known("a", "", "i2", hidden=True)
    assert matched([old], [new, known("b", "", "i1")]) == {old: known("b", "", "i1")}
    written = known("a", hidden=True)
    assert matched([written], [new]) == {written: new}
    assert matched([written], [known("a", "t1", "i2", hidden=True)]) == {}


def test_of_several_with_one_id_that_in_the_same_place_is_meant() -> None:
    here, there = known("a", "", "i"), known("b", "", "i")
    assert matched([here, there], [there, here]) == {here: here, there: there}
    assert matched([known("c", "", "i"), here], [there, here]) == {here: here, known("c", "", "i"): there}


identities = st.builds(
    known, st.sampled_from("abc"), st.sampled_from(["", "t1", "t2"]), st.sampled_from(["", "i1", "i2"])
)


@given(st.lists(identities, unique=True), st.lists(identities, unique=True))
def test_no_object_is_two_others(wanted: list[Identity], there: list[Identity]) -> None:
    found = matched(wanted, there)
    assert set(found) <= set(wanted)
    assert set(found.values()) <= set(there)
    assert len(set(found.values())) == len(found)


@given(st.lists(identities, unique_by=lambda each: each.key))
def test_every_object_is_itself(those: list[Identity]) -> None:
    assert matched(those, those[::-1]) == {each: each for each in those}
