"""Names of files in packages: which are allowed, and which may stand beside each other.

A name that means another place on some system, or the same place as another name, is refused everywhere, so that a
package is the same tree on every machine.
"""

from __future__ import annotations

import re
import unicodedata

from iacengine.modules.limits import Limits
from iacengine.modules.package_error import PackageError, PackageFault

# Control characters, and what reorders or hides the text that a reviewer sees.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_DRIVE = re.compile(r"[A-Za-z]:")
_REPOSITORY = ".git"  # whoever runs git in the folder would run what its configuration names
_IGNORABLE = re.compile("[\u200b-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")  # what HFS+ leaves out of names


def member_path(raw: bytes, limits: Limits) -> str:
    """The path of a member as text, relative and with `/`. Raises PackageError for every name that is not allowed."""
    if b"\0" in raw:
        raise _refused(PackageFault.NUL, raw, "has a NUL in it, at which some programs end it")
    try:
        path = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise _refused(PackageFault.NOT_UTF8, raw, "is no UTF-8") from None
    check_path(path, limits)
    return path


def check_path(path: str, limits: Limits) -> None:
    """Raises PackageError unless the path is allowed in a package."""
    if not path:
        raise _refused(PackageFault.EMPTY_NAME, path, "is empty")
    if _CONTROL.search(path):
        raise _refused(PackageFault.CONTROL_CHARACTER, path, "has control or invisible characters in it")
    if path.startswith("/"):
        raise _refused(PackageFault.ABSOLUTE_PATH, path, "begins at the root of the file system")
    if "\\" in path:
        raise _refused(PackageFault.BACKSLASH, path, "has a backslash in it, which separates folders on Windows")
    if _DRIVE.match(path):
        raise _refused(PackageFault.DRIVE_PATH, path, "begins with a drive of Windows")
    encoded = path.encode("utf-8", "surrogatepass")
    if any("\ud800" <= character <= "\udfff" for character in path):
        raise _refused(PackageFault.NOT_UTF8, encoded, "is no UTF-8")
    if len(encoded) > limits.path_bytes:
        raise _refused(PackageFault.NAME_TOO_LONG, path, f"is longer than {limits.path_bytes} bytes")
    parts = path.split("/")
    if len(parts) - 1 > limits.depth:
        raise _refused(PackageFault.TOO_DEEP, path, f"lies in more than {limits.depth} folders")
    for part in parts:
        if part == "..":
            raise _refused(PackageFault.TRAVERSAL, path, "leads to the folder above")
        if part in ("", "."):
            raise _refused(PackageFault.EMPTY_NAME, path, "has an empty part")
        if len(part.encode("utf-8")) > limits.name_bytes:
            raise _refused(PackageFault.NAME_TOO_LONG, path, f"has a part longer than {limits.name_bytes} bytes")
        if _IGNORABLE.sub("", part).casefold().rstrip(". ") in (_REPOSITORY, "git~1"):
            raise _refused(PackageFault.REPOSITORY_FOLDER, path, "is part of a git repository")


class Names:
    """The names of a package so far. `add` refuses one that some file system takes for another."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()
        self._folded: dict[str, str] = {}  # as a file system sees it that heeds neither case nor normal form

    def add(self, path: str) -> None:
        """Note the path of a file. Raises PackageError when it cannot stand beside the others."""
        if path in self._files:
            raise _refused(PackageFault.DUPLICATE, path, "is there twice")
        if path in self._folders:
            raise _refused(PackageFault.FILE_AND_FOLDER, path, "is a file and a folder")
        self._compare(path)
        self._files.add(path)
        above = path
        while "/" in above:
            above = above.rpartition("/")[0]
            if above in self._folders:
                break  # and so are those above it
            if above in self._files:
                raise _refused(PackageFault.FILE_AND_FOLDER, above, "is a file and a folder")
            self._compare(above)
            self._folders.add(above)

    def _compare(self, path: str) -> None:
        if path.isascii():
            folded = path.lower()
        else:
            folded = unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())
        other = self._folded.setdefault(folded, path)
        if other == path:
            return
        if unicodedata.normalize("NFC", other) == unicodedata.normalize("NFC", path):
            fault, why = PackageFault.NORMALISATION_COLLISION, "in the normal form of Unicode"
        else:
            fault, why = PackageFault.CASE_COLLISION, "in the case of letters"
        raise _refused(fault, path, f"differs from {shown(other)} only {why}, and takes its place on some systems")


def shown(name: str | bytes) -> str:
    """A name for messages: quoted, shortened, and with everything unprintable escaped."""
    text = name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else name
    text = "".join(one if one.isprintable() else one.encode("unicode_escape", "surrogatepass").decode() for one in text)
    return f'"{text}"' if len(text) <= 80 else f'"{text[:60]}…{text[-16:]}"'


def _refused(fault: PackageFault, name: str | bytes, why: str) -> PackageError:
    return PackageError(
        fault,
        "A name that is not allowed in a package",
        f"The name {shown(name)} {why}.",
        remedy="Rename the file, then pack it again. Do not trust a package that somebody else made like that.",
    )
