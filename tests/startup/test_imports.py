"""What a small plan does not load. What no command may load is told in the tests of whole commands."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ONLY_FOR_EXPRESSIONS = {
    "iacengine.lang.lexer",
    "iacengine.lang.parser",
    "iacengine.lang.syntax",
    "iacengine.lang.compile",
    "iacengine.lang.functions.registry",
}
ONLY_FOR_PROGRAMS = {"iacengine.cli.views.ui_json", "iacengine.cli.views.plan_json", "iacengine.cli.views.state_json"}
MODULES_ALLOWED = 192
"""Of iacengine's own, each of which costs about 0.4 ms. Raise it knowingly."""

LIST_MODULES = """
import sys
from iacengine.cli.main import run
code = run(sys.argv[1:])
sys.stderr.write("\\n".join(sys.modules))
sys.exit(code)
"""


def loaded(folder: Path, resources: dict[str, object], *arguments: str) -> set[str]:
    """The modules that a command loads in a stack of `terraform_data`."""
    (folder / "main.tf.json").write_text(json.dumps({"resource": {"terraform_data": resources}}))
    done = subprocess.run(
        [sys.executable, "-c", LIST_MODULES, *arguments],
        cwd=folder,
        env=os.environ | {"NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


@pytest.fixture(scope="module")
def of_plain_references(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    resources = {"a": {"input": "x"}, "b": {"input": "${terraform_data.a.output}"}}
    return loaded(tmp_path_factory.mktemp("plain"), resources, "plan")


def test_a_plan_of_plain_references_loads_no_parser(of_plain_references: set[str]) -> None:
    assert "iacengine.lang.expression" in of_plain_references
    assert not of_plain_references & ONLY_FOR_EXPRESSIONS


def test_a_plan_of_other_expressions_loads_the_parser(tmp_path: Path) -> None:
    assert loaded(tmp_path, {"a": {"input": '${upper("x")}'}}, "plan") >= ONLY_FOR_EXPRESSIONS


def test_a_plan_for_people_loads_nothing_that_writes_for_programs(of_plain_references: set[str]) -> None:
    assert not of_plain_references & ONLY_FOR_PROGRAMS


def test_a_plan_for_programs_loads_what_writes_its_lines(tmp_path: Path) -> None:
    assert "iacengine.cli.views.ui_json" in loaded(tmp_path, {"a": {}}, "plan", "--json")


def test_a_plan_without_modules_from_elsewhere_loads_nothing_of_them(of_plain_references: set[str]) -> None:
    assert not {name for name in of_plain_references if name.startswith("iacengine.modules")}


def test_a_small_plan_loads_few_modules(of_plain_references: set[str]) -> None:
    own = {name for name in of_plain_references if name.startswith("iacengine")}
    assert len(own) <= MODULES_ALLOWED, sorted(own)


def test_every_dataclass_that_a_plan_loads_has_a_docstring(of_plain_references: set[str]) -> None:
    """Without one `dataclasses` computes the signature of the class, which costs more than the class itself."""
    generated = []
    for name in sorted(of_plain_references):
        if name.startswith("iacengine."):
            __import__(name)
            for member in vars(sys.modules[name]).values():
                if isinstance(member, type) and member.__module__ == name and dataclasses.is_dataclass(member):
                    text = member.__doc__ or ""
                    if text.startswith(f"{member.__name__}("):
                        generated.append(f"{name}.{member.__name__}")
    assert generated == []
