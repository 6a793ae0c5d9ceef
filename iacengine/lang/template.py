"""Templates: literal text, `${…}` interpolation, `%{if}` and `%{for}` directives, quoted strings and heredocs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from iacengine.foundation.diagnostics import near_match
from iacengine.lang.errors import ExpressionError, Span
from iacengine.lang.lexer import tokenize
from iacengine.lang.parser import Parser
from iacengine.lang.syntax import ForDirective, IfDirective, Interpolation, Literal, Node, Template
from iacengine.lang.text import graphemes, nfc

_KEYWORDS = ("if", "else", "endif", "for", "endfor")


def parse_template(text: str) -> Node:
    """The tree of a template as it stands in a file or a JSON string. Raises ExpressionError."""
    return _assemble(_read_parts(Parser(tokenize(text, template=True)), "end"), (0, len(text)))


def parse_quoted(parser: Parser) -> Node:
    """A quoted string or a heredoc, from its opening token on."""
    opening = parser.next()
    if opening.kind == "quote":
        if parser.kind == "text" and parser.tokens[parser.position + 1].kind == "end quote":
            text = nfc(str(parser.next().value))
            return Literal(text, (opening.start, parser.next().end))
        parts = _read_parts(parser, "end quote")
    else:
        parts = _read_parts(parser, "end heredoc")
        if opening.value:
            _flush(parts)
    return _assemble(parts, (opening.start, parser.tokens[parser.position - 1].end))


# --- parts ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Part:
    """A piece of a template in the order written: `text`, `expression`, or a directive by its keyword."""

    kind: str
    span: Span
    text: str = ""
    node: Node | None = None
    names: tuple[str | None, str] = (None, "")


def _read_parts(parser: Parser, closing: str) -> list[_Part]:
    """All parts up to the closing token, with the white space eaten that `~` asks to eat.

    A `~` reaches over one text token: in quotes the whole text, elsewhere up to the end of the line.
    """
    parts: list[_Part] = []
    trim_next = False
    text_before = False
    while parser.kind != closing:
        token = parser.token
        trim, trim_next = trim_next, False
        if token.kind == "text":
            parser.next()
            text = str(token.value)
            parts.append(_Part("text", (token.start, token.end), text.lstrip() if trim else text))
            text_before = True
        elif token.kind in ("${", "%{"):
            parser.next()
            if token.value and text_before:
                parts[-1].text = parts[-1].text.rstrip()
            text_before = False
            part = _read_interpolation(parser) if token.kind == "${" else _read_directive(parser)
            trim_next = _close_sequence(parser, part)
            part.span = (token.start, parser.tokens[parser.position - 1].end)
            parts.append(part)
        else:
            raise parser.error(
                "Invalid multi-line string" if token.kind == "invalid" else "Unterminated template string",
                "No closing marker was found for the string.",
            )
    parser.next()
    return parts


def _read_interpolation(parser: Parser) -> _Part:
    return _Part("expression", (0, 0), node=parser.expression())


def _read_directive(parser: Parser) -> _Part:
    if parser.kind != "name":
        raise parser.error(
            "Invalid template directive",
            'A template directive keyword ("if", "for", etc) is expected at the beginning of a %{ sequence.',
        )
    keyword = str(parser.token.value)
    if keyword not in _KEYWORDS:
        near = near_match(keyword, _KEYWORDS)
        raise parser.error(
            "Invalid template control keyword",
            f'"{keyword}" is not a valid template control keyword.',
            remedy=f'Did you mean "{near}"?' if near else f"Valid are: {', '.join(_KEYWORDS)}.",
        )
    parser.next()
    if keyword == "if":
        return _Part("if", (0, 0), node=parser.expression())
    if keyword == "for":
        names = parser.for_names("directive")
        return _Part("for", (0, 0), node=parser.expression(), names=names)
    return _Part(keyword, (0, 0))


def _close_sequence(parser: Parser, part: _Part) -> bool:
    """Move past the closing brace; true when it was `~}`."""
    if parser.kind == "sequence end":
        return bool(parser.next().value)
    if part.kind != "expression":
        raise parser.error(
            f"Extra characters in {part.kind} marker",
            f"Expected a closing brace to end the sequence, but found {parser.found()}.",
        )
    if parser.kind == "end":
        raise parser.error(
            "Unclosed template interpolation sequence",
            "There is no closing brace for this interpolation sequence before the end of the text. "
            "This might be caused by incorrect nesting inside the given expression.",
        )
    raise parser.error(
        "Extra characters after interpolation expression",
        f"Expected a closing brace to end the interpolation expression, but found {parser.found()}.",
        remedy=_OF_OTHER_LANGUAGES.get(str(parser.token.value if parser.kind == "name" else parser.kind), _ESCAPE),
    )


_ESCAPE = 'When the sequence is meant literally, escape it by starting with "$${" instead of just "${".'
_OF_OTHER_LANGUAGES = {
    "and": "Write && for and.",
    "or": "Write || for or.",
    "not": "Write ! for not.",
    "is": "Write == to compare.",
    "in": "Write contains(list, item).",
    "if": "Write CONDITION ? VALUE : OTHER.",
    "=": "Write == to compare.",
    "|": "Functions are called as upper(text), and || is or.",
}


def _flush(parts: list[_Part]) -> None:
    """Take the common indentation off the lines of a `<<-` heredoc.

    Only literal text at the start of a line counts; blank lines do not. Indentation counts in characters as users see
    them, so that a line never loses half of one.
    """
    leading: list[_Part] = []
    common: int | None = None
    line_start = True
    for part in parts:
        if line_start:
            line_start = False
            spaces = 0
            blank = False
            if part.kind == "text":
                stripped = part.text.lstrip()
                blank = not stripped and part.text.endswith("\n")
                if not blank:
                    spaces = len(graphemes(part.text[: len(part.text) - len(stripped)]))
                    leading.append(part)
            if not blank and (common is None or spaces < common):
                common = spaces
        if part.kind == "text" and part.text.endswith("\n"):
            line_start = True
    if common:
        for part in leading:
            part.text = "".join(graphemes(part.text)[common:])


# --- the tree -------------------------------------------------------------------------------------------------------


def _assemble(parts: list[_Part], span: Span) -> Node:
    """The node a whole template is: a literal, the one expression in it, or a template."""
    if len(parts) == 1 and parts[0].kind == "expression":
        assert parts[0].node is not None
        return Interpolation(parts[0].node, span)
    if all(part.kind == "text" for part in parts):
        return Literal(nfc("".join([part.text for part in parts])), span)
    builder = _Builder(parts, span)
    nodes = builder.read(())
    return Template(_melt(nodes), span)


class _Builder:
    """Nests a flat list of parts by its directives."""

    def __init__(self, parts: Sequence[_Part], span: Span) -> None:
        self.parts = parts
        self.position = 0
        self.span = span

    def read(self, ends: tuple[str, ...]) -> list[str | Node]:
        """The parts up to one of the ending directives, or, without any, to the end of the template."""
        nodes: list[str | Node] = []
        while self.position < len(self.parts):
            part = self.parts[self.position]
            if part.kind in ends:
                return nodes
            self.position += 1
            if part.kind == "text":
                nodes.append(part.text)
            elif part.kind == "expression":
                assert part.node is not None
                nodes.append(part.node)
            elif part.kind == "if":
                nodes.append(self._read_if(part))
            elif part.kind == "for":
                nodes.append(self._read_for(part))
            else:
                expected = f"Expected here: {' or '.join(ends)}." if ends else ""
                raise ExpressionError(
                    f"Unexpected {part.kind} directive",
                    "The control directives within this template are unbalanced.",
                    remedy=expected or None,
                    span=part.span,
                )
        if ends:
            raise ExpressionError(
                "Unexpected end of template",
                f"A directive is missing its corresponding {ends[-1]} directive.",
                remedy=f"Close it with %{{ {ends[-1]} }}.",
                span=(self.span[1], self.span[1]),
            )
        return nodes

    def _read_if(self, opening: _Part) -> IfDirective:
        yes = self.read(("else", "endif"))
        no: list[str | Node] = []
        if self.parts[self.position].kind == "else":
            self.position += 1
            no = self.read(("endif",))
        span = (opening.span[0], self._close())
        assert opening.node is not None
        return IfDirective(opening.node, Template(_melt(yes), span), Template(_melt(no), span), span)

    def _read_for(self, opening: _Part) -> ForDirective:
        body = self.read(("endfor",))
        span = (opening.span[0], self._close())
        assert opening.node is not None
        return ForDirective(*opening.names, opening.node, Template(_melt(body), span), span)

    def _close(self) -> int:
        end = self.parts[self.position].span[1]
        self.position += 1
        return end


def _melt(nodes: list[str | Node]) -> tuple[str | Node, ...]:
    """The parts with neighbouring texts made one and empty texts dropped."""
    melted: list[str | Node] = []
    for node in nodes:
        if node.__class__ is str and melted and melted[-1].__class__ is str:
            melted[-1] += node
        elif node != "":
            melted.append(node)
    return tuple(melted)
