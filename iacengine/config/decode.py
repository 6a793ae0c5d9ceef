"""The data of a file as blocks of the model. No I/O, nothing is evaluated; all mistakes are collected.

The syntax is Terraform's JSON configuration syntax
(https://developer.hashicorp.com/terraform/language/syntax/json), in YAML or JSON. Keys at the top that begin with `x-`
are ignored, so that a YAML file has a place for its anchors.
"""

from __future__ import annotations

from iacengine.addresses import Mode
from iacengine.config.block_reader import COMMENT, did_you_mean, kind_of, labelled
from iacengine.config.decode_module import decode_module, decode_provider
from iacengine.config.decode_refactoring import decode_check, decode_import, decode_moved, decode_removed
from iacengine.config.decode_resource import decode_resource
from iacengine.config.decode_settings import decode_settings
from iacengine.config.decode_variable import decode_locals, decode_output, decode_variable
from iacengine.config.fragment import Fragment
from iacengine.config.model import KeyPath, Origin, Raw, SourceFile
from iacengine.config.source import mistake
from iacengine.foundation.diagnostics import Findings

TOP_LEVEL = (
    "stack",
    "terraform",
    "variable",
    "locals",
    "provider",
    "resource",
    "data",
    "ephemeral",
    "module",
    "output",
    "moved",
    "removed",
    "import",
    "check",
)
_MODES = {"resource": Mode.MANAGED, "data": Mode.DATA, "ephemeral": Mode.EPHEMERAL}
_NAMED = {
    "variable": decode_variable,
    "output": decode_output,
    "module": decode_module,
    "provider": decode_provider,
    "check": decode_check,
}
_UNNAMED = {"moved": decode_moved, "removed": decode_removed, "import": decode_import}


def decode(file: SourceFile, data: Raw, findings: Findings) -> Fragment:
    """The blocks of a file. An empty file has none."""
    fragment = Fragment()
    if data.__class__ is dict:
        _decode_body(file, data, (), fragment, findings)
    elif data.__class__ is list and all(element.__class__ is dict for element in data):
        for index, element in enumerate(data):
            _decode_body(file, element, (index,), fragment, findings)
    elif data is not None:
        findings.add(
            mistake(
                Origin(file),
                "Not a stack file",
                f"A stack file holds an object with keys such as resource and output, not {kind_of(data)}.",
                remedy="Write, for example, resource: {TYPE: {NAME: { … }}}.",
            )
        )
    return fragment


def _decode_body(file: SourceFile, data: Raw, path: KeyPath, fragment: Fragment, findings: Findings) -> None:
    for key, value in data.items():
        where = (*path, key)
        if key in _MODES:
            mode = _MODES[key]
            append = fragment.resources.append
            for (type_, name), body, inner in labelled(value, file, where, ("type", "name"), findings):
                append(decode_resource(mode, type_, name, body, Origin(file, inner), findings))
        elif key in _NAMED:
            read = _NAMED[key]
            for (name,), body, inner in labelled(value, file, where, ("name",), findings):
                read(name, body, Origin(file, inner), fragment, findings)
        elif key == "locals":
            decode_locals(value, file, where, fragment, findings)
        elif key in _UNNAMED:
            _UNNAMED[key](value, file, where, fragment, findings)
        elif key in ("stack", "terraform"):
            decode_settings(value, file, where, fragment, findings)
        elif key != COMMENT and not key.startswith("x-"):
            findings.add(
                mistake(
                    Origin(file),
                    f'Unknown key "{key}"',
                    f"The keys at the top of a stack file are {', '.join(TOP_LEVEL)}.",
                    path=where,
                    key=True,
                    remedy=did_you_mean(key, TOP_LEVEL),
                )
            )
