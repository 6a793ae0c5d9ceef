"""The files that a new module begins with: they load, plan, and are packed as they are."""

from __future__ import annotations

import os
from collections.abc import Mapping

from iacengine.foundation.diagnostics import failure
from iacengine.foundation.disk import disk_failure
from iacengine.modules.model import ModuleAddress
from iacengine.modules.publication import DESCRIPTION_NAME

_MAIN = """\
# What the module makes. Replace it by resources of {system}.
resource:
  terraform_data:
    main:
      input:
        name: ${{var.name}}
"""
_VARIABLES = """\
variable:
  name:
    type: string
    description: What everything is named after
"""
_OUTPUTS = """\
output:
  name:
    description: The name that was given
    value: ${{terraform_data.main.output.name}}
"""
_DESCRIPTION = """\
# What a registry says of this module. The version is raised with every publication.
address: {label}
version: 0.1.0
description: ""
tags: []
"""
_README = """\
# {name}

What the module is for, and what it makes.

```yaml
module:
  {name}:
    source: {label}
    version: ~> 0.1
    name: example
```

`examples/basic` is a stack that uses it. `pytest tests` plans that.
"""
_EXAMPLE = """\
module:
  {name}:
    source: ../..
    name: example
output:
  name:
    value: ${{module.{name}.name}}
"""
_TEST = '''\
"""The examples can be planned: `pytest tests`."""

from pathlib import Path

from iacengine import Stack

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_the_basic_example_makes_something(tmp_path: Path) -> None:
    plan = Stack.load(EXAMPLES / "basic", state=tmp_path / "state.json").plan()
    assert plan.counts().add == 1
'''
_IGNORED = """\
.iac/
*.state.json*
__pycache__/
"""


def scaffold_files(address: ModuleAddress) -> Mapping[str, str]:
    """The files of a new module, by path."""
    texts = {
        "main.iac.yaml": _MAIN,
        "variables.iac.yaml": _VARIABLES,
        "outputs.iac.yaml": _OUTPUTS,
        DESCRIPTION_NAME: _DESCRIPTION,
        "README.md": _README,
        "examples/basic/main.iac.yaml": _EXAMPLE,
    }
    label = f"{address.namespace}/{address.name}/{address.system}"
    filled = {
        path: text.format(label=label, name=address.name.replace("-", "_"), system=address.system)
        for path, text in texts.items()
    }
    return {**filled, "tests/test_examples.py": _TEST, ".gitignore": _IGNORED}


def write_scaffold(folder: str, address: ModuleAddress) -> tuple[str, ...]:
    """Write the files of a new module; their paths. Raises DiagnosticsError when one of them is there already."""
    files = scaffold_files(address)
    there = sorted(path for path in files if os.path.lexists(os.path.join(folder, path)))  # noqa: PTH118 - text
    if there:
        raise failure(
            "There is a module already",
            f"{folder or '.'} has {', '.join(there)}.",
            remedy="Name a folder that is empty or new.",
        )
    try:
        for path, text in files.items():
            place = os.path.join(folder, path)  # noqa: PTH118 - text
            os.makedirs(os.path.dirname(place) or ".", exist_ok=True)  # noqa: PTH103, PTH120 - text
            with open(place, "x", encoding="utf-8") as file:  # noqa: PTH123 - text
                file.write(text)
    except OSError as problem:
        raise disk_failure(problem, "write a new module", folder) from None
    return tuple(sorted(files))
