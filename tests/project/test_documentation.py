"""What the project's documents say is true of the project: files, verbs, versions."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import click
import pytest

import iacengine
from iacengine.cli import exits
from iacengine.cli.main import root
from iacengine.cli.verbs import VERBS
from iacengine.foundation.version import VERSION
from iacengine.lang.functions.registry import names as function_names

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "iacengine/ARCHITECTURE.md")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

_LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
_CODE = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"(?:\./)?(?:[\w.-]+/)*[\w-]+\.(?:py|md|toml)|(?:\./)?(?:[\w.-]+/)+[\w.-]*")


def text(document):
    return (ROOT / document).read_text()


def blocks(document, language):
    return re.findall(rf"```{language}\n(.*?)```", text(document), re.DOTALL)


def table(heading):
    """The first cells of the README's table whose first heading this is."""
    rows = re.search(rf"^\| {heading} \|.*\n\|.*\n((?:\|.*\n)+)", text("README.md"), re.MULTILINE)[1]
    return [row.split("|")[1].strip() for row in rows.splitlines()]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_to_a_file(document):
    folder = (ROOT / document).parent
    assert [link for link in _LINK.findall(text(document)) if not (folder / link).exists()] == []


def named_paths(document):
    """The files and folders of the project that a document names in code. `functions/registry.py` may stand for one
    inside the package that its paragraph is about."""
    prose = re.sub(r"```.*?```", "", text(document), flags=re.DOTALL)
    for paragraph in prose.split("\n\n"):
        codes = [code for code in _CODE.findall(paragraph) if _PATH.fullmatch(code)]
        packages = [code for code in codes if code.endswith("/")]
        for code in codes:
            places = [ROOT, ROOT / "iacengine", *(ROOT / package for package in packages)]
            places += [ROOT / "iacengine" / package for package in packages]
            yield code, any((place / code).exists() for place in places)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_is_named_exists(document):
    not_ours = {"network.py", "./modules/network", ".venv/", "hashicorp/aws"}
    missing = {path for path, exists in named_paths(document) if not exists} - not_ours
    assert missing == set()


def test_the_map_names_enough_files_to_be_tested():
    assert sum(exists for _, exists in named_paths("iacengine/ARCHITECTURE.md")) > 60


def test_the_map_names_every_package():
    packages = {path.parent.name for path in (ROOT / "iacengine").glob("*/__init__.py")}
    assert {name for name in packages if f"`{name}`" not in text("iacengine/ARCHITECTURE.md")} == set()


def test_every_verb_has_a_file_a_help_text_and_a_row_in_the_readme():
    ctx = click.Context(root)
    for verb, short in VERBS.items():
        command = root.get_command(ctx, verb)
        assert short
        assert command.help, verb
        if isinstance(command, click.Group):
            assert all(inner.help for inner in command.commands.values()), verb
    assert sorted(cell.strip("`") for cell in table("command")) == sorted(f"iac {verb}" for verb in VERBS)


def test_every_command_that_the_readme_runs_exists():
    commands = [
        line.split()[2]
        for block in blocks("README.md", "console")
        for line in block.splitlines()
        if line.startswith("$ iac ")
    ]
    assert commands
    assert set(commands) <= set(VERBS)


def command_lines():
    """Every command line of the documents, as words after `iac`."""
    for document in DOCUMENTS:
        lines = [line[2:] for block in blocks(document, "console") for line in block.splitlines() if line[:2] == "$ "]
        lines += _CODE.findall(re.sub(r"```.*?```", "", text(document), flags=re.DOTALL))
        yield from (line.split()[1:] for line in lines if line.startswith("iac "))


def test_every_option_that_is_written_exists():
    seen = 0
    for words in command_lines():
        command = root
        while isinstance(command, click.Group) and words and words[0] in command.list_commands(click.Context(command)):
            command = command.get_command(click.Context(command), words.pop(0))
        known = {
            name: option
            for option in command.get_params(click.Context(command))
            for name in (*option.opts, *option.secondary_opts)
        }
        for place, word in enumerate(words):
            if word.startswith("--"):
                seen += 1
                assert word in known, (command.name, word)
                choices = getattr(known[word].type, "choices", None)
                if choices and place + 1 < len(words):
                    assert words[place + 1] in choices
    assert seen > 8


def test_the_one_line_commands_of_the_readme_are_executable_files():
    lines = [line for block in blocks("README.md", "sh") for line in block.splitlines()]
    assert len(lines) == 2
    for line in lines:
        assert os.access(ROOT / line.split()[0], os.X_OK), line
    assert os.access(ROOT / ".ci/run", os.X_OK)


@pytest.mark.parametrize("script", ["scripts/environment", "scripts/test", "example-stacks/quickstart/run", ".ci/run"])
def test_the_scripts_have_no_syntax_errors(script):
    shell = text(script).splitlines()[0].removeprefix("#!")
    subprocess.run([shell, "-n", str(ROOT / script)], check=True)


def test_the_exit_codes_of_the_readme_are_those_of_the_command_line():
    codes = [value for name, value in vars(exits).items() if name.isupper() and isinstance(value, int)]
    shown = [int(code) for code in table("exit code")]
    assert set(shown) <= set(codes)
    assert {exits.DONE, exits.ERROR, exits.CHANGES, exits.LOCKED} <= set(shown)


def test_the_resource_types_of_the_readme_are_those_of_the_provider():
    specs = pytest.importorskip("iacengine_aws.specs")
    ephemeral = pytest.importorskip("iacengine_aws.ephemeral")
    (row,) = (line for line in text("README.md").splitlines() if line.startswith("| `aws` |"))
    assert set(re.findall(r"`(aws_\w+)`", row)) == set(specs.SPECS)
    named = set(re.findall(r"`(aws_\w+)`", text("README.md").replace(row, "")))
    assert named - set(specs.SPECS) == set(ephemeral.EPHEMERAL_RESOURCES)


def test_all_versions_are_the_same():
    assert PROJECT["project"]["version"] == VERSION
    assert f"## {VERSION}" in text("CHANGELOG.md")
    assert iacengine.__version__ == VERSION


def test_the_extras_that_are_named_exist():
    extras = set(PROJECT["project"]["optional-dependencies"])
    for document in (*DOCUMENTS, "example-stacks/quickstart/README.md"):
        assert set(re.findall(r"iacengine\[(\w+)\]", text(document))) <= extras
    used = re.findall(
        r'scripts/environment"? (\w+)', "".join(map(text, ("scripts/test", "example-stacks/quickstart/run", ".ci/run")))
    )
    assert len(used) == 3
    assert set(used) <= extras


def test_the_wall_around_providers_names_every_package_but_the_open_ones():
    contract = next(
        found
        for found in PROJECT["tool"]["importlinter"]["contracts"]
        if found["name"].startswith("A provider imports")
    )
    is_open = {"provider", "schema", "lang", "foundation"}
    folders = {path.parent.name for path in (ROOT / "iacengine").glob("*/__init__.py")}
    modules = {path.stem for path in (ROOT / "iacengine").glob("*.py")} - {"__init__", "addresses"}
    closed = {f"iacengine.{name}" for name in (folders | modules) - is_open}
    assert set(contract["forbidden_modules"]) == closed


def test_every_layer_is_in_the_contract_of_layers():
    contract = next(found for found in PROJECT["tool"]["importlinter"]["contracts"] if found["type"] == "layers")
    layers = {name.strip(" ()") for line in contract["layers"] for name in line.split("|")}
    folders = {path.parent.name for path in (ROOT / "iacengine").glob("*/__init__.py")}
    modules = {path.stem for path in (ROOT / "iacengine").glob("*.py")} - {"__init__"}
    assert folders | modules <= layers


def test_functions_exist_that_the_messages_of_the_python_api_recommend():
    source = text("iacengine/stack/reference.py")
    recommended = set(re.findall(r"fn\.(\w+)\(", source))
    assert recommended
    assert recommended <= set(function_names())
