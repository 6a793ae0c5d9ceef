"""Standard base64 as Go's decoder takes it: line breaks are ignored, padding is required."""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass

_WHOLE = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


@dataclass(frozen=True, slots=True)
class Decoded:
    """The bytes, or the offset of the character that is out of place."""

    data: bytes
    corrupt_at: int | None = None


def encode(data: bytes) -> str:
    """The bytes in base64, on one line, padded."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def decode(source: str) -> Decoded:
    """What the text encodes."""
    text = source.replace("\n", "").replace("\r", "") if "\n" in source or "\r" in source else source
    match = _WHOLE.match(text)
    assert match is not None  # the pattern matches the empty text too
    if match.end() == len(text):
        return Decoded(binascii.a2b_base64(text))
    end = match.end()
    while end < len(text) and (text[end] in "+/" or (text[end].isascii() and text[end].isalnum())):
        end += 1
    return Decoded(b"", len(text[:end].encode()))
