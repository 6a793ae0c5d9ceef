"""Files, time, networks, encodings, secrets: functions that touch the world or its formats."""

from __future__ import annotations

import base64
import gzip
import ipaddress
import random
import uuid
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iacengine.foundation.files import DiskFiles
from iacengine.lang.functions import registry
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.functions.deflate import deflate
from iacengine.lang.functions.globs import PatternSyntaxError, clean, matches, relative
from iacengine.lang.functions.moments import Moment, parse_duration, parse_moment
from iacengine.lang.text import nfc
from iacengine.lang.types import BOOL, STRING
from iacengine.lang.values import (
    EPHEMERAL,
    Marked,
    Null,
    Refinement,
    SetValue,
    Unknown,
    Value,
    sensitive,
)

Call = Callable[..., Value]
Refusal = Callable[..., registry.FunctionError]


def _call(name: str, *arguments: Value) -> Value:
    function = registry.lookup(name)
    assert function is not None
    return registry.call(function, arguments, FunctionContext(files=DiskFiles()))


# --- files ---


@pytest.mark.usefixtures("tree")
def test_a_file_is_read_as_text(call: Call) -> None:
    assert call("file", "./sub/../hello.txt") == "Hello, é!\n"


def test_home_is_expanded(tree: Path, monkeypatch: pytest.MonkeyPatch, call: Call, refusal: Refusal) -> None:
    monkeypatch.setenv("HOME", str(tree))
    assert call("file", "~/sub/inner.txt") == "inner"
    assert call("fileexists", "~/nothing") is False
    assert call("pathexpand", "~/x") == f"{tree}/x"
    assert call("pathexpand", "~") == str(tree)
    assert call("pathexpand", "a/~") == "a/~"
    assert "user-specific" in refusal("pathexpand", "~someone/x").message


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize(
    ("name", "path", "message"),
    [
        ("file", "nothing.txt", 'no file exists at "nothing.txt"; this function works only with files that are'),
        ("file", "sub", 'failed to read file "sub": is a directory'),
        ("file", "hello.txt/x", 'failed to read file "hello.txt/x": not a directory'),
        ("file", "\0", "failed to read file"),
        ("file", "binary.bin", 'contents of "binary.bin" are not valid UTF-8; use the filebase64 function'),
        ("fileexists", "sub", '"sub" is a directory, not a file'),
        ("fileexists", "pipe", '"pipe" is a named pipe, not a regular file'),
        ("filemd5", "nothing.txt", 'no file exists at "nothing.txt"'),
    ],
)
def test_files_that_cannot_be_read_are_told_apart(name: str, path: str, message: str, refusal: Refusal) -> None:
    assert refusal(name, path).message.startswith(message)


@pytest.mark.usefixtures("tree")
def test_bytes_and_digests_of_files_need_no_text(call: Call) -> None:
    assert call("filebase64", "binary.bin") == "AP/+"
    assert call("filemd5", "empty.txt") == "d41d8cd98f00b204e9800998ecf8427e"
    assert call("filebase64sha256", "empty.txt") == call("base64sha256", "")


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize(
    ("path", "pattern", "expected"),
    [
        (".", "*.txt", ["[x].txt", "empty.txt", "hello.txt"]),
        (".", "**/*.txt", ["[x].txt", "empty.txt", "hello.txt", "sub/inner.txt"]),
        (".", "**/*.md", ["sub/deep/er/leaf.md"]),
        ("sub", "../*.json", ["../data.json"]),
        (".", "{hello,data}.*", ["data.json", "hello.txt"]),
        (".", "\\[x\\].txt", ["[x].txt"]),
        (".", "[^eh]*.txt", ["[x].txt"]),
        (".", ".h*", [".hidden"]),
        (".", "p*", []),
        (".", "sub", []),
        ("nothing", "*", []),
        ("hello.txt", "*", []),
    ],
)
def test_fileset_finds_regular_files_that_match(path: str, pattern: str, expected: list[str], call: Call) -> None:
    assert call("fileset", path, pattern) == SetValue(STRING, expected)


def test_fileset_of_an_absolute_path_gives_relative_names(tree: Path, call: Call) -> None:
    assert call("fileset", str(tree / "sub"), "**") == SetValue(STRING, ("deep/er/leaf.md", "inner.txt"))


def test_fileset_follows_links_to_files_and_directories(tree: Path, call: Call) -> None:
    (tree / "linked").symlink_to("sub")
    (tree / "alias.txt").symlink_to("hello.txt")
    found = call("fileset", ".", "**/*.txt").items
    assert "linked/inner.txt" in found
    assert "alias.txt" in found


@pytest.mark.usefixtures("tree")
def test_a_malformed_pattern_is_refused(refusal: Refusal) -> None:
    assert refusal("fileset", ".", "[").message == 'failed to glob pattern "[": syntax error in pattern'


@pytest.mark.parametrize("pattern", ["[", "[]", "[a-]x", "[-a]", "{a", "a\\"])
def test_a_pattern_is_malformed_where_it_must_be_read(pattern: str) -> None:
    with pytest.raises(PatternSyntaxError):
        matches(pattern, "ax")


@given(st.text("ab/.", max_size=12))
def test_cleaning_twice_is_cleaning_once(path: str) -> None:
    assert clean(clean(path)) == clean(path)


@given(st.lists(st.sampled_from("abc"), max_size=4), st.lists(st.sampled_from("abc"), max_size=4))
def test_a_relative_path_leads_from_the_base_to_the_target(target: list[str], base: list[str]) -> None:
    path, start = clean("/".join(target)), clean("/".join(base))
    assert clean(f"{start}/{relative(path, start)}") == path


@pytest.mark.usefixtures("tree")
def test_a_template_cannot_render_another(refusal: Refusal) -> None:
    error = refusal("templatefile", "hello.txt", {}, inside_template=True)
    assert error.message == "cannot recursively call templatefile from inside another template"


@pytest.mark.usefixtures("tree")
def test_templatefile_hands_text_and_variables_to_the_template_engine(call: Call) -> None:
    asked: list[object] = []

    def render(text: str, variables: object, name: str) -> Value:
        asked.extend((text, variables, name))
        return ("rendered",)

    assert call("templatefile", sensitive("hello.txt"), {"a": 1}, render=render) == sensitive(("rendered",))
    assert asked == ["Hello, é!\n", {"a": 1}, "hello.txt"]


@pytest.mark.usefixtures("tree")
def test_templatefile_takes_names_that_a_template_can_say(refusal: Refusal) -> None:
    assert refusal("templatefile", "hello.txt", {"1a": 1}).message.startswith('invalid template variable name "1a"')
    assert refusal("templatefile", "hello.txt", (1,)).message == "invalid vars value: must be a map"


# --- time ---


def test_the_clock_is_the_contexts(call: Call) -> None:
    assert call("timestamp") == "2024-02-29T12:30:15Z"
    assert call("plantimestamp") == "2024-02-29T12:00:00Z"


def test_what_changes_from_call_to_call_is_unknown_while_planning(call: Call) -> None:
    unknown = Unknown(STRING, Refinement(not_null=True))
    assert call("timestamp", pure_only=True) == unknown
    assert call("uuid", pure_only=True) == unknown
    assert call("bcrypt", "x", pure_only=True) == unknown
    assert call("plantimestamp", plan_timestamp=None) == unknown


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), st.integers(-(10**6), 10**6))
def test_adding_to_a_time_agrees_with_the_calendar(moment: datetime, seconds: int) -> None:
    moment = moment.replace(microsecond=0)
    try:
        expected = moment + timedelta(seconds=seconds)
    except OverflowError:
        return
    assert _call("timeadd", f"{moment.isoformat()}Z", f"{seconds}s") == f"{expected.isoformat()}Z"


@given(st.datetimes(timezones=st.just(UTC)), st.integers(-14 * 60, 14 * 60))
def test_a_moment_is_written_as_it_was_read(moment: datetime, minutes: int) -> None:
    written = str(Moment(int(moment.replace(microsecond=0).timestamp()), 0, minutes * 60))
    if not written.startswith("-") and len(written.partition("-")[0]) == 4:
        assert str(parse_moment(written, strict=True)) == written


def test_time_goes_on_after_the_year_9999(call: Call) -> None:
    assert call("timeadd", "9999-12-31T23:59:59Z", "1s") == "10000-01-01T00:00:00Z"


@given(st.integers(0, 10**6), st.integers(0, 59), st.integers(0, 999))
def test_the_parts_of_a_duration_add_up(hours: int, minutes: int, milliseconds: int) -> None:
    expected = (hours * 3600 + minutes * 60) * 10**9 + milliseconds * 10**6
    assert parse_duration(f"{hours}h{minutes}m{milliseconds}ms") == expected
    assert parse_duration(f"-{hours}h{minutes}m{milliseconds}ms") == -expected


# --- networks ---


@given(st.integers(0, 2**32 - 1), st.integers(0, 32), st.integers(0, 2**32 - 1))
def test_hosts_of_ipv4_agree_with_pythons(address: int, length: int, host: int) -> None:
    network = ipaddress.ip_network((address, length), strict=False)
    index = host % network.num_addresses
    assert _call("cidrhost", str(network), index) == str(network[index])
    assert _call("cidrhost", str(network), index - network.num_addresses) == str(network[index])


@given(st.integers(0, 2**128 - 1), st.integers(0, 100), st.integers(0, 28), st.integers(0, 2**28))
def test_subnets_of_ipv6_agree_with_pythons(address: int, length: int, bits: int, index: int) -> None:
    network = ipaddress.IPv6Network((address, length), strict=False)
    index %= 1 << bits
    start = int(network.network_address) + (index << (128 - length - bits))
    expected = ipaddress.IPv6Network((start, length + bits))
    if expected.network_address.ipv4_mapped is None:
        assert _call("cidrsubnet", str(network), bits, index) == str(expected)


@given(st.lists(st.integers(1, 8), min_size=1, max_size=6))
def test_subnets_given_out_together_do_not_overlap(bits: list[int]) -> None:
    try:
        found = _call("cidrsubnets", "10.0.0.0/8", *bits)
    except registry.FunctionError:
        assert sum(2**-count for count in bits) > 0.5  # only alignment can waste so much
        return
    networks = [ipaddress.ip_network(item) for item in found]
    assert [network.prefixlen for network in networks] == [8 + count for count in bits]
    assert not any(a.overlaps(b) for index, a in enumerate(networks) for b in networks[:index])


def test_numbers_outside_a_prefix_are_refused(refusal: Refusal) -> None:
    assert refusal("cidrhost", "fd00::/80", 1 << 48).message.startswith("prefix of 80 does not accommodate")
    assert refusal("cidrsubnet", "10.0.0.0/8", 8, 256).message.startswith("prefix extension of 8 does not accommodate")


# --- encodings ---


@given(st.lists(st.binary(max_size=12), max_size=20), st.integers(0, 2**32))
def test_what_is_deflated_inflates_to_itself(parts: list[bytes], seed: int) -> None:
    chance = random.Random(seed)
    data = b"".join(chance.choice(parts) for _ in range(200)) if parts else b""
    assert zlib.decompress(deflate(data), -zlib.MAX_WBITS) == data


@given(st.text(st.characters(exclude_categories=["Cs"])).map(nfc))
def test_base64_decoded_is_what_was_encoded(subject: str) -> None:
    encoded = _call("base64encode", subject)
    assert encoded == base64.b64encode(subject.encode()).decode()
    assert _call("base64decode", encoded) == subject


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_gzip_unpacks_to_the_text(subject: str) -> None:
    assert gzip.decompress(base64.b64decode(_call("base64gzip", subject))).decode() == subject


def test_gzip_gives_the_bytes_of_go_for_short_texts(call: Call) -> None:
    assert call("base64gzip", "hello") == "H4sIAAAAAAAA/8pIzcnJBwAAAP//AQAA//+GphA2BQAAAA=="


@given(st.text("abcé日Ж€"), st.sampled_from(["UTF-8", "UTF-16", "UTF-16LE", "UTF-16BE", "GB18030"]))
def test_text_decoded_is_what_was_encoded(subject: str, charset: str) -> None:
    assert _call("textdecodebase64", _call("textencodebase64", subject, charset), charset) == subject


def test_ebcdic_1047_exchanges_brackets(call: Call) -> None:
    assert call("textdecodebase64", "FSWtvV+wurtK", "IBM1047") == "\x85\n[]^¬Ý¨¢"
    assert call("textencodebase64", "[]^¬", "IBM1047") == "rb1fsA=="


def test_an_unknown_character_set_is_refused(refusal: Refusal) -> None:
    error = refusal("textencodebase64", "a", "utf8")
    assert (error.message, error.argument) == ('"utf8" is not a supported IANA encoding name or alias', 1)


# --- secrets ---


def test_uuids_come_from_the_contexts_randomness(call: Call) -> None:
    assert call("uuid") == "00010203-0405-0607-0809-0a0b0c0d0e0f"


@given(st.uuids(), st.text(st.characters(exclude_categories=["Cs"])))
def test_uuidv5_agrees_with_pythons(namespace: uuid.UUID, name: str) -> None:
    assert _call("uuidv5", str(namespace), name) == str(uuid.uuid5(namespace, name))


def test_bcrypt_hashes_so_that_the_password_can_be_checked(call: Call, refusal: Refusal) -> None:
    bcrypt = pytest.importorskip("bcrypt")
    hashed = call("bcrypt", "hunter2", 4)
    assert hashed.startswith("$2a$04$")
    assert bcrypt.checkpw(b"hunter2", hashed.encode())
    assert "longer than 72 bytes" in refusal("bcrypt", "x" * 73, 4).message
    assert "cost 32 is outside allowed range" in refusal("bcrypt", "x", 32).message


def test_rsadecrypt_undoes_encryption_with_the_public_key(call: Call, refusal: Refusal) -> None:
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    cipher = base64.b64encode(key.public_key().encrypt("gehéim".encode(), padding.PKCS1v15())).decode()
    for format_ in (PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8, PrivateFormat.OpenSSH):
        pem = key.private_bytes(Encoding.PEM, format_, NoEncryption()).decode()
        assert call("rsadecrypt", cipher, pem) == "gehéim"
    wrong = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    assert refusal("rsadecrypt", cipher, wrong).message.startswith("failed to decrypt")
    assert refusal("rsadecrypt", "!", wrong).argument == 0
    assert refusal("rsadecrypt", cipher, "no key").message == "invalid private key: no key found"


# --- marks ---


def test_marks_can_be_put_on_taken_off_and_asked_for(call: Call) -> None:
    assert call("sensitive", "x") == sensitive("x")
    assert call("nonsensitive", sensitive("x")) == "x"
    assert call("nonsensitive", (sensitive("x"),)) == (sensitive("x"),)
    assert call("issensitive", sensitive(None)) is True
    assert call("issensitive", (sensitive("x"),)) is False
    assert call("issensitive", Unknown(STRING)) == Unknown(BOOL, Refinement(not_null=True))


def test_ephemeral_values_become_nulls_at_any_depth(call: Call) -> None:
    secret = Marked("x", frozenset((EPHEMERAL, "sensitive")))
    assert call("ephemeralasnull", {"a": secret, "b": 1}) == {"a": sensitive(Null(STRING)), "b": 1}
    assert call("ephemeralasnull", "plain") == "plain"
