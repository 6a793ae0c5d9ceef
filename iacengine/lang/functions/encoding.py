"""Encodings of text and bytes: base64, gzip, character sets, URLs."""

from __future__ import annotations

from collections.abc import Sequence

from iacengine.lang.functions import base64_text
from iacengine.lang.functions.arguments import go_quote, redacted, text
from iacengine.lang.functions.charsets import Charset, find
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.functions.signature import Function, FunctionError
from iacengine.lang.text import nfc
from iacengine.lang.types import STRING
from iacengine.lang.values import Value, mark, unmark

_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")
_URL_BYTES = ["+" if byte == 32 else chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in range(256)]


def _base64encode(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    return base64_text.encode(arguments[0].encode())


def _base64decode(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    source, marks = unmark(arguments[0])
    decoded = base64_text.decode(source)
    if decoded.corrupt_at is not None:
        raise FunctionError(f"failed to decode base64 data {redacted(go_quote(source), marks)}")
    try:
        return mark(nfc(decoded.data.decode()), marks)
    except UnicodeDecodeError:
        raise FunctionError("the result of decoding the provided string is not valid UTF-8") from None


def _base64gzip(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    import zlib  # lazy: wanted by this function alone

    from iacengine.lang.functions.deflate import deflate

    data = arguments[0].encode()
    body = deflate(data)
    trailer = zlib.crc32(data).to_bytes(4, "little") + (len(data) & 0xFFFFFFFF).to_bytes(4, "little")
    # the header of Go's writer: no time, no name, unknown system
    return base64_text.encode(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" + body + trailer)


def _charset(name: str) -> Charset:
    charset = find(name)
    if charset is None:
        raise FunctionError(f"{go_quote(name)} is not a supported IANA encoding name or alias", 1)
    return charset


def _textencodebase64(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    charset = _charset(arguments[1])
    try:
        return base64_text.encode(charset.encode(arguments[0]))
    except UnicodeEncodeError:
        message = f"the given string contains characters that cannot be represented in {charset.name}"
        raise FunctionError(message, 0) from None


def _textdecodebase64(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    charset = _charset(arguments[1])
    decoded = base64_text.decode(arguments[0])
    if decoded.corrupt_at is not None:
        raise FunctionError(f"the given value has an invalid base64 symbol at offset {decoded.corrupt_at}", 0)
    try:
        return nfc(charset.decode(decoded.data))
    except UnicodeDecodeError:
        message = f"the given string contains symbols that are not defined for {charset.name}"
        raise FunctionError(message, 0) from None


def _urlencode(arguments: Sequence[Value], _context: FunctionContext) -> Value:
    return "".join([_URL_BYTES[byte] for byte in arguments[0].encode()])


FUNCTIONS = (
    Function("base64decode", (text("str", allow_marked=True),), None, STRING, _base64decode),
    Function("base64encode", (text("str"),), None, STRING, _base64encode),
    Function("base64gzip", (text("str"),), None, STRING, _base64gzip),
    Function("textdecodebase64", (text("source"), text("encoding")), None, STRING, _textdecodebase64),
    Function("textencodebase64", (text("string"), text("encoding")), None, STRING, _textencodebase64),
    Function("urlencode", (text("str"),), None, STRING, _urlencode),
)
