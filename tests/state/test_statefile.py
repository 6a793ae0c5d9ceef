"""The state file: what is written is read back, equal states are equal bytes, and nothing damaged is believed."""

from __future__ import annotations

import json
from dataclasses import replace
from types import MappingProxyType

import orjson
import pytest

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.state.model import OutputState
from iacengine.state.statefile import decode_state, encode_state, state_identity


def refusal(data: bytes):
    """The diagnostic that reading ends in; it always says what, where and what to do."""
    with pytest.raises(DiagnosticsError) as caught:
        decode_state(data, "dir/state.json")
    (found,) = caught.value.diagnostics
    assert "dir/state.json" in found.detail
    assert found.remedy
    return found


def test_every_field_is_read_back_as_it_was_written(full_state, plain):
    assert plain(decode_state(encode_state(full_state), "state")) == plain(full_state)


def test_an_empty_state_keeps_its_lineage_and_serial(new_state, plain):
    state = new_state(serial=7)
    assert plain(decode_state(encode_state(state), "state")) == plain(state)


def test_equal_states_are_equal_bytes_whatever_the_order_they_were_made_in(full_state):
    turned = replace(
        full_state,
        objects=dict(reversed(full_state.objects.items())),
        outputs=dict(reversed(full_state.outputs.items())),
    )
    assert encode_state(turned) == encode_state(full_state)


def test_the_order_of_keys_inside_attributes_does_not_matter(new_object, new_state):
    one = new_state(new_object("a.b", attributes={"x": {"p": 1, "q": 2}, "y": 3}))
    other = new_state(new_object("a.b", attributes={"y": 3, "x": {"q": 2, "p": 1}}))
    assert encode_state(one) == encode_state(other)


def test_objects_stand_in_the_order_of_their_addresses(full_state):
    lines = encode_state(full_state).split(b'"objects":[\n')[1].splitlines()
    addresses = [json.loads(line.rstrip(b","))["address"] for line in lines if line.startswith(b'{"address"')]
    assert addresses == [
        "data.aws_region.here",
        "aws_instance.a[2]",
        "aws_instance.a[2]",
        "aws_instance.a[10]",
        "aws_vpc.main",
        'module.net["ü\\n"].aws_subnet.app["$${a}\\\\"]',
    ]


def test_a_change_of_one_object_changes_one_line_beside_head_and_digest(full_state, new_object):
    changed = new_object("aws_vpc.main", attributes={"id": "other"})
    before = encode_state(full_state).splitlines()
    after = encode_state(full_state.with_objects({changed.key: changed})).splitlines()
    assert sum(old != new for old, new in zip(before, after, strict=True)) == 2  # the object's and the digest's


def test_the_file_is_json(full_state):
    content = json.loads(encode_state(full_state))
    assert (content["format"], content["version"], content["serial"]) == ("iacengine-state", 1, 1)
    assert len(content["objects"]) == 6


def test_lineage_and_serial_are_known_without_reading_objects(full_state):
    assert state_identity(encode_state(full_state), "state") == ("lineage-1", 1)


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, 10**40, "\ud800", [{"deep": 2**70}], 0.1, -0.0, 2**63, 5e-324])
def test_what_orjson_cannot_carry_is_kept_exactly(value, new_object, new_state):
    state = new_state(new_object("a.b", attributes={"v": value}), outputs={"o": OutputState(value, "dynamic")})
    read = decode_state(encode_state(state), "state")
    (object_,) = read.objects.values()
    assert repr(object_.attributes["v"]) == repr(value)
    assert repr(read.outputs["o"].value) == repr(value)


def test_read_only_mappings_are_attributes_too(new_object, new_state):
    state = new_state(new_object("a.b", attributes=MappingProxyType({"x": MappingProxyType({"y": 1})})))
    (object_,) = decode_state(encode_state(state), "state").objects.values()
    assert object_.attributes == {"x": {"y": 1}}


def test_attributes_that_are_no_json_data_are_refused(new_object, new_state):
    with pytest.raises(TypeError):
        encode_state(new_state(new_object("a.b", attributes={"x": object()})))


def test_an_object_filed_under_another_key_is_refused(new_object, new_state):
    state = new_state(new_object("a.b"))
    (object_,) = state.objects.values()
    with pytest.raises(ValueError, match="filed under"):
        encode_state(replace(state, objects={(object_.address, "deadbeef"): object_}))


def test_an_empty_file_is_told_as_such():
    assert refusal(b"").summary == "Empty state file"
    assert refusal(b"\n \n").summary == "Empty state file"


def test_a_file_cut_anywhere_is_told_as_truncated(full_state):
    data = encode_state(full_state)
    summaries = {refusal(data[:length]).summary for length in range(1, len(data) - 1)}
    assert summaries == {"Truncated state file"}


def test_the_final_newline_may_be_lost(full_state, plain):
    assert plain(decode_state(encode_state(full_state)[:-1], "state")) == plain(full_state)


def test_no_changed_byte_goes_unnoticed(full_state):
    data = encode_state(full_state)
    for place in range(len(data) - 1):
        refusal(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])


def test_a_file_formatted_anew_is_told_as_damaged(full_state):
    found = refusal(orjson.dumps(orjson.loads(encode_state(full_state)), option=orjson.OPT_INDENT_2))
    assert found.summary == "Damaged state file"
    assert "anew" in found.detail
    found = refusal(encode_state(full_state) + b"\n")
    assert found.summary in ("Damaged state file", "Truncated state file")


def test_a_newer_version_asks_for_a_newer_iacengine(full_state):
    found = refusal(encode_state(full_state).replace(b'"version":1', b'"version":2', 1))
    assert found.summary == "State file of another version"
    assert "version 2" in found.detail


def test_a_newer_version_in_another_layout_asks_for_a_newer_iacengine():
    assert refusal(b'{"version": 3, "format": "iacengine-state"}').summary == "State file of another version"


def test_a_state_of_terraform_is_told_as_such_with_the_way_to_import_it():
    data = b'{"version": 4, "terraform_version": "1.11.4", "serial": 1, "lineage": "x", "outputs": {}, "resources": []}'
    found = refusal(data)
    assert found.summary == "Terraform's state file"
    assert "iac state push" in found.remedy


@pytest.mark.parametrize("data", [b"hello", b"\x00" * 100, b"\xff\xfe", b'{"a": ', b"PK\x03\x04"])
def test_what_is_no_json_is_told_as_such(data):
    assert refusal(data).summary == "Not a state file"
    assert "JSON" in refusal(data).detail


@pytest.mark.parametrize("data", [b"{}", b"[]", b"null", b'{"version": 4}', b'{"format": "other"}'])
def test_other_json_is_told_as_such(data):
    assert refusal(data).summary == "Not a state file"


def test_an_intact_file_that_makes_no_sense_is_told_as_such(full_state):
    import hashlib

    body, _, _ = encode_state(full_state).partition(b'\n"digest"')
    body = body.replace(b'"aws_vpc.main"', b'"aws_vpc.ma]n"')
    digest = hashlib.sha256(body).hexdigest().encode()
    found = refusal(body + b'\n"digest":"sha256:' + digest + b'"}\n')
    assert found.summary == "Malformed state file"
    assert "aws_vpc.ma]n" in found.detail


def test_where_a_state_was_moved_to_stands_in_its_first_line(new_state):
    data = encode_state(new_state(moved_to="über/dort"))
    assert "über/dort".encode() in data.splitlines()[0]
    assert decode_state(data, "state.json").moved_to == "über/dort"
    assert decode_state(encode_state(new_state()), "state.json").moved_to == ""
