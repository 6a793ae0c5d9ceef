"""Versions follow Semantic Versioning 2.0.0."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iacengine.modules.version import LONGEST, Version, VersionError, parse_version, version_or_none

NUMBERS = st.integers(0, 10**9)
NUMERIC = NUMBERS.map(str)
WORDS = st.from_regex(r"[0-9]*[A-Za-z-][0-9A-Za-z-]*", fullmatch=True).filter(lambda word: len(word) < 20)
PRERELEASES = st.lists(st.one_of(NUMERIC, WORDS), max_size=4).map(".".join)
BUILDS = st.lists(st.from_regex(r"[0-9A-Za-z-]{1,8}", fullmatch=True), max_size=3).map(".".join)
SMALL = st.integers(0, 3)
CLOSE = st.sampled_from(["", "", "0", "1", "2", "10", "a", "b", "a.1", "a.b", "1.a", "alpha", "-"])


@st.composite
def versions(draw, numbers=NUMBERS, prereleases=PRERELEASES):
    return Version(draw(numbers), draw(numbers), draw(numbers), draw(prereleases), draw(BUILDS))


CLOSE_VERSIONS = versions(SMALL, CLOSE)

# The examples of clauses 9 to 11 of the specification, and of its regular expression (https://regex101.com/r/vkijKf/1/).
VALID = [
    "0.0.4",
    "1.2.3",
    "10.20.30",
    "1.1.2-prerelease+meta",
    "1.1.2+meta",
    "1.1.2+meta-valid",
    "1.0.0-alpha",
    "1.0.0-beta",
    "1.0.0-alpha.beta",
    "1.0.0-alpha.beta.1",
    "1.0.0-alpha.1",
    "1.0.0-alpha0.valid",
    "1.0.0-alpha.0valid",
    "1.0.0-alpha-a.b-c-somethinglong+build.1-aef.1",
    "1.0.0-rc.1+build.1",
    "2.0.0-rc.1+build.123",
    "1.2.3-beta",
    "10.2.3-DEV-SNAPSHOT",
    "1.2.3-SNAPSHOT-123",
    "1.0.0",
    "2.0.0",
    "1.1.7",
    "2.0.0+build.1848",
    "2.0.1-alpha.1227",
    "1.0.0-alpha+beta",
    "1.2.3----RC-SNAPSHOT.12.9.1--.12+788",
    "1.2.3----R-S.12.9.1--.12+meta",
    "1.2.3----RC-SNAPSHOT.12.9.1--.12",
    "1.0.0+0.build.1-rc.10000aaa-kk-0.1",
    "1.0.0-0A.is.legal",
    "99999999999999999999999.999999999999999999.99999999999999999",
    "1.0.0-x-y-z.--",
]
INVALID = [
    "1",
    "1.2",
    "1.2.3-0123",
    "1.2.3-0123.0123",
    "1.1.2+.123",
    "+invalid",
    "-invalid",
    "-invalid+invalid",
    "-invalid.01",
    "alpha",
    "alpha.beta",
    "alpha.beta.1",
    "alpha.1",
    "alpha+beta",
    "alpha_beta",
    "alpha.",
    "alpha..",
    "beta",
    "1.0.0-alpha_beta",
    "-alpha.",
    "1.0.0-alpha..",
    "1.0.0-alpha..1",
    "1.0.0-alpha...1",
    "01.1.1",
    "1.01.1",
    "1.1.01",
    "1.2.3.DEV",
    "1.2-SNAPSHOT",
    "1.2.31.2.3----RC-SNAPSHOT.12.09.1--..12+788",
    "1.2-RC-SNAPSHOT",
    "-1.0.3-gamma+b7718",
    "+justmeta",
    "9.8.7+meta+meta",
    "9.8.7-whatever+meta+meta",
    "v1.2.3",
    "1.2.3-",
    "1.2.3+",
    "1..2",
    "١.٢.٣",
    "1.2.3-é",
]


@pytest.mark.parametrize("text", VALID)
def test_what_the_specification_calls_valid_is_read_and_printed_as_it_was(text):
    assert str(parse_version(text)) == text


@pytest.mark.parametrize("text", [*INVALID, "", " 1.0.0", "1.0.0\n", "1.0.0 "])
def test_what_the_specification_calls_invalid_is_refused(text):
    assert version_or_none(text) is None
    with pytest.raises(VersionError) as caught:
        parse_version(text)
    assert caught.value.diagnostics[0].remedy


def test_the_example_of_the_specification_is_in_its_order():
    texts = "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0 2.0.0"
    ordered = [*map(parse_version, texts.split()), *map(parse_version, ["2.1.0", "2.1.1"])]
    assert all(first < second for first, second in pairwise(ordered))


def by_the_specification(one, other):
    """Clause 11, word for word: -1, 0 or 1."""
    for first, second in ((one.major, other.major), (one.minor, other.minor), (one.patch, other.patch)):
        if first != second:
            return -1 if first < second else 1
    if bool(one.prerelease) != bool(other.prerelease):
        return -1 if one.prerelease else 1
    left, right = one.prerelease.split("."), other.prerelease.split(".")
    for first, second in zip(left, right, strict=False):
        if first == second:
            continue
        if first.isdigit() and second.isdigit():
            return -1 if int(first) < int(second) else 1
        if first.isdigit() != second.isdigit():
            return -1 if first.isdigit() else 1
        return -1 if first.encode() < second.encode() else 1
    return (len(left) > len(right)) - (len(left) < len(right))


@given(CLOSE_VERSIONS, CLOSE_VERSIONS)
def test_precedence_is_that_of_the_specification(one, other):
    expected = by_the_specification(one, other)
    assert (one.precedence > other.precedence) - (one.precedence < other.precedence) == expected
    if expected:
        assert (one < other) == (expected < 0)


@given(CLOSE_VERSIONS, CLOSE_VERSIONS, CLOSE_VERSIONS)
def test_the_order_is_total(one, other, third):
    assert (one < other) + (one == other) + (one > other) == 1
    if one < other and other < third:
        assert one < third
    if one == other:
        assert hash(one) == hash(other)
        assert str(one) == str(other)


@given(versions())
def test_printing_and_parsing_are_inverse(version):
    again = parse_version(str(version))
    assert again == version
    assert (again.major, again.prerelease, again.build) == (version.major, version.prerelease, version.build)


@given(versions(), BUILDS)
def test_build_metadata_has_no_part_in_precedence(version, build):
    other = Version(version.major, version.minor, version.patch, version.prerelease, build)
    assert other.precedence == version.precedence


@given(st.text(max_size=40))
def test_no_text_is_read_as_another_version(text):
    version = version_or_none(text)
    assert version is None or str(version) == text


def test_a_version_compares_with_versions_only():
    assert parse_version("1.0.0") != "1.0.0"


@pytest.mark.parametrize(
    ("text", "reason", "remedy"),
    [
        ("1.2", "it has 2 numbers, not three", 'Write "1.2.0".'),
        ("v1.2.3", 'it begins with "v"', 'Write "1.2.3".'),
        ("01.2.3", 'the number "01" begins with a zero', 'Write "1.2.3".'),
        ("1.2.3-rc.01", 'the pre-release field "01" begins with a zero', None),
        ("1.2.3_a", '"_" at character 6 does not belong there', None),
        (" 1.2.3", "there is a space around it", 'Write "1.2.3".'),
        ("", "it is empty", None),
        ("1.2.3-", "a part of it is empty or no number", None),
    ],
)
def test_a_mistake_says_what_is_wrong_and_what_was_meant(text, reason, remedy):
    with pytest.raises(VersionError, match="Invalid version") as caught:
        parse_version(text)
    (diagnostic,) = caught.value.diagnostics
    assert reason in diagnostic.detail
    assert diagnostic.remedy.startswith(remedy or "Write MAJOR.MINOR.PATCH")


def test_a_version_of_absurd_length_is_refused_before_its_digits_are_counted():
    text = "9" * 10_000 + ".0.0"
    with pytest.raises(VersionError, match=f"at most {LONGEST}"):
        parse_version(text)
    assert version_or_none("1.0.0-" + "a" * LONGEST) is None
