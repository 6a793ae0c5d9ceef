"""Text to tokens, after HCL's native syntax (https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md).

A token is a tuple `(kind, start, end, value)`. Punctuation is its own kind; the others:

| kind | value |
| --- | --- |
| `name`, `number` | the text |
| `newline` | only where a newline means something: between the items of an object |
| `quote`, `end quote` | |
| `heredoc`, `end heredoc` | true when the marker was `<<-` |
| `text` | the literal text, escapes undone; one token per line outside quotes |
| `${`, `%{` | true when followed by `~` |
| `sequence end` | true when preceded by `~` |
| `invalid` | why the text is no token |
| `end` | the end of the text |
"""

from __future__ import annotations

import re
from typing import NamedTuple

from iacengine.lang.errors import ExpressionError


class Token(NamedTuple):
    kind: str
    start: int
    end: int
    value: str | bool | None = None


_new = tuple.__new__  # several times faster than calling the class


def _token(kind: str, start: int, end: int, value: str | bool | None = None) -> Token:
    return _new(Token, (kind, start, end, value))


# A name begins with a letter or an underscore, goes on with digits and dashes too, and may hold anything beyond ASCII,
# which is looked at later. The classes say what is *not* in a name: the other way round they take 7 ms to compile.
_MAIN = re.compile(
    r"""[ \t]+
    |(?P<name>[^\x00-@\[-^`{-\x7f][^\x00-,./:-@\[-^`{-\x7f]*)
    |(?P<number>[0-9](?:(?:[0-9.]|[eE][+-]?[0-9])*(?:[0-9]|[eE][+-]?[0-9]))?)
    |(?P<newline>\r?\n|(?:\#|//)[^\n]*\n?)
    |/\*(?s:.)*?\*/
    |<<(?P<flush>-?)(?P<heredoc>[^\x00-@\[-^`{-\x7f][^\x00-,./:-@\[-^`{-\x7f]*)\r?\n
    |(?P<punctuation>\.\.\.|=>|==|!=|>=|<=|&&|\|\||::|~\}|[\[\](){}.,*/%+\-=<>!?:"])
    """,
    re.VERBOSE | re.ASCII,
)
_QUOTED = re.compile(
    r"""(?P<text>(?:[^"\\$%\r\n]|\\[^\r\n])+)
    |(?P<escape>\$\$\{~?|%%\{~?|\$(?!\{)|%(?!\{))
    |(?P<open>[$%]\{~?)
    |(?P<quote>")
    |(?P<newline>[\r\n]+)
    """,
    re.VERBOSE,
)
_BARE = re.compile(
    r"""(?P<text>(?:[^$%\r\n]|\r(?!\n))+(?:\r?\n)?|\r?\n)
    |(?P<escape>(?:\$\$\{~?|%%\{~?|\$(?!\{)|%(?!\{))(?:\r?\n)?)
    |(?P<open>[$%]\{~?)
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))")
_SIMPLE_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}


def tokenize(text: str, *, template: bool) -> list[Token]:
    """The tokens of an expression, or of a template as it stands in a file. Raises ExpressionError for bad escapes."""
    lexer = _Lexer(text)
    if template:
        lexer.read_text("bare")
    else:
        lexer.read_expression(inside_template=False)
    lexer.add("end", len(text), len(text))
    return lexer.tokens


class _Lexer:
    """Reads on from `position`; `brackets` are those still open, as they decide about newlines and closing braces."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.tokens: list[Token] = []
        self.brackets: list[str] = []

    def add(self, kind: str, start: int, end: int, value: str | bool | None = None) -> None:
        self.tokens.append(_token(kind, start, end, value))

    # --- expressions ------------------------------------------------------------------------------------------------

    def read_expression(self, *, inside_template: bool = True) -> None:
        """Read up to the end of the template sequence, or of the text."""
        text, tokens, brackets = self.text, self.tokens, self.brackets
        size = len(text)
        brackets.append("${")
        depth = len(brackets)
        match_at = _MAIN.match
        while self.position < size:
            start = self.position
            match = match_at(text, start)
            if match is None:
                self._read_invalid(start)
                continue
            kind = match.lastgroup
            end = self.position = match.end()
            if kind is None:  # spaces, or a comment in /* */
                continue
            if kind == "punctuation":
                symbol = match.group()
                if symbol in ("(", "[", "{"):
                    brackets.append(symbol)
                elif symbol in (")", "]"):
                    if len(brackets) > depth:
                        brackets.pop()
                elif symbol in ("}", "~}"):
                    if self._close_brace(depth) and inside_template:
                        brackets.pop()
                        tokens.append(_token("sequence end", start, end, symbol == "~}"))
                        return
                    if symbol == "~}":
                        tokens.append(_token("invalid", start, end, 'The sequence "~}" only ends a template sequence.'))
                        continue
                elif symbol == '"':
                    tokens.append(_token("quote", start, end))
                    self.read_text("quoted")
                    continue
                tokens.append(_token(symbol, start, end))
            elif kind == "name":
                self._read_name(match.group(), start)
            elif kind == "newline":
                if brackets[-1] == "{" and text[end - 1] == "\n":
                    tokens.append(_token("newline", start, end))
            elif kind == "number":
                tokens.append(_token("number", start, end, match.group()))
            else:
                flush = match.group("flush") == "-"
                tokens.append(_token("heredoc", start, end, flush))
                self.read_text("heredoc", match.group("heredoc"))

    def _close_brace(self, depth: int) -> bool:
        """Close what a brace closes; true when that is the template sequence being read, left for the caller."""
        brackets = self.brackets
        while len(brackets) > depth and brackets[-1] in ("(", "["):
            brackets.pop()
        if len(brackets) == depth:
            return True
        brackets.pop()
        return False

    def _read_name(self, name: str, start: int) -> None:
        if not name.isascii():
            length = _name_length(name)
            if length == 0:
                self._read_invalid(start)
                return
            name = name[:length]
        end = self.position = start + len(name)
        if name == "for" and self.brackets[-1] == "{" and self._follows_brace():
            self.brackets[-1] = "{for"  # newlines mean nothing in a `for` expression
        self.add("name", start, end, name)

    def _follows_brace(self) -> bool:
        """True right after an opening brace, newlines not counted; those are dropped."""
        tokens = self.tokens
        index = len(tokens) - 1
        while tokens[index].kind == "newline":
            index -= 1
        if tokens[index].kind != "{":
            return False
        del tokens[index + 1 :]
        return True

    def _read_invalid(self, start: int) -> None:
        character = self.text[start]
        reasons = {
            "'": 'Single quotes are not valid. Use double quotes (") to enclose strings.',
            "`": 'The "`" character is not valid. For a multi-line string, use the "heredoc" syntax, like "<<EOT".',
            ";": 'The ";" character is not valid. Use newlines to separate items.',
            "^": 'The "^" operator does not exist. Use the function pow to raise to a power.',
            "&": 'Bitwise operators are not supported. Did you mean boolean AND ("&&")?',
            "|": 'Bitwise operators are not supported. Did you mean boolean OR ("||")?',
        }
        self.position = start + 1
        self.add("invalid", start, start + 1, reasons.get(character, "This character is not used in the language."))

    # --- text -------------------------------------------------------------------------------------------------------

    def read_text(self, mode: str, marker: str = "") -> None:
        """Read literal text and sequences up to the closing quote, the heredoc's marker, or the end of the text."""
        text = self.text
        size = len(text)
        match_at = _QUOTED.match if mode == "quoted" else _BARE.match
        line_start = True
        while self.position < size:
            start = self.position
            match = match_at(text, start)
            if match is None:
                self.position = size
                self.add("invalid", start, size, "A backslash must be followed by what it escapes.")
                return
            kind = match.lastgroup
            end = self.position = match.end()
            literal = match.group()
            if kind == "text":
                if mode == "heredoc" and line_start and literal.strip() == marker and literal[-1] == "\n":
                    line_end = end - 2 if literal.endswith("\r\n") else end - 1
                    self.add("end heredoc", start, line_end)
                    self.position = line_end
                    return
                if mode == "quoted" and "\\" in literal:
                    literal = _unescape(literal, start)
                self.add("text", start, end, literal)
                line_start = literal[-1:] == "\n"
            elif kind == "escape":
                if len(literal) > 2 and literal[2] == "{":
                    literal = literal[1:]
                self.add("text", start, end, literal)
                line_start = literal[-1] == "\n"
            elif kind == "open":
                line_start = False
                self.add(literal[:2], start, end, len(literal) == 3)
                self.read_expression()
            elif kind == "quote":
                self.add("end quote", start, end)
                return
            else:
                self.add("invalid", start, end, _MULTI_LINE)


_MULTI_LINE = (
    "Quoted strings may not be split over multiple lines. To produce a multi-line string, either use the \\n escape to "
    'represent a newline character or use the "heredoc" multi-line template syntax.'
)


def _name_length(text: str) -> int:
    """How many characters at the start of the text are a name: Unicode identifiers, with dashes after the start."""
    if not text[0].isidentifier():
        return 0
    for index, character in enumerate(text):
        if character != "-" and not ("a" + character).isidentifier():
            return index
    return len(text)


def _unescape(text: str, start: int) -> str:
    """Text between quotes with its backslash escapes undone."""
    pieces: list[str] = []
    done = 0
    for match in _ESCAPE.finditer(text):
        pieces.append(text[done : match.start()])
        done = match.end()
        four, eight, simple = match.groups()
        span = (start + match.start(), start + match.end())
        if simple is None:
            code = int(four or eight, 16)
            if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
                raise ExpressionError(
                    "Invalid escape sequence", f"Cannot encode character U+{code:04x} in UTF-8.", span=span
                )
            pieces.append(chr(code))
        elif simple in _SIMPLE_ESCAPES:
            pieces.append(_SIMPLE_ESCAPES[simple])
        else:
            raise ExpressionError("Invalid escape sequence", _escape_detail(simple), span=span)
    pieces.append(text[done:])
    return "".join(pieces)


def _escape_detail(symbol: str) -> str:
    if symbol == "u":
        return "The \\u escape sequence must be followed by four hexadecimal digits."
    if symbol == "U":
        return "The \\U escape sequence must be followed by eight hexadecimal digits."
    return (
        f'The symbol "{symbol}" is not a valid escape sequence selector. '
        'Valid are \\n, \\r, \\t, \\", \\\\, \\uNNNN and \\UNNNNNNNN.'
    )
