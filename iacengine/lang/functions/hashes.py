"""Digests of strings, in hexadecimal or base64."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from iacengine.lang.functions import base64_text
from iacengine.lang.functions.arguments import text
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.functions.signature import Function
from iacengine.lang.types import STRING
from iacengine.lang.values import Value


def digest(algorithm: str, data: bytes) -> bytes:
    """The digest of the bytes by `md5`, `sha1`, `sha256` or `sha512`."""
    import hashlib  # lazy: it loads OpenSSL

    return hashlib.new(algorithm, data, usedforsecurity=False).digest()


def _hash(name: str, algorithm: str, show: Callable[[bytes], str]) -> Function:
    def implementation(arguments: Sequence[Value], _context: FunctionContext) -> Value:
        return show(digest(algorithm, arguments[0].encode()))

    return Function(name, (text("str"),), None, STRING, implementation)


FUNCTIONS = (
    _hash("base64sha256", "sha256", base64_text.encode),
    _hash("base64sha512", "sha512", base64_text.encode),
    _hash("md5", "md5", bytes.hex),
    _hash("sha1", "sha1", bytes.hex),
    _hash("sha256", "sha256", bytes.hex),
    _hash("sha512", "sha512", bytes.hex),
)
