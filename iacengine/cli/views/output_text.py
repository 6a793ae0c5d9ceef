"""Output values for people, as the language writes them."""

from __future__ import annotations

from collections.abc import Mapping

from iacengine.cli.views.cells import cells, pad
from iacengine.cli.views.state_json import output_value
from iacengine.cli.views.value_text import SENSITIVE_TEXT, key_name, value_lines
from iacengine.lang.values import Value
from iacengine.state.model import OutputState


def outputs_text(outputs: Mapping[str, OutputState], *, show_sensitive: bool = False) -> str:
    """`name = value`, a line or more each, names aligned."""
    names = {name: key_name(name) for name in sorted(outputs)}
    longest = max(map(cells, names.values()), default=0)
    lines = []
    for name, shown in names.items():
        output = outputs[name]
        if output.sensitive and not show_sensitive:
            lines.append(f"{pad(shown, longest)} = {SENSITIVE_TEXT}")
        else:
            lines.append(f"{pad(shown, longest)} = {output_text(output_value(output))}")
    return "".join(f"{line}\n" for line in lines)


def output_text(value: Value) -> str:
    return "\n".join(value_lines(value, ""))
