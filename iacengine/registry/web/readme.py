"""A README as HTML: of CommonMark with tables (https://spec.commonmark.org/0.31.2/), without anything that acts.

Anybody with a token writes these texts. So HTML in them is not passed on, only the text in it; links lead to http,
https and mail alone, and images, which would tell others who reads this, are named instead of loaded. Relative links
have no target here, since the registry shows no files of a package.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markupsafe import Markup, escape

LONGEST: Final = 100_000
"""Characters that are shown."""

_LONGEST_PARAGRAPH = 10_000  # of a longer one only the text: what emphasis and links cost grows with its square

_ALLOWED = re.compile(r"(?:https?://|mailto:)[^\s]", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_UNSEEN_BLOCK = re.compile(r"\s*<(?:!--|[!?]|script\b|style\b)", re.IGNORECASE)
_SCHEMA_ANCHOR = re.compile(r"(input|output)_([A-Za-z_][\w-]*)")  # as terraform-docs names them
_SHIFT = 2  # the page has headings of its own above those of the README


@dataclass(frozen=True, slots=True)
class Readme:
    """`cut`: there is more of it in the package."""

    html: Markup
    cut: bool = False


@lru_cache(maxsize=64)  # a long one takes a second
def render_readme(text: str) -> Readme:
    """The README of a package."""
    shown = text[:LONGEST]
    tokens = _markdown().parse(shown)
    anchors = _number_headings(tokens)
    for token in tokens:
        if token.children:
            token.children = list(_inline(token.children, anchors))
    html = Markup(_markdown().renderer.render(tokens, _markdown().options, {}))  # noqa: S704 - of our own rules
    return Readme(html, len(text) > len(shown))


def _number_headings(tokens: Sequence[Token]) -> set[str]:
    """Give every heading an anchor, and move it below the headings of the page; the anchors."""
    anchors: set[str] = set()
    numbers: dict[str, int] = {}  # of each name the next that may be free, so that many of one name cost no square
    for index, token in enumerate(tokens):
        if token.type not in ("heading_open", "heading_close"):
            continue
        token.tag = f"h{min(6, int(token.tag[1:]) + _SHIFT)}"
        if token.type == "heading_open":
            text = _plain(tokens[index + 1].children or ())
            slug = "readme-" + re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-")
            anchor = slug
            while anchor in anchors:
                numbers[slug] = numbers.get(slug, 0) + 1
                anchor = f"{slug}-{numbers[slug]}"
            anchors.add(anchor)
            token.attrs = {"id": anchor}
    return anchors


def _plain(tokens: Iterable[Token]) -> str:
    return "".join(token.content for token in tokens if token.type in ("text", "code_inline", "image"))


def _inline(tokens: Sequence[Token], anchors: set[str]) -> Iterable[Token]:
    """The tokens with links that lead somewhere; of others the text alone."""
    kept: list[bool] = []  # for each link that is open
    for token in tokens:
        if token.type == "link_open":
            target = _target(str(token.attrs.get("href", "")), anchors)
            kept.append(bool(target))
            if not target:
                continue
            token.attrs = {"href": target}
            if not target.startswith("#"):
                token.attrs["rel"] = "nofollow noopener noreferrer ugc"
        elif token.type == "link_close" and not kept.pop():
            continue
        yield token


def _target(link: str, anchors: set[str]) -> str:
    if not link.startswith("#"):
        return link if _ALLOWED.match(link) else ""
    name = unquote(link[1:])
    if f"readme-{name.lower()}" in anchors:
        return f"#readme-{name.lower()}"
    schema = _SCHEMA_ANCHOR.fullmatch(name)
    return f"#{schema[1]}-{schema[2]}" if schema else ""


class _Renderer(RendererHTML):
    """What is rendered other than usual; methods are named for the tokens that they render."""

    def html_inline(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return "<br>" if _BREAK.fullmatch(tokens[idx].content) else ""

    def html_block(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        content = tokens[idx].content
        text = "" if _UNSEEN_BLOCK.match(content) else _TAG.sub("", content).strip()
        return f"<p>{escape(text)}</p>\n" if text else ""

    def plain(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return str(escape(tokens[idx].content))

    def image(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return f'<span class="image">{escape(_plain(tokens[idx].children or ()) or "image")}</span>'

    def fence(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        # What scrolls has to be reached with the keyboard.
        return f'<pre tabindex="0"><code>{escape(tokens[idx].content)}</code></pre>\n'

    code_block = fence

    def table_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return '<div class="wide" tabindex="0"><table>\n'

    def table_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return "</table></div>\n"

    def th_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        # The alignment of a column is a style, which the policy of pages refuses.
        return f"<{tokens[idx].tag}>"

    td_open = th_open


@cache
def _markdown() -> MarkdownIt:
    # HTML is understood so that it can be left out, by the renderer.
    markdown = MarkdownIt("commonmark", {"html": True}, renderer_cls=_Renderer).enable(["table", "strikethrough"])
    markdown.core.ruler.before("inline", "plain", _leave_plain)
    return markdown


def _leave_plain(state: StateCore) -> None:
    for token in state.tokens:
        if token.type == "inline" and len(token.content) > _LONGEST_PARAGRAPH:
            token.type = "plain"
