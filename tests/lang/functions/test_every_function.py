"""Rules that hold for every function, checked over the whole registry."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from iacengine.lang.convert import can_convert
from iacengine.lang.functions import registry
from iacengine.lang.types import BOOL, DYNAMIC, NUMBER, STRING, ListType, MapType, SetType, Type
from iacengine.lang.values import SENSITIVE, Marked, Null, Unknown, Value, any_inside, has_mark, sensitive, type_of

Call = Callable[..., Value]

# arguments each function accepts, all known
EXAMPLES: dict[str, tuple[Value, ...]] = {
    "abs": (-1,),
    "abspath": ("x",),
    "alltrue": ((True,),),
    "anytrue": ((False,),),
    "base64decode": ("YQ==",),
    "base64encode": ("a",),
    "base64gzip": ("a",),
    "base64sha256": ("a",),
    "base64sha512": ("a",),
    "basename": ("a/b",),
    "bcrypt": ("secret", 4),
    "ceil": (1,),
    "chomp": ("a\n",),
    "chunklist": ((1, 2), 1),
    "cidrhost": ("10.0.0.0/8", 1),
    "cidrnetmask": ("10.0.0.0/8",),
    "cidrsubnet": ("10.0.0.0/8", 8, 1),
    "cidrsubnets": ("10.0.0.0/8", 8),
    "coalesce": ("a", "b"),
    "coalescelist": ((1,), (2,)),
    "compact": (("a", ""),),
    "concat": ((1,), (2,)),
    "contains": ((1,), 1),
    "csvdecode": ("a\n1\n",),
    "dirname": ("a/b",),
    "distinct": ((1, 1),),
    "element": ((1, 2), 1),
    "endswith": ("ab", "b"),
    "ephemeralasnull": (1,),
    "file": ("hello.txt",),
    "filebase64": ("hello.txt",),
    "filebase64sha256": ("hello.txt",),
    "filebase64sha512": ("hello.txt",),
    "fileexists": ("hello.txt",),
    "filemd5": ("hello.txt",),
    "fileset": (".", "*.txt"),
    "filesha1": ("hello.txt",),
    "filesha256": ("hello.txt",),
    "filesha512": ("hello.txt",),
    "flatten": (((1,),),),
    "floor": (1,),
    "format": ("%s", "a"),
    "formatdate": ("YYYY", "2024-01-01T00:00:00Z"),
    "formatlist": ("%s", ("a",)),
    "indent": (2, "a\nb"),
    "index": ((1, 2), 2),
    "issensitive": (1,),
    "join": (",", ("a",)),
    "jsondecode": ("[1]",),
    "jsonencode": ((1,),),
    "keys": ({"a": 1},),
    "length": ((1,),),
    "log": (8, 2),
    "lookup": ({"a": 1}, "a", 2),
    "lower": ("A",),
    "matchkeys": ((1,), ("a",), ("a",)),
    "max": (1, 2),
    "md5": ("a",),
    "merge": ({"a": 1}, {"b": 2}),
    "min": (1, 2),
    "nonsensitive": (1,),
    "one": ((1,),),
    "parseint": ("10", 10),
    "pathexpand": ("~/a",),
    "plantimestamp": (),
    "pow": (2, 2),
    "provider::terraform::encode_expr": (1,),
    "provider::terraform::encode_tfvars": ({"a": 1},),
    "range": (3,),
    "regex": ("a", "a"),
    "regexall": ("a", "a"),
    "replace": ("a", "a", "b"),
    "reverse": ((1, 2),),
    "sensitive": (1,),
    "setintersection": (("a",), ("a",)),
    "setproduct": (("a",), ("b",)),
    "setsubtract": (("a",), ("b",)),
    "setunion": (("a",), ("b",)),
    "sha1": ("a",),
    "sha256": ("a",),
    "sha512": ("a",),
    "signum": (1,),
    "slice": ((1, 2), 0, 1),
    "sort": (("b", "a"),),
    "split": (",", "a,b"),
    "startswith": ("ab", "a"),
    "strcontains": ("ab", "a"),
    "strrev": ("ab",),
    "substr": ("ab", 0, 1),
    "sum": ((1, 2),),
    "textdecodebase64": ("YQ==", "UTF-8"),
    "textencodebase64": ("a", "UTF-8"),
    "timeadd": ("2024-01-01T00:00:00Z", "1h"),
    "timecmp": ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
    "timestamp": (),
    "title": ("a",),
    "tobool": ("true",),
    "tolist": ((1,),),
    "tomap": ({"a": 1},),
    "tonumber": ("1",),
    "toset": ((1,),),
    "tostring": (1,),
    "transpose": ({"a": ("b",)},),
    "trim": ("a", "b"),
    "trimprefix": ("ab", "a"),
    "trimspace": (" a",),
    "trimsuffix": ("ab", "b"),
    "upper": ("a",),
    "urlencode": ("a b",),
    "uuid": (),
    "uuidv5": ("dns", "example.org"),
    "values": ({"a": 1},),
    "yamldecode": ("a: 1",),
    "yamlencode": ({"a": 1},),
    "zipmap": (("a",), (1,)),
}
# these need a template engine or a private key, and have tests of their own
_ELSEWHERE = {"try", "can", "templatestring", "templatefile", "rsadecrypt", "provider::terraform::decode_tfvars"}
# these tell of marks, or take them away: that is what they are for
_ABOUT_MARKS = {"issensitive", "nonsensitive"}


def test_there_is_an_example_for_every_function() -> None:
    assert EXAMPLES.keys() == set(registry.names()) - _ELSEWHERE


@pytest.mark.parametrize("name", sorted(EXAMPLES))
@pytest.mark.usefixtures("tree")
def test_known_plain_arguments_give_a_known_plain_result(name: str, call: Call) -> None:
    result = call(name, *EXAMPLES[name])
    if name == "sensitive":
        assert result == Marked(1, frozenset((SENSITIVE,)))
    else:
        assert not any_inside(result, lambda inner: inner.__class__ in (Unknown, Marked))


@pytest.mark.parametrize("name", sorted(EXAMPLES))
@pytest.mark.usefixtures("tree")
def test_a_sensitive_argument_makes_the_result_sensitive(name: str, call: Call) -> None:
    arguments = EXAMPLES[name]
    if name in _ABOUT_MARKS:
        return
    for index in range(len(arguments)):
        marked = (*arguments[:index], sensitive(arguments[index]), *arguments[index + 1 :])
        if name == "lookup" and index == 2:
            continue  # a default that is not taken leaves no trace
        assert has_mark(call(name, *marked), SENSITIVE), f"argument {index} of {name}"


@pytest.mark.parametrize("name", sorted(EXAMPLES))
@pytest.mark.usefixtures("tree")
def test_an_unknown_argument_gives_an_unknown_result_or_the_one_of_the_known_argument(name: str, call: Call) -> None:
    arguments = EXAMPLES[name]
    expected = call(name, *arguments)
    for index, argument in enumerate(arguments):
        unknown = (*arguments[:index], Unknown(type_of(argument)), *arguments[index + 1 :])
        result = call(name, *unknown)
        assert any_inside(result, lambda inner: inner.__class__ is Unknown) or result == expected, f"argument {index}"


@pytest.mark.parametrize("name", sorted(EXAMPLES))
@pytest.mark.usefixtures("tree")
def test_an_argument_of_which_nothing_is_known_is_never_an_error(name: str, call: Call) -> None:
    arguments = EXAMPLES[name]
    for index in range(len(arguments)):
        unknown = (*arguments[:index], Unknown(DYNAMIC), *arguments[index + 1 :])
        result = call(name, *unknown)
        assert any_inside(result, lambda inner: inner.__class__ is Unknown) or result == call(name, *arguments)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
@pytest.mark.usefixtures("tree")
def test_the_type_told_of_an_unknown_result_is_the_type_of_the_known_one(name: str, call: Call) -> None:
    arguments = EXAMPLES[name]
    known = type_of(call(name, *arguments))
    for index, argument in enumerate(arguments):
        unknown = (*arguments[:index], Unknown(type_of(argument)), *arguments[index + 1 :])
        told = type_of(call(name, *unknown))
        assert told is DYNAMIC or told == known or can_convert(known, told), f"argument {index}: {told} for {known}"


@pytest.mark.parametrize("name", sorted(EXAMPLES))
@pytest.mark.usefixtures("tree")
def test_a_null_is_an_error_exactly_where_the_parameter_does_not_allow_it(name: str, call: Call) -> None:
    arguments = EXAMPLES[name]
    function = registry.lookup(name)
    assert function is not None
    for index, argument in enumerate(arguments):
        nulled = (*arguments[:index], Null(type_of(argument)), *arguments[index + 1 :])
        if function.parameter(index).allow_null:
            continue
        with pytest.raises(registry.FunctionError, match="must not be null"):
            call(name, *nulled)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
@pytest.mark.parametrize("type_", [STRING, NUMBER, BOOL, ListType(STRING), SetType(NUMBER), MapType(BOOL)], ids=repr)
@pytest.mark.usefixtures("tree")
def test_an_unknown_of_any_type_ends_in_a_value_or_a_proper_error(name: str, type_: Type, call: Call) -> None:
    arguments = EXAMPLES[name]
    for index in range(len(arguments)):
        unknown = (*arguments[:index], Unknown(type_), *arguments[index + 1 :])
        with suppress(registry.FunctionError):
            assert any_inside(call(name, *unknown), lambda _: True)


def test_the_working_tree_is_not_written_to(tree: Path, call: Call) -> None:
    before = sorted(str(path) for path in tree.rglob("*"))
    for name, arguments in EXAMPLES.items():
        call(name, *arguments)
    assert sorted(str(path) for path in tree.rglob("*")) == before
