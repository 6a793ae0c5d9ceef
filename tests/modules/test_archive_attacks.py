"""Packages made to harm: each is refused for its own reason, and nothing is written outside of its folder."""

from __future__ import annotations

import gzip
import io
import os
import stat
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.modules.archive import Form, inspect, remove_tree, unpacked
from iacengine.modules.limits import LIMITS, Limits
from iacengine.modules.manifest import MANIFEST_NAME, encode_manifest
from iacengine.modules.model import Manifest, ModuleAddress
from iacengine.modules.package_error import PackageError, PackageFault
from iacengine.modules.tar_format import END, header, padding

DESCRIBED = encode_manifest(Manifest(ModuleAddress("", "acme", "network", "aws"), "1.4.0"))
SMALL = Limits(
    package_bytes=200_000, total_bytes=400_000, file_bytes=300_000, files=50, ratio_from=100_000, manifest_bytes=1000
)


def entry(
    path: str | bytes, data: bytes = b"x", *, size: int | None = None, kind: bytes = b"0", **fields: bytes
) -> bytes:
    """A member whose header has a checksum that is right, however wrong the rest is."""
    raw = path if isinstance(path, bytes) else path.encode("utf-8", "surrogateescape")
    block = bytearray(header("x", len(data) if size is None else size, executable=False))
    block[:100] = raw[:100].ljust(100, b"\0")
    block[156:157] = kind
    places = {"mode": (100, 108), "uid": (108, 116), "size": (124, 136), "mtime": (136, 148), "link": (157, 257)}
    places |= {"magic": (257, 265), "owner": (265, 297), "prefix": (345, 500), "rest": (500, 512)}
    for name, value in fields.items():
        start, end = places[name]
        block[start:end] = value.ljust(end - start, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + data + bytes(padding(len(data)))


def manifest() -> bytes:
    return entry(MANIFEST_NAME, DESCRIBED)


def tar(*entries: bytes, end: bytes = END) -> bytes:
    return gzip.compress(b"".join(entries) + end, mtime=0)


def package(*entries: bytes) -> bytes:
    """A package of these, each sorted in before or behind the manifest by its name."""
    behind = [one for one in entries if one[:100].rstrip(b"\0") >= MANIFEST_NAME.encode()]
    return tar(*(one for one in entries if one not in behind), manifest(), *behind)


def pax(**records: str) -> bytes:
    lines = b""
    for name, value in records.items():
        rest = f" {name.replace('__', '.')}={value}\n".encode()
        length = len(rest) + 1
        while len(f"{length}".encode() + rest) != length:
            length += 1
        lines += f"{length}".encode() + rest
    return lines


@pytest.fixture
def refusal(tmp_path: Path) -> Callable[..., PackageFault]:
    """Unpacks; says why that was refused, and sees that nothing is left, inside the folder or outside."""

    def find(data: bytes, form: Form = Form.PACKAGE, limits: Limits = SMALL) -> PackageFault:
        beside = tmp_path / "cache"
        beside.mkdir(exist_ok=True)
        outside = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir() if path != beside}
        with pytest.raises(PackageError) as refused, unpacked(io.BytesIO(data), str(beside), form=form, limits=limits):
            pytest.fail("it was unpacked")
        assert list(beside.iterdir()) == []
        assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir() if path != beside} == outside
        (diagnostic,) = refused.value.diagnostics
        assert diagnostic.summary
        assert diagnostic.detail.isprintable()
        if form is Form.PACKAGE:
            with pytest.raises(PackageError) as looked:
                inspect(io.BytesIO(data), limits=limits)
            assert looked.value.fault is refused.value.fault
        return refused.value.fault

    return find


def test_the_packages_that_attacks_are_made_of_are_accepted_without_the_attack(tmp_path: Path) -> None:
    for data in (package(), package(entry("a.txt")), package(entry("z.txt"), entry("a/b.txt"))):
        with unpacked(io.BytesIO(data), str(tmp_path), limits=SMALL) as tree:
            assert tree.manifest is not None


NAMES = {
    "/etc/passwd": PackageFault.ABSOLUTE_PATH,
    "//x": PackageFault.ABSOLUTE_PATH,
    "../x": PackageFault.TRAVERSAL,
    "a/../../x": PackageFault.TRAVERSAL,
    "a/..": PackageFault.TRAVERSAL,
    "..": PackageFault.TRAVERSAL,
    ".": PackageFault.EMPTY_NAME,
    "./x": PackageFault.EMPTY_NAME,
    "a//x": PackageFault.EMPTY_NAME,
    "a/./x": PackageFault.EMPTY_NAME,
    "a/": PackageFault.EMPTY_NAME,
    "": PackageFault.EMPTY_NAME,
    "C:/x": PackageFault.DRIVE_PATH,
    "c:x": PackageFault.DRIVE_PATH,
    "a\\..\\x": PackageFault.BACKSLASH,
    "\\\\server\\x": PackageFault.BACKSLASH,
    "a\nb": PackageFault.CONTROL_CHARACTER,
    "a\x1b[2Jb": PackageFault.CONTROL_CHARACTER,
    "a\u202eb": PackageFault.CONTROL_CHARACTER,
    ".git/config": PackageFault.REPOSITORY_FOLDER,
    "a/.GIT/hooks/x": PackageFault.REPOSITORY_FOLDER,
    ".g\u200cit/config": PackageFault.REPOSITORY_FOLDER,
    ".git./config": PackageFault.REPOSITORY_FOLDER,
    "git~1/config": PackageFault.REPOSITORY_FOLDER,
    "a/" * 40 + "x": PackageFault.TOO_DEEP,
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_leads_elsewhere_is_refused(name: str, refusal: Callable[..., PackageFault]) -> None:
    assert refusal(tar(entry(name), manifest())) is NAMES[name]


def test_a_name_with_a_nul_is_refused(refusal: Callable[..., PackageFault]) -> None:
    assert refusal(tar(entry(b"a\0/../x"), manifest())) is PackageFault.NUL


def test_a_name_that_is_no_utf_8_is_refused(refusal: Callable[..., PackageFault]) -> None:
    assert refusal(tar(entry(b"a\xff"), manifest())) is PackageFault.NOT_UTF8
    assert refusal(tar(entry(b"\xc0\xae\xc0\xae/x"), manifest())) is PackageFault.NOT_UTF8


def test_the_prefix_of_a_name_is_part_of_it(refusal: Callable[..., PackageFault]) -> None:
    assert refusal(tar(entry("x", prefix=b"../.."), manifest())) is PackageFault.TRAVERSAL
    assert refusal(tar(entry("x", prefix=b"/etc"), manifest())) is PackageFault.ABSOLUTE_PATH
    assert refusal(tar(entry("x", prefix=b"a"), manifest())) is PackageFault.NOT_CANONICAL


def test_a_name_that_is_too_long_is_refused(refusal: Callable[..., PackageFault]) -> None:
    long_name = entry("x" * 100, prefix=b"y" * 101)
    assert refusal(tar(manifest(), long_name)) is PackageFault.NAME_TOO_LONG
    assert refusal(tar(manifest(), entry("x" * 100, prefix=b"y/" * 77))) is PackageFault.NAME_TOO_LONG


@pytest.mark.parametrize("names", [("b", "b"), ("z", "z")])
def test_the_same_name_twice_is_refused(names: tuple[str, str], refusal: Callable[..., PackageFault]) -> None:
    assert refusal(package(entry(names[0], b"1"), entry(names[1], b"2"))) is PackageFault.DUPLICATE


def test_a_second_manifest_is_refused(refusal: Callable[..., PackageFault]) -> None:
    assert refusal(tar(manifest(), manifest())) is PackageFault.DUPLICATE


@pytest.mark.parametrize("names", [("A", "a"), ("B/x", "b/y"), ("STRASSE", "straße"), ("S", "\u017f")])
def test_names_that_differ_in_case_alone_are_refused(
    names: tuple[str, str], refusal: Callable[..., PackageFault]
) -> None:
    assert refusal(package(*map(entry, names))) is PackageFault.CASE_COLLISION


def test_names_that_differ_in_normal_form_alone_are_refused(refusal: Callable[..., PackageFault]) -> None:
    assert refusal(package(entry("e\u0301"), entry("\u00e9"))) is PackageFault.NORMALISATION_COLLISION
    assert refusal(package(entry("K"), entry("\u212a"))) is PackageFault.NORMALISATION_COLLISION


def test_a_name_that_is_a_file_and_a_folder_is_refused(refusal: Callable[..., PackageFault]) -> None:
    assert refusal(package(entry("a"), entry("a/b"))) is PackageFault.FILE_AND_FOLDER
    assert refusal(tar(entry("a/b"), entry("a"), manifest()), Form.TAR) is PackageFault.FILE_AND_FOLDER


@pytest.mark.parametrize("form", [Form.PACKAGE, Form.TAR])
@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        (b"1", PackageFault.LINK),
        (b"2", PackageFault.LINK),
        (b"3", PackageFault.SPECIAL_FILE),
        (b"4", PackageFault.SPECIAL_FILE),
        (b"6", PackageFault.SPECIAL_FILE),
        (b"S", PackageFault.SPARSE),
        (b"V", PackageFault.SPECIAL_FILE),
        (b"\xff", PackageFault.SPECIAL_FILE),
    ],
)
def test_links_devices_and_the_like_are_refused(
    kind: bytes, fault: PackageFault, form: Form, refusal: Callable[..., PackageFault]
) -> None:
    assert refusal(package(entry("a", b"", kind=kind, link=b"/etc/passwd")), form) is fault


def test_a_file_below_a_link_is_not_written_through_it(tmp_path: Path, refusal: Callable[..., PackageFault]) -> None:
    (tmp_path / "secret").mkdir()
    through = tar(entry("a", b"", kind=b"2", link=str(tmp_path / "secret").encode()), entry("a/x"), manifest())
    assert refusal(through) is PackageFault.LINK
    assert list((tmp_path / "secret").iterdir()) == []


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
def test_a_header_that_gives_another_name_is_refused_in_packages(
    kind: bytes, refusal: Callable[..., PackageFault]
) -> None:
    data = b"../x\0" if kind in b"LK" else pax(path="../x")
    assert refusal(tar(entry("h", data, kind=kind), entry("a"), manifest())) is PackageFault.EXTENDED_HEADER


@pytest.mark.parametrize(
    ("records", "fault"),
    [
        (pax(path="../x"), PackageFault.TRAVERSAL),
        (pax(path="/x"), PackageFault.ABSOLUTE_PATH),
        (pax(path="a\0b"), PackageFault.NUL),
        (pax(size="1000000"), PackageFault.EXTENDED_HEADER),
        (pax(GNU__sparse__name="../x"), PackageFault.SPARSE),
        (pax(GNU__sparse__realsize="99999999999"), PackageFault.SPARSE),
        (b"5 path=x\n", PackageFault.EXTENDED_HEADER),
        (b"-9 path=x\n", PackageFault.EXTENDED_HEADER),
        (b"999 path=x\n", PackageFault.EXTENDED_HEADER),
        (b"0 \n", PackageFault.EXTENDED_HEADER),
        (b"rubbish", PackageFault.EXTENDED_HEADER),
    ],
)
def test_a_pax_header_that_leads_astray_is_refused_in_archives(
    records: bytes, fault: PackageFault, refusal: Callable[..., PackageFault]
) -> None:
    assert refusal(tar(entry("h", records, kind=b"x"), entry("a")), Form.TAR) is fault


def test_other_extended_headers_that_lead_astray_are_refused_in_archives(refusal: Callable[..., PackageFault]) -> None:
    extended = PackageFault.EXTENDED_HEADER
    assert refusal(tar(entry("h", pax(path="x"), kind=b"g"), entry("a")), Form.TAR) is extended
    assert refusal(tar(entry("h", pax(path="x"), kind=b"x")), Form.TAR) is extended
    assert refusal(tar(entry("h", b"x" * 70_000, kind=b"x"), entry("a")), Form.TAR) is extended
    assert refusal(tar(entry("h", b"../x\0", kind=b"L"), entry("a")), Form.TAR) is PackageFault.TRAVERSAL


def test_a_zip_bomb_is_refused_before_it_is_large(refusal: Callable[..., PackageFault]) -> None:
    bomb = tar(entry("a", bytes(290_000)), manifest())
    assert refusal(bomb) is PackageFault.RATIO
    assert (
        refusal(bomb, limits=replace(SMALL, ratio_from=10_000_000, total_bytes=1000)) is PackageFault.CONTENTS_TOO_LARGE
    )


def test_an_endless_package_takes_little_memory(tmp_path: Path) -> None:
    engine = zlib.compressobj(9, zlib.DEFLATED, 31)
    data = engine.compress(entry("a", b"", size=LIMITS.file_bytes)[:512])
    zeros = bytes(1 << 20)
    data += b"".join(engine.compress(zeros) for _ in range(100)) + engine.flush()
    tracemalloc.start()
    try:
        with pytest.raises(PackageError) as refused, unpacked(io.BytesIO(data), str(tmp_path)):
            pass
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert refused.value.fault is PackageFault.RATIO


def test_a_file_that_is_too_large_is_refused_by_what_it_claims(refusal: Callable[..., PackageFault]) -> None:
    assert refusal(package(entry("a", size=300_001))) is PackageFault.FILE_TOO_LARGE
    assert refusal(package(entry("a", size=8**11 - 1))) is PackageFault.FILE_TOO_LARGE
    binary = b"\x80" + (2**60).to_bytes(11, "big")
    assert refusal(package(_sized("a", binary))) is PackageFault.FILE_TOO_LARGE


def _sized(path: str, field: bytes) -> bytes:
    """A member whose field of the size is this."""
    block = bytearray(entry(path)[:512])
    block[124:136] = field.ljust(12, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + b"x" + bytes(511)


@pytest.mark.parametrize("field", [b"-0000000001", b"0x10", b"1e3", b"9", b"1 1"])
def test_a_size_that_is_no_octal_number_is_refused(field: bytes, refusal: Callable[..., PackageFault]) -> None:
    assert refusal(package(_sized("a", field))) is PackageFault.CORRUPT


def test_more_than_a_hundred_thousand_files_are_refused_early(tmp_path: Path) -> None:
    engine = zlib.compressobj(1, zlib.DEFLATED, 31)
    files = (header(f"f{number:06}", 0, executable=False) for number in range(100_001))
    data = b"".join(engine.compress(block) for block in files) + engine.flush()
    for form in (Form.PACKAGE, Form.TAR):
        with pytest.raises(PackageError) as refused, unpacked(io.BytesIO(data), str(tmp_path), form=form):
            pass
        assert refused.value.fault is PackageFault.TOO_MANY_FILES
    assert list(tmp_path.iterdir()) == []


def test_many_folders_are_refused_as_many_files_are(refusal: Callable[..., PackageFault]) -> None:
    folders = [entry(f"d{number}/", b"", kind=b"5") for number in range(151)]
    assert refusal(tar(*folders), Form.TAR) is PackageFault.TOO_MANY_FILES


def test_a_huge_manifest_is_refused(refusal: Callable[..., PackageFault]) -> None:
    assert refusal(tar(entry(MANIFEST_NAME, os.urandom(2000)))) is PackageFault.MANIFEST_TOO_LARGE


def test_a_package_without_its_manifest_is_refused(refusal: Callable[..., PackageFault]) -> None:
    assert refusal(tar()) is PackageFault.NO_MANIFEST
    assert refusal(tar(entry(f"a/{MANIFEST_NAME}", DESCRIBED))) is PackageFault.NO_MANIFEST
    assert refusal(tar(entry(MANIFEST_NAME, b"{}"))) is PackageFault.BAD_MANIFEST
    assert refusal(tar(entry(MANIFEST_NAME, b"\xff"))) is PackageFault.BAD_MANIFEST


def test_what_follows_the_end_is_refused(refusal: Callable[..., PackageFault]) -> None:
    good = package(entry("a"))
    assert refusal(good + b"x") is PackageFault.TRAILING_DATA
    assert refusal(good + bytes(512)) is PackageFault.TRAILING_DATA
    assert refusal(good + gzip.compress(b"")) is PackageFault.SEVERAL_MEMBERS
    assert refusal(good + good) is PackageFault.SEVERAL_MEMBERS
    assert refusal(tar(manifest(), end=END + bytes(512))) is PackageFault.TRAILING_DATA
    assert refusal(tar(manifest(), end=END + entry("hidden"))) is PackageFault.TRAILING_DATA
    assert refusal(tar(manifest(), end=bytes(512) + entry("hidden") + END)) is PackageFault.TRAILING_DATA
    assert refusal(tar(manifest(), end=END + entry("hidden")), Form.TAR) is PackageFault.TRAILING_DATA


def test_what_hides_in_headers_and_padding_is_refused(refusal: Callable[..., PackageFault]) -> None:
    hidden = [
        entry("a", mode=b"0004755"),
        entry("a", mode=b"0000644 "),
        entry("a", uid=b"0001750"),
        entry("a", mtime=b"00000000001"),
        entry("a", owner=b"root"),
        entry("a", rest=b"hidden"),
        entry("a", link=b"hidden"),
        entry("a", magic=b"ustar  \0"),
        entry("a", kind=b"\0"),
        entry("a")[:-1] + b"x",
    ]
    for one in hidden:
        assert refusal(package(one)) is PackageFault.NOT_CANONICAL
    assert refusal(tar(manifest(), entry("a"))) is PackageFault.NOT_CANONICAL  # not in order
    assert refusal(package(entry("a/", b"", kind=b"5"))) is PackageFault.SPECIAL_FILE


def test_every_package_that_is_cut_off_is_refused(refusal: Callable[..., PackageFault]) -> None:
    data = package(entry("a", os.urandom(3000)))
    for end in range(2, len(data), 37):
        assert refusal(data[:end]) is PackageFault.TRUNCATED
    raw = gzip.decompress(data)
    for end in range(512, len(raw) - 1, 256):
        assert refusal(gzip.compress(raw[:end])) is PackageFault.TRUNCATED


def test_what_is_no_package_is_refused(refusal: Callable[..., PackageFault]) -> None:
    assert refusal(b"") is PackageFault.TRUNCATED
    assert refusal(b"PK\x03\x04 zip") is PackageFault.NOT_GZIP
    assert refusal(b"<html>Not found</html>") is PackageFault.NOT_GZIP
    assert refusal(gzip.compress(b"x" * 5000)) is PackageFault.NOT_TAR
    assert refusal(os.urandom(0) + b"\x1f\x8b" + bytes(600)) is PackageFault.CORRUPT
    assert refusal(bytes(200_001)) is PackageFault.PACKAGE_TOO_LARGE


def test_a_package_of_another_digest_is_not_even_looked_into(tmp_path: Path) -> None:
    with (
        pytest.raises(PackageError) as refused,
        unpacked(io.BytesIO(b"\x1f\x8bnot even gzip"), str(tmp_path), expected="sha256:" + "0" * 64),
    ):
        pass
    assert refused.value.fault is PackageFault.WRONG_DIGEST


@settings(max_examples=150)
@given(place=st.integers(0, 10_000), value=st.integers(1, 255))
def test_a_changed_byte_is_refused_or_gives_another_digest(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    good = package(entry("a", b"locals: {}\n" * 50), entry("z", b"y"))
    place %= len(good)
    changed = good[:place] + bytes((good[place] ^ value,)) + good[place + 1 :]
    original, _ = inspect(io.BytesIO(good))
    folder = tmp_path_factory.mktemp("changed")
    try:
        with unpacked(io.BytesIO(changed), str(folder)) as tree:
            assert tree.digest != original.digest
            assert tree.tree_digest == original.tree_digest  # only gzip says the same in other words
    except PackageError:
        pass
    assert list(folder.iterdir()) == []


@given(st.binary(max_size=2000))
def test_rubbish_is_refused_and_never_a_defect(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("rubbish")
    for form, wrapped in ((Form.PACKAGE, gzip.compress(data)), (Form.TAR, gzip.compress(data)), (Form.ZIP, data)):
        with pytest.raises(PackageError), unpacked(io.BytesIO(wrapped), str(folder), form=form):
            pass
    assert list(folder.iterdir()) == []


# --- archives of other programs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_archives_of_other_programs_are_unpacked(format_: int, tmp_path: Path) -> None:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w:gz", format=format_, pax_headers={"comment": "3f2c"}) as archive:
        folder = tarfile.TarInfo("./repo")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name in ("./repo/main.iac.yaml", f"./repo/{'d' * 80}/{'größe' * 10}.txt"):
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode, info.uname = 3, 1700000000, 0o775, "someone"
            archive.addfile(info, io.BytesIO(b"abc"))
    output.seek(0)
    with unpacked(output, str(tmp_path), form=Form.TAR) as tree:
        assert [file.path for file in tree.files] == [
            f"repo/{'d' * 80}/{'größe' * 10}.txt",
            "repo/main.iac.yaml",
        ]
        assert {file.executable for file in tree.files} == {True}
        assert tree.keep_as(str(tmp_path / "kept"), "repo")
    assert (tmp_path / "kept" / "main.iac.yaml").read_text() == "abc"
    remove_tree(str(tmp_path / "kept"))


def test_only_a_folder_of_the_archive_can_be_kept(tmp_path: Path) -> None:
    for wrong in ("..", "a.txt", "/", "nowhere", "../cache"):
        with (
            unpacked(io.BytesIO(tar(entry("a.txt"), entry("b/c"))), str(tmp_path), form=Form.TAR) as tree,
            pytest.raises(PackageError) as refused,
        ):
            tree.keep_as(str(tmp_path / "kept"), wrong)
        assert refused.value.fault is PackageFault.NO_SUBDIRECTORY
    assert list(tmp_path.iterdir()) == []


def zipped(*members: tuple[zipfile.ZipInfo | str, bytes]) -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data, zipfile.ZIP_DEFLATED)
    return output.getvalue()


def zip_info(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


def test_zip_files_are_unpacked(tmp_path: Path) -> None:
    data = zipped(("a/größe.txt", b"1"), (zip_info("run.sh", stat.S_IFREG | 0o755), b"2"), ("a/", b""))
    with unpacked(io.BytesIO(data), str(tmp_path), form=Form.ZIP) as tree:
        assert [(file.path, file.executable) for file in tree.files] == [("a/größe.txt", False), ("run.sh", True)]
        assert Path(tree.folder, "a", "größe.txt").read_bytes() == b"1"


@pytest.mark.parametrize("name", [name for name in NAMES if name and not name.endswith("/")])
def test_a_name_that_leads_elsewhere_is_refused_in_zip_files(name: str, refusal: Callable[..., PackageFault]) -> None:
    assert refusal(zipped((name, b"x")), Form.ZIP) is NAMES[name]


def test_zip_files_made_to_harm_are_refused(refusal: Callable[..., PackageFault]) -> None:
    link, device = zip_info("a", stat.S_IFLNK | 0o777), zip_info("a", stat.S_IFCHR | 0o666)
    assert refusal(zipped((link, b"/etc/passwd")), Form.ZIP) is PackageFault.LINK
    assert refusal(zipped((device, b"")), Form.ZIP) is PackageFault.SPECIAL_FILE
    assert refusal(zipped(("A", b""), ("a", b"")), Form.ZIP) is PackageFault.CASE_COLLISION
    with pytest.warns(UserWarning, match="Duplicate"):
        twice = zipped(("a", b"1"), ("a", b"2"))
    assert refusal(twice, Form.ZIP) is PackageFault.DUPLICATE
    assert refusal(zipped(("a", bytes(290_000))), Form.ZIP) is PackageFault.RATIO
    assert refusal(zipped(("a", bytes(310_000))), Form.ZIP) is PackageFault.FILE_TOO_LARGE
    large = [(f"a{number}", os.urandom(64) * 2000) for number in range(4)]
    assert refusal(zipped(*large), Form.ZIP) is PackageFault.CONTENTS_TOO_LARGE
    assert refusal(zipped(*((f"a{number}", b"") for number in range(51))), Form.ZIP) is PackageFault.TOO_MANY_FILES
    assert refusal(zipped(*((f"a{number}", b"") for number in range(151))), Form.ZIP) is PackageFault.TOO_MANY_FILES
    good = zipped(("a", b"x"))
    assert refusal(good + b"x", Form.ZIP) is PackageFault.TRAILING_DATA
    assert refusal(b"#!/bin/sh\n" + good, Form.ZIP) is PackageFault.NOT_ZIP
    assert refusal(b"", Form.ZIP) is PackageFault.NOT_ZIP
    assert refusal(package(), Form.ZIP) is PackageFault.NOT_ZIP
    nul = good.replace(b"a", b"\0")
    assert refusal(nul, Form.ZIP) is PackageFault.NUL
    encrypted = bytearray(good)
    encrypted[good.index(b"PK\x01\x02") + 8] |= 1
    assert refusal(bytes(encrypted), Form.ZIP) is PackageFault.ENCRYPTED


def test_a_zip_file_that_lies_about_a_size_is_refused(refusal: Callable[..., PackageFault]) -> None:
    good = zipped(("a", b"x" * 5000))
    directory = good.index(b"PK\x01\x02")
    for size in (10, 4999, 5001, 90_000):
        lying = bytearray(good)
        struct.pack_into("<I", lying, directory + 24, size)
        assert refusal(bytes(lying), Form.ZIP) is PackageFault.CORRUPT


# --- the disk ---------------------------------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(DiagnosticsError, match="unpack a module"),
        unpacked(io.BytesIO(package()), str(tmp_path / "no")),
    ):
        pass


def test_what_interrupts_unpacking_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), unpacked(io.BytesIO(package(entry("a/b/c"))), str(tmp_path)):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_removing_a_tree_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "x").write_text("x")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to(tmp_path / "precious")
    (tmp_path / "alias").symlink_to(tmp_path / "precious")
    for name in ("tree", "alias", "gone"):
        remove_tree(str(tmp_path / name))
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]
    assert (tmp_path / "precious" / "x").exists()
