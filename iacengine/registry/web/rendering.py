"""Templates filled in: everything that goes into one is escaped, unless it is `Markup` that was made here."""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from iacengine.registry.web.assets import assets

HTML: Final = "text/html; charset=utf-8"

PAGE_HEADERS: Final = {
    # Nothing is loaded from elsewhere, and nothing in a page's own text is run.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
}

MOST: Final = 300
"""Entries of one kind that a page lists: what a package may hold would make pages of many megabytes."""

_WORD = re.compile(r"[^\W_]+")
_MOST_MARKED = 2000  # characters of a text in which words are marked
_TILES = 6


def fill(template: str, **given: Any) -> bytes:
    """The template with what it is given, as UTF-8."""
    # What cannot be encoded (lone surrogates) is no text that anybody wrote.
    return _environment().get_template(template).render(given).encode("utf-8", "replace")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["asset"] = lambda name: assets()[name].path
    environment.globals["query"] = query
    environment.globals["most"] = MOST
    environment.globals["module_url"] = module_url
    environment.filters["size"] = size
    environment.filters["count"] = count
    environment.filters["day"] = day
    environment.filters["marked"] = marked
    environment.filters["tile"] = tile
    return environment


def module_url(label: str, version: str = "") -> str:
    """The page of a module, or of one of its versions."""
    path = f"/modules/{quote(label, safe='/')}"
    return f"{path}/{quote(version, safe='')}" if version else path


def query(path: str, /, **given: object) -> str:
    """The path with those parameters that say something."""
    kept = {name: value for name, value in given.items() if value not in ("", None)}
    return f"{path}?{urlencode(kept)}" if kept else path


def size(number: int) -> str:
    """Bytes, as people say them."""
    if number < 1024:
        return f"{number} bytes"
    return f"{number / 1024:.1f} KiB" if number < 1000 * 1024 else f"{number / 1024 / 1024:.1f} MiB"


def count(number: int) -> str:
    """A number with its thousands apart."""
    return f"{number:,}"


def day(time: str) -> Markup:
    """The day of a time in RFC 3339."""
    moment = datetime.fromisoformat(time)
    text = f"{moment.day} {moment:%B %Y}"
    return Markup('<time datetime="{}">{}</time>').format(time, text)


def marked(text: str, words: tuple[str, ...]) -> Markup:
    """The text, with every word marked that begins like one of these (in lower case)."""
    parts: list[Markup] = []
    end = 0
    if words:
        for match in _WORD.finditer(text[:_MOST_MARKED]):
            if match[0].lower().startswith(words):
                parts += [escape(text[end : match.start()]), Markup("<mark>{}</mark>").format(match[0])]
                end = match.end()
    return Markup().join([*parts, escape(text[end:])])


def tile(text: str) -> int:
    """Which of a few colours stands for a name; always the same."""
    return sum(text.encode()) % _TILES
