"""Digests of files, in hexadecimal or base64."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from iacengine.lang.functions import base64_text
from iacengine.lang.functions.arguments import text
from iacengine.lang.functions.context import FunctionContext
from iacengine.lang.functions.filesystem import read_file
from iacengine.lang.functions.hashes import digest
from iacengine.lang.functions.signature import Function
from iacengine.lang.types import STRING
from iacengine.lang.values import Value


def _hash(name: str, algorithm: str, show: Callable[[bytes], str]) -> Function:
    def implementation(arguments: Sequence[Value], context: FunctionContext) -> Value:
        return show(digest(algorithm, read_file(arguments[0], context.files)))

    return Function(name, (text("path"),), None, STRING, implementation)


FUNCTIONS = (
    _hash("filebase64sha256", "sha256", base64_text.encode),
    _hash("filebase64sha512", "sha512", base64_text.encode),
    _hash("filemd5", "md5", bytes.hex),
    _hash("filesha1", "sha1", bytes.hex),
    _hash("filesha256", "sha256", bytes.hex),
    _hash("filesha512", "sha512", bytes.hex),
)
