"""The journal file: what is read back, what a crash leaves, and what is damage."""

from __future__ import annotations

from zlib import crc32

import pytest

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.state.journal import HEADER, decode_entries, encode_entries, read_records
from iacengine.state.journal_entries import Begun, Changed, Closed, Failed, Opened, Operation, Succeeded
from iacengine.state.model import CheckResult, OutputState


@pytest.fixture
def every_entry(full_state):
    """One of each kind, every field in use."""
    objects = full_state.objects
    one, *_, other = objects.values()
    gone = next(key for key in objects if key[1])
    return [
        Opened("run ü", "lineage-1", 1, 4, 'iac apply -var "a=b"', "2026-01-01T00:00:00Z"),
        Begun(0, Operation.CREATE, one.address, "", "token", one.provider, None, one),
        Succeeded(0, {one.key: one}),
        Begun(1, Operation.DELETE, *gone, "token-2", other.provider, objects[gone], None),
        Failed(1, "it\nbroke", {gone: None, other.key: other}),
        Changed({one.key: None}, {"o": OutputState(10**30, "number", True)}, (CheckResult("check", "c", "pass", "c"),)),
        Changed({}, {}, ()),
        Changed(),
        Closed("interrupted"),
    ]


def refusal(data: bytes):
    with pytest.raises(DiagnosticsError) as caught:
        decode_entries(data, "state.journal")
    (found,) = caught.value.diagnostics
    assert "state.journal" in found.detail
    assert found.remedy
    return found


def record(number: int, text: bytes, kind: bytes = b"j") -> bytes:
    content = b"%d %b %b" % (number, kind, text)
    return b"%08x %b\n" % (crc32(content), content)


def test_every_entry_is_read_back_as_it_was_written(every_entry, plain):
    assert plain(list(decode_entries(HEADER + encode_entries(every_entry, 1), "j"))) == plain(every_entry)


def test_entries_are_one_line_each(every_entry):
    assert encode_entries(every_entry, 1).count(b"\n") == len(every_entry)


def test_the_layout_is_the_documented_one():
    assert encode_entries([Closed("complete")], 12) == record(12, b'{"outcome":"complete","type":"closed"}')
    assert encode_entries([Closed("complete")], 12)[:8] == b"%08x" % crc32(
        b'12 j {"outcome":"complete","type":"closed"}'
    )


def test_a_journal_appended_in_parts_is_that_appended_at_once(every_entry):
    parts = [encode_entries([entry], number) for number, entry in enumerate(every_entry, 1)]
    assert b"".join(parts) == encode_entries(every_entry, 1)


def test_numbers_beyond_64_bits_in_an_object_stay_exact(new_object):
    made = new_object("a.b", attributes={"n": 2**200, "s": "\ud800"})
    (entry,) = decode_entries(HEADER + encode_entries([Succeeded(0, {made.key: made})], 1), "j")
    assert entry.changes[made.key].attributes == made.attributes


def test_an_object_filed_under_another_key_is_refused(new_object):
    one, other = new_object("a.b"), new_object("a.c")
    with pytest.raises(ValueError, match="filed under"):
        encode_entries([Succeeded(0, {one.key: other})], 1)


def test_no_file_content_is_an_empty_journal():
    assert decode_entries(b"", "j") == ()
    assert decode_entries(HEADER, "j") == ()


def test_a_journal_cut_anywhere_holds_the_entries_before_the_cut(every_entry, plain):
    data = HEADER + encode_entries(every_entry, 1)
    for length in range(len(data) + 1):
        whole = max(0, data[:length].count(b"\n") - 1)
        records = read_records(data[:length], "j")
        assert len(records.texts) == whole
        assert records.length == (0 if length < len(HEADER) else data[:length].rindex(b"\n") + 1)
        assert plain(list(decode_entries(data[:length], "j"))) == plain(every_entry[:whole])


@pytest.mark.parametrize(
    "tail", [b"\0" * 5000, b"garbage", b"\0\0\n\0\0\n", b"garbage\nmore\n", b"\n\n", b"0" * 8 + b" 3 j "]
)
def test_what_follows_the_last_whole_record_without_being_one_is_left_out(tail, every_entry):
    data = HEADER + encode_entries(every_entry[:2], 1)
    assert len(decode_entries(data + tail, "j")) == 2


def test_a_hole_in_the_last_record_is_a_cut(every_entry):
    data = HEADER + encode_entries(every_entry[:3], 1)
    holed = data[:-40] + b"\0" * 30 + data[-10:]
    assert len(decode_entries(holed, "j")) == 2


def test_any_changed_byte_before_the_last_newline_is_damage_that_names_the_line(every_entry):
    data = HEADER + encode_entries(every_entry[:4], 1)
    for place in range(len(HEADER), len(data) - 1):
        found = refusal(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert found.summary == "Damaged journal"
        line = data[:place].count(b"\n") + 1
        assert f"line {line}:" in found.detail


def test_a_lost_line_is_damage(every_entry):
    lines = (HEADER + encode_entries(every_entry, 1)).splitlines(keepends=True)
    found = refusal(b"".join(lines[:3] + lines[4:]))
    assert "line 4: record 3 is expected there, record 4 found" in found.detail


def test_a_line_written_twice_is_damage(every_entry):
    lines = (HEADER + encode_entries(every_entry, 1)).splitlines(keepends=True)
    assert "line 4" in refusal(b"".join(lines[:3] + lines[2:])).detail


def test_records_of_two_writers_are_damage(every_entry):
    both = HEADER + encode_entries(every_entry[:2], 1) + encode_entries(every_entry[:1], 2)
    assert "record 3 is expected there, record 2 found" in refusal(both).detail


def test_a_lost_header_is_told():
    assert refusal(record(1, b'{"outcome":"complete","type":"closed"}')).summary == "Not a journal"
    assert refusal(b"hello\n").summary == "Not a journal"


def test_a_newer_journal_asks_for_a_newer_iacengine():
    assert "version 2" in refusal(b"iacengine-journal 2\nwhatever\n").detail


@pytest.mark.parametrize(
    "text",
    [b'{"type":"teleported"}', b"{}", b'{"type":"begun","step":1}', b'{"type":"succeeded","step":1,"changes":[{}]}'],
)
def test_an_intact_record_of_unknown_meaning_names_the_line(text):
    data = HEADER + record(1, b'{"outcome":"complete","type":"closed"}') + record(2, text)
    found = refusal(data)
    assert found.summary == "Unknown journal entry"
    assert "line 3" in found.detail
