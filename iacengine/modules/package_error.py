"""Why a package is refused: one code for each reason, for programs and for tests."""

from __future__ import annotations

from enum import StrEnum

from iacengine.foundation.diagnostics import DiagnosticsError, error


class PackageFault(StrEnum):
    """What is wrong with a package, an archive or a tree of files."""

    # The archive as a whole.
    NOT_GZIP = "not_gzip"
    NOT_TAR = "not_tar"
    NOT_ZIP = "not_zip"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    TRAILING_DATA = "trailing_data"
    SEVERAL_MEMBERS = "several_gzip_members"
    NOT_CANONICAL = "not_canonical"
    WRONG_DIGEST = "wrong_digest"
    WRONG_TREE = "wrong_tree"
    NO_SUBDIRECTORY = "no_subdirectory"
    # Its size.
    PACKAGE_TOO_LARGE = "package_too_large"
    CONTENTS_TOO_LARGE = "contents_too_large"
    FILE_TOO_LARGE = "file_too_large"
    TOO_MANY_FILES = "too_many_files"
    RATIO = "compression_ratio"
    # What is in it.
    LINK = "link"
    SPECIAL_FILE = "special_file"
    SPARSE = "sparse_file"
    EXTENDED_HEADER = "extended_header"
    ENCRYPTED = "encrypted"
    # Names.
    ABSOLUTE_PATH = "absolute_path"
    TRAVERSAL = "path_traversal"
    DRIVE_PATH = "drive_path"
    BACKSLASH = "backslash"
    NUL = "nul_in_name"
    CONTROL_CHARACTER = "control_character"
    NOT_UTF8 = "not_utf8"
    EMPTY_NAME = "empty_name"
    NAME_TOO_LONG = "name_too_long"
    TOO_DEEP = "too_deep"
    REPOSITORY_FOLDER = "repository_folder"
    DUPLICATE = "duplicate_name"
    CASE_COLLISION = "case_collision"
    NORMALISATION_COLLISION = "normalisation_collision"
    FILE_AND_FOLDER = "file_and_folder"
    # The manifest.
    NO_MANIFEST = "no_manifest"
    MANIFEST_TOO_LARGE = "manifest_too_large"
    BAD_MANIFEST = "bad_manifest"
    WRONG_MANIFEST = "wrong_manifest"
    # The folder that is packed.
    UNREADABLE = "unreadable"
    NOTHING_TO_PACK = "nothing_to_pack"
    CHANGED_MEANWHILE = "changed_meanwhile"

    __hash__ = str.__hash__


class PackageError(DiagnosticsError):
    """A package that is refused. Nothing of it is kept."""

    def __init__(self, fault: PackageFault, summary: str, detail: str = "", *, remedy: str | None = None) -> None:
        super().__init__(error(summary, detail, remedy=remedy, code=fault.value))
        self.fault = fault

    @property
    def code(self) -> str:
        return self.fault.value
