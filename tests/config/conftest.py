"""What the tests of stack files share: loading from texts, and schemas of a small made-up cloud."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from iacengine.addresses import Mode
from iacengine.config.directory import SnapshotFiles
from iacengine.config.loader import load
from iacengine.config.model import Configuration, Module
from iacengine.config.validate import validate
from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, Findings
from iacengine.foundation.rendering import render
from iacengine.lang.types import BOOL, DYNAMIC, NUMBER, STRING, ListType, MapType
from iacengine.schema import Attribute, Block, NestedBlock, Nesting, Schema

_SERVER = Block(
    {
        "name": Attribute(STRING, required=True),
        "size": Attribute(NUMBER, optional=True),
        "public": Attribute(BOOL, optional=True),
        "zones": Attribute(ListType(STRING), optional=True),
        "tags": Attribute(MapType(STRING), optional=True),
        "id": Attribute(STRING, computed=True),
        "address": Attribute(STRING, computed=True),
    },
    {
        "disk": NestedBlock(
            Nesting.LIST,
            Block({"size": Attribute(NUMBER, required=True), "kind": Attribute(STRING, optional=True)}),
            max_items=2,
        ),
        "network": NestedBlock(Nesting.SINGLE, Block({"subnet": Attribute(STRING, optional=True)})),
        "timeouts": NestedBlock(Nesting.SINGLE, Block({"create": Attribute(STRING, optional=True)})),
    },
)
_SCHEMAS = {
    (Mode.MANAGED, "cloud_server"): Schema(_SERVER),
    (Mode.DATA, "cloud_image"): Schema(
        Block({"name": Attribute(STRING, required=True), "id": Attribute(STRING, computed=True)})
    ),
    (Mode.MANAGED, "terraform_data"): Schema(
        Block(
            {
                "input": Attribute(DYNAMIC, optional=True),
                "output": Attribute(DYNAMIC, computed=True),
                "triggers_replace": Attribute(DYNAMIC, optional=True),
                "id": Attribute(STRING, computed=True),
            }
        )
    ),
}


def cloud_schemas(mode: Mode, type_: str, module: Module) -> Schema | None:
    return _SCHEMAS.get((mode, type_))


@pytest.fixture(scope="session")
def schemas() -> Callable[[Mode, str, Module], Schema | None]:
    return cloud_schemas


@pytest.fixture(scope="session")
def load_texts() -> Callable[..., Configuration]:
    """Load a configuration from texts by file name; one text alone is `main.iac.yaml`."""

    def load_them(files: Mapping[str, str] | str, path: str = ".", findings: Findings | None = None) -> Configuration:
        texts = {"main.iac.yaml": files} if isinstance(files, str) else files
        held = SnapshotFiles({name: text.encode() for name, text in texts.items()})
        return load(path, files=held, findings=findings)

    return load_them


@pytest.fixture(scope="session")
def check_texts(load_texts: Callable[..., Configuration]) -> Callable[..., tuple[Diagnostic, ...]]:
    """Everything that loading and checking find in texts."""

    def check(files: Mapping[str, str] | str) -> tuple[Diagnostic, ...]:
        findings = Findings()
        try:
            configuration = load_texts(files, findings=findings)
        except DiagnosticsError as failure:
            return failure.diagnostics
        findings.extend(validate(configuration, cloud_schemas))
        return findings.all

    return check


@pytest.fixture(scope="session")
def render_all() -> Callable[..., str]:
    """All diagnostics as a user reads them."""

    def rendered(diagnostics: tuple[Diagnostic, ...]) -> str:
        return "\n\n".join(render(diagnostic) for diagnostic in diagnostics)

    return rendered
