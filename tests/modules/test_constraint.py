"""Constraints mean what they mean to Terraform."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iacengine.modules.constraint import ANY, LONGEST, ConstraintError, exactly, parse_constraint
from iacengine.modules.version import Version, parse_version

# From constraint_test.go of hashicorp/go-version, but for its versions that have not three segments.
GO_VERSION = """
    >= 1.0, < 1.2 | 1.1.5 | yes
    < 1.0, < 1.2 | 1.1.5 | no
    = 1.0 | 1.1.5 | no
    = 1.0 | 1.0.0 | yes
    1.0 | 1.0.0 | yes
    ~> 1.0 | 2.0.0 | no
    ~> 1.0 | 1.1.0 | yes
    ~> 1.0 | 1.2.3 | yes
    ~> 1.0.0 | 1.2.3 | no
    ~> 1.0.0 | 1.0.7 | yes
    ~> 1.0.0 | 1.1.0 | no
    ~> 1.0.7 | 1.0.4 | no
    ~> 1.0.7 | 1.0.7 | yes
    ~> 1.0.7 | 1.0.8 | yes
    ~> 1.0.9.5 | 1.0.9 | no
    ~> 1.0.9.5 | 1.0.10 | no
    ~> 2.0 | 2.1.0-beta | no
    ~> 2.1.0-a | 2.2.0 | no
    ~> 2.1.0-a | 2.1.0 | no
    ~> 2.1.0-a | 2.1.0-beta | yes
    ~> 2.1.0-a | 2.2.0-alpha | no
    > 2.0 | 2.1.0-beta | no
    >= 2.1.0-a | 2.1.0-beta | yes
    >= 2.1.0-a | 2.1.1-beta | no
    >= 2.0.0 | 2.1.0-beta | no
    >= 2.1.0-a | 2.1.1 | yes
    >= 2.1.0-a | 2.1.0 | yes
    <= 2.1.0-a | 2.0.0 | yes
    ~> 1 | 1.9.0 | yes
    ~> 1 | 2.0.0 | yes
    ~> 1 | 0.9.0 | no
    != 1.0 | 1.0.0 | no
    != 1.0.0-a | 1.0.0 | yes
    v1.2 | 1.2.0 | yes
    >=v1.2,<v2 | 1.9.9 | yes
    \t>=\t1 ,\t< 2 | 1.0.0 | yes
    01.2 | 1.2.0 | yes
    1.0.0 | 1.0.0+build | yes
    = 1.0.0+other | 1.0.0+build | yes
    1.0.0.0 | 1.0.0 | yes
    > 1.0.0.0 | 1.0.0 | no
    >= 1.0.0.1 | 1.0.0 | no
    1.0.0rc1 | 1.0.0-rc1 | yes
"""
CASES = [tuple(part.strip(" ") for part in line.strip(" ").split("|")) for line in GO_VERSION.strip().splitlines()]

VERSIONS = st.builds(
    Version, st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.sampled_from(["", "", "", "a", "b.1", "1"])
)
RELEASES = VERSIONS.filter(lambda version: not version.prerelease)


@pytest.mark.parametrize(("constraint", "version", "answer"), CASES)
def test_a_version_meets_a_constraint_as_go_version_says(constraint, version, answer):
    assert parse_constraint(constraint).holds(parse_version(version)) == (answer == "yes")


@given(VERSIONS, VERSIONS)
def test_comparisons_agree_with_the_order_of_versions(bound, version):
    def meets(operator):
        return parse_constraint(f"{operator} {bound}").holds(version)

    assert meets("=") == (version == bound)
    assert meets("!=") != meets("=")
    if not version.prerelease:
        assert meets(">") == (version > bound)
        assert meets(">=") == (version >= bound)
        assert meets("<") == (version < bound)
        assert meets("<=") == (version <= bound)


@given(RELEASES, RELEASES)
def test_the_pessimistic_operator_is_a_range(bound, version):
    minor = parse_constraint(f"~> {bound.major}.{bound.minor}")
    assert minor.holds(version) == (Version(bound.major, bound.minor, 0) <= version < Version(bound.major + 1, 0, 0))
    patch = parse_constraint(f"~> {bound}")
    assert patch.holds(version) == (bound <= version < Version(bound.major, bound.minor + 1, 0))


@given(
    st.lists(st.tuples(st.sampled_from(["", "=", "!=", ">", "<", ">=", "<=", "~>"]), VERSIONS), min_size=1, max_size=4)
)
def test_a_list_holds_when_each_of_its_conditions_does(parts):
    texts = [f"{operator} {version}" for operator, version in parts]
    whole = parse_constraint(", ".join(texts))
    for version in (version for _, version in parts):
        assert whole.holds(version) == all(parse_constraint(text).holds(version) for text in texts)
    assert parse_constraint(str(whole)).conditions == whole.conditions


@given(VERSIONS)
def test_a_pre_release_is_chosen_only_when_it_is_named(version):
    assert exactly(version).accepts(version)
    assert ANY.accepts(version) == (not version.prerelease)
    if version.prerelease:
        for text in (f">= {version}", f"~> {version}", f"<= {version}", ">= 0", "!= 3.3.3"):
            assert not parse_constraint(text).accepts(version)
        assert parse_constraint(f"= {version}, >= {version}").accepts(version)
        assert not parse_constraint(f"= {version}, != {version}").accepts(version)


def test_an_empty_text_is_no_constraint():
    assert parse_constraint("") is ANY
    assert str(ANY) == ""


@pytest.mark.parametrize(
    ("text", "column", "reason", "remedy"),
    [
        ("  ", 1, "A condition is empty", "Write one such as"),
        ("1.2,", 5, "A condition is empty", "Remove the comma."),
        (",1.2", 1, "A condition is empty", "Remove the comma."),
        ("=> 1", 1, 'There is no operator "=>"', 'Write ">="'),
        ("1.0, ^1", 6, 'There is no operator "^"', 'Write "~>"'),
        ("1.x", 3, '"x" stands for no number', "Leave the number out"),
        ("~> 1.2 < 3", 8, "A comma is missing", "Put a comma"),
        (">= ", 4, "A version number is missing", "Write one such as"),
        ("1.2.", 5, "A version number is missing", "Write one such as"),
        ("1.0 || 2.0", 5, 'There is no "||"', "All conditions"),
        ("latest", 1, '"l" does not belong there', "Write one such as"),
        ("1. 2", 4, '"2" does not belong there', "Write one such as"),
        ("> 1.2.3, < 99999999999999999999", 12, "is too large", "Write one such as"),
        ("1" * (LONGEST + 1), LONGEST + 1, f"at most {LONGEST} characters", "Write one such as"),
    ],
)
def test_a_mistake_says_where_it_is_and_what_to_write(text, column, reason, remedy):
    with pytest.raises(ConstraintError, match="Invalid version constraint") as caught:
        parse_constraint(text)
    (diagnostic,) = caught.value.diagnostics
    assert reason in diagnostic.detail
    assert remedy in diagnostic.remedy
    assert caught.value.column == column
    assert len(diagnostic.detail) < 300


@given(st.text(alphabet="0123456789.<>=!~,vx- +ab|^*", max_size=25))
def test_every_text_is_a_constraint_or_a_mistake_with_a_place_in_it(text):
    try:
        parsed = parse_constraint(text)
    except ConstraintError as mistake:
        column = mistake.column
    else:
        assert parse_constraint(str(parsed)).conditions == parsed.conditions
        return
    assert 1 <= column <= len(text) + 1


OPERATORS = st.sampled_from(["", "=", "!=", ">", ">=", "<", "<=", "~>"])
SEGMENTS = st.lists(st.integers(0, 3), min_size=1, max_size=4).map(lambda numbers: ".".join(map(str, numbers)))
CONDITIONS = st.builds(lambda *parts: "".join(parts), OPERATORS, SEGMENTS, st.sampled_from(["", "", "", "-a"]))


@given(st.lists(CONDITIONS, min_size=1, max_size=3).map(", ".join), VERSIONS)
def test_the_range_of_releases_has_those_that_are_accepted(text, version):
    try:
        constraint = parse_constraint(text)
    except ConstraintError:
        return
    releases = constraint.releases()
    if releases is not None and not version.prerelease:
        assert releases.has(version) == constraint.accepts(version)
