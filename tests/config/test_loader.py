from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from iacengine.config.cache import MIN_SIZE, ParseCache
from iacengine.config.directory import SnapshotFiles
from iacengine.config.loader import from_snapshot, load, snapshot
from iacengine.config.model import Configuration, ModuleCall
from iacengine.config.source import parse, source_file
from iacengine.foundation.diagnostics import DiagnosticsError, Findings, failure

Load = Callable[..., Configuration]


def test_every_stack_file_of_a_directory_is_read_and_nothing_else(load_texts: Load) -> None:
    configuration = load_texts(
        {
            "a.iac.yaml": "locals: {a: 1}",
            "b.iac.yml": "locals: {b: 1}",
            "c.iac.json": '{"locals": {"c": 1}}',
            "d.tf.json": '{"locals": {"d": 1}}',
            "e.yaml": "locals: {e: 1}",
            ".hidden.iac.yaml": "locals: {f: 1}",
            "old.iac.yaml~": "locals: {g: 1}",
            "sub/h.iac.yaml": "locals: {h: 1}",
        }
    )
    assert set(configuration.root.locals) == {"a", "b", "c", "d"}
    assert [file.path for file in configuration.files] == ["a.iac.yaml", "b.iac.yml", "c.iac.json", "d.tf.json"]


def test_a_single_file_can_be_named_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "stack.yaml").write_text("module: {m: {source: ./m}}\n")
    (tmp_path / "other.iac.yaml").write_text("locals: {x: 1}\n")
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "main.iac.yaml").write_text("output: {o: {value: 1}}\n")
    configuration = load(str(tmp_path / "stack.yaml"))
    assert not configuration.root.locals
    assert configuration.directory == str(tmp_path)
    assert list(configuration.modules) == [(), ("m",)]


def test_modules_form_a_tree_with_paths_and_directories(load_texts: Load) -> None:
    configuration = load_texts(
        {
            "main.iac.yaml": "module:\n  a: {source: ./mods/a}\n  b: {source: ./mods/b}\n",
            "mods/a/main.iac.yaml": "module: {b: {source: ../b}}\n",
            "mods/b/main.iac.yaml": "output: {o: {value: 1}}\n",
        }
    )
    assert {path: module.directory for path, module in configuration.modules.items()} == {
        (): ".",
        ("a",): "mods/a",
        ("a", "b"): "mods/b",
        ("b",): "mods/b",
    }
    assert [module.path for module in configuration.root.walk()] == [(), ("a",), ("a", "b"), ("b",)]
    assert configuration.modules[("a", "b")].outputs is configuration.modules[("b",)].outputs


def test_a_module_from_elsewhere_is_found_by_the_resolver() -> None:
    files = SnapshotFiles(
        {
            "main.iac.yaml": b"module: {v: {source: acme/vpc/aws, version: '1.0'}}\n",
            ".iac/modules/v/main.iac.yaml": b"module: {s: {source: ./s}}\n",
            ".iac/modules/v/s/main.iac.yaml": b"locals: {a: 1}\n",
        }
    )
    asked: list[tuple[str, str | None, tuple[str, ...]]] = []

    def resolve(call: ModuleCall, caller: tuple[str, ...]) -> str | None:
        asked.append((call.source, call.version, caller))
        return ".iac/modules/v"

    configuration = load(".", files=files, resolve_source=resolve)
    assert asked == [("acme/vpc/aws", "1.0", ())]
    assert configuration.modules[("v", "s")].directory == ".iac/modules/v/s"


def test_what_the_resolver_refuses_is_told_at_the_source() -> None:
    def resolve(call: ModuleCall, caller: tuple[str, ...]) -> str | None:
        raise failure("Unsigned module", f"{call.source} has no signature.")

    files = SnapshotFiles({"main.iac.yaml": b"module: {v: {source: acme/vpc/aws}}\n"})
    with pytest.raises(DiagnosticsError) as caught:
        load(".", files=files, resolve_source=resolve)
    assert str(caught.value.diagnostics[0].range) == "main.iac.yaml:1:22"


def test_a_snapshot_loads_the_same_configuration_again(load_texts: Load) -> None:
    files = {
        "main.iac.yaml": b"module:\n  v: {source: acme/vpc/aws}\n  l: {source: ./l}\n",
        "l/main.tf.json": b'{"output": {"o": {"value": 1}}}',
        "cache/v/main.iac.yaml": b"locals: {a: 1}\n",
    }
    first = load(".", files=SnapshotFiles(files), resolve_source=lambda call, caller: "cache/v")
    again = from_snapshot(snapshot(first))
    assert again.digest == first.digest
    assert [module.path for module in again.root.walk()] == [module.path for module in first.root.walk()]
    assert again.modules[("v",)].directory == "cache/v"


def test_the_digest_changes_with_any_file_and_with_its_name(load_texts: Load) -> None:
    digests = {
        load_texts(files).digest
        for files in (
            {"a.iac.yaml": "locals: {a: 1}"},
            {"a.iac.yaml": "locals: {a: 2}"},
            {"b.iac.yaml": "locals: {a: 1}"},
            {"a.iac.yaml": "locals: {a: 1}", "b.iac.yaml": ""},
        )
    }
    assert len(digests) == 4


def test_an_empty_file_declares_nothing(load_texts: Load) -> None:
    assert not load_texts("# to be written\n").root.resources


def test_warnings_are_given_along(load_texts: Load) -> None:
    findings = Findings()
    load_texts({"main.tf": "", "main.iac.yaml": "locals: {a: 1}"}, findings=findings)
    assert [found.summary for found in findings.all] == ["Files in Terraform's native syntax are not read"]


def test_a_named_file_that_is_not_there_has_a_near_match(tmp_path: Path) -> None:
    (tmp_path / "stack.iac.yaml").write_text("")
    with pytest.raises(DiagnosticsError) as caught:
        load(str(tmp_path / "stak.iac.yaml"))
    assert caught.value.diagnostics[0].remedy == f"Did you mean {tmp_path}/stack.iac.yaml?"


# --- override files -------------------------------------------------------------------------------------------------


def test_override_files_change_what_others_declare(load_texts: Load) -> None:
    module = load_texts(
        {
            "main.iac.yaml": """
stack: {required_providers: {a: {source: a}, b: {source: b}}, backend: {local: {path: x}}}
locals: {p: 1, q: 2}
variable: {v: {type: string, default: a}}
provider: {cloud: [{region: x}, {alias: w, region: y}]}
resource:
  t:
    a: {x: 1, y: 2, count: 2, lifecycle: {prevent_destroy: true, ignore_changes: [x]}}
""",
            "x_override.tf.json": """{"resource": {"t": {"a": {"y": 3, "for_each": {"k": 1},
                "lifecycle": {"prevent_destroy": false}}}},
                "locals": {"q": 4}, "variable": {"v": {"default": "b"}},
                "provider": {"cloud": {"alias": "w", "region": "z"}},
                "terraform": {"required_providers": {"b": {"source": "c"}}, "backend": {"s3": {"bucket": "b"}}}}""",
        }
    ).root
    block = next(iter(module.resources.values()))
    assert dict(block.body) == {"x": 1, "y": 3}
    assert block.repetition.for_each == {"k": 1}
    assert not block.repetition.has_count
    assert not block.lifecycle.prevent_destroy
    assert block.lifecycle.ignore_changes == (("x",),)
    assert {name: local.value for name, local in module.locals.items()} == {"p": 1, "q": 4}
    assert (module.variables["v"].default, module.variables["v"].constraint is not None) == ("b", True)
    assert [dict(provider.body) for provider in module.providers.values()] == [{"region": "x"}, {"region": "z"}]
    assert {name: entry.source for name, entry in module.settings.required_providers.items()} == {"a": "a", "b": "c"}
    assert module.settings.backend is not None
    assert module.settings.backend.type == "s3"


# --- cache ----------------------------------------------------------------------------------------------------------

_LARGE = "locals:\n" + "".join(f"  name{n}: {{a: [1, 2.5, no, null]}}\n" for n in range(MIN_SIZE // 20))


def test_a_cached_file_gives_the_same_data_without_being_parsed(tmp_path: Path) -> None:
    cache = ParseCache(str(tmp_path / "cache"))
    file = source_file("main.iac.yaml", _LARGE.encode())
    first = cache.data(file, parse)

    def never(_: object) -> object:
        raise AssertionError("parsed again")

    assert cache.data(file, never) == first
    (kept,) = (tmp_path / "cache").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert orjson.loads(kept.read_bytes()) == first


def test_what_json_cannot_hold_is_not_cached(tmp_path: Path) -> None:
    cache = ParseCache(str(tmp_path))
    for value in (".inf", "1e400", "0.1234567890123456789", "123456789012345678901234567890"):
        file = source_file("main.iac.yaml", f"{_LARGE}  special: {value}\n".encode())
        first = cache.data(file, parse)["locals"]["special"]
        assert cache.data(file, parse)["locals"]["special"] == first
    assert not list(tmp_path.iterdir())


def test_a_broken_cache_is_as_good_as_none(tmp_path: Path) -> None:
    file = source_file("main.iac.yaml", _LARGE.encode())
    blocked = tmp_path / "cache"
    blocked.write_text("a file, no directory")
    assert ParseCache(str(blocked)).data(file, parse) == parse(file)
    broken = tmp_path / "broken"
    cache = ParseCache(str(broken))
    cache.data(file, parse)
    next(broken.iterdir()).write_text("{")
    assert cache.data(file, parse) == parse(file)
