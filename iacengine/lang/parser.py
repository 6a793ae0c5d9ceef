"""Tokens to a syntax tree: operator precedence parsing of expressions (Pratt), after HCL's native syntax."""

from __future__ import annotations

from iacengine.lang.errors import ExpressionError
from iacengine.lang.lexer import Token, tokenize
from iacengine.lang.syntax import (
    Attribute,
    Binary,
    Call,
    Conditional,
    For,
    Index,
    Item,
    Key,
    Literal,
    Node,
    Object,
    Parentheses,
    Splat,
    Tuple,
    Unary,
    Variable,
)
from iacengine.lang.text import nfc, parse_number

_PRECEDENCE = {
    "||": 1,
    "&&": 2,
    "==": 3,
    "!=": 3,
    ">": 4,
    ">=": 4,
    "<": 4,
    "<=": 4,
    "+": 5,
    "-": 5,
    "*": 6,
    "/": 6,
    "%": 6,
}
_CONSTANTS = {"true": True, "false": False, "null": None}


def parse_expression(text: str) -> Node:
    """The tree of one expression, the inside of `${…}`. Raises ExpressionError."""
    parser = Parser(tokenize(text, template=False))
    node = parser.expression()
    if parser.kind != "end":
        raise parser.error("Extra characters after expression", f"The expression ends before {parser.found()}.")
    return node


class Parser:
    """A place in a list of tokens; each method reads one construct and moves past it."""

    __slots__ = ("kind", "position", "tokens")

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.position = 0
        self.kind = tokens[0].kind

    @property
    def token(self) -> Token:
        return self.tokens[self.position]

    def next(self) -> Token:
        """The current token; moves on, but never past the end."""
        token = self.tokens[self.position]
        if token.kind != "end":
            self.position += 1
            self.kind = self.tokens[self.position].kind
        return token

    def at_name(self, name: str) -> bool:
        return self.kind == "name" and self.token.value == name

    def error(
        self, summary: str, detail: str, *, remedy: str | None = None, token: Token | None = None
    ) -> ExpressionError:
        """An error at a token, by default the current one; one that is no token at all says so instead."""
        token = token or self.token
        span = (token.start, token.end)
        if token.kind == "invalid":
            assert isinstance(token.value, str)
            return ExpressionError("Invalid character", token.value, span=span)
        return ExpressionError(summary, detail, remedy=remedy, span=span)

    def found(self) -> str:
        """The current token in words."""
        kind, _, _, value = self.token
        words = {
            "end": "the end of the text",
            "newline": "the end of the line",
            "sequence end": 'the closing brace "}"',
            "quote": "a quoted string",
            "heredoc": "a heredoc",
            "text": "text",
            "end quote": "a closing quote",
        }
        return words.get(kind) or (f'"{value}"' if kind in ("name", "number") else f'"{kind}"')

    # --- operators --------------------------------------------------------------------------------------------------

    def expression(self) -> Node:
        """A whole expression: operators, and the conditional below them all."""
        condition = self._binary(1)
        if self.kind == "?":
            self.next()
            yes = self.expression()
            if self.kind != ":":
                raise self.error(
                    "Missing false expression in conditional",
                    f"The conditional operator (...?...:...) requires a false expression, delimited by a colon, "
                    f"but found {self.found()}.",
                )
            self.next()
            no = self.expression()
            condition = Conditional(condition, yes, no, (condition.span[0], no.span[1]))
        return condition

    def _binary(self, level: int) -> Node:
        left = self._operand()
        while True:
            precedence = _PRECEDENCE.get(self.kind, 0)
            if precedence < level:
                return left
            operator = self.next().kind
            right = self._binary(precedence + 1)
            left = Binary(operator, left, right, (left.span[0], right.span[1]))

    def _operand(self) -> Node:
        return self._traversals(self._term())

    def _term(self) -> Node:
        kind = self.kind
        if kind == "name":
            token = self.next()
            if self.kind in ("(", "::"):
                return self._call(token)
            name = token.value
            assert isinstance(name, str)
            span = (token.start, token.end)
            return Literal(_CONSTANTS[name], span) if name in _CONSTANTS else Variable(nfc(name), span)
        if kind == "number":
            return self._number()
        if kind in ("quote", "heredoc"):
            from iacengine.lang.template import parse_quoted  # lazy: the two modules need each other

            return parse_quoted(self)
        if kind == "[":
            return self._tuple()
        if kind == "{":
            return self._object()
        if kind == "(":
            start = self.next().start
            inner = self.expression()
            if self.kind != ")":
                raise self.error(
                    "Unbalanced parentheses",
                    f"Expected a closing parenthesis to terminate the expression, but found {self.found()}.",
                )
            return Parentheses(inner, (start, self.next().end))
        if kind in ("-", "!"):
            start = self.next().start
            operand = self._operand()
            return Unary(kind, operand, (start, operand.span[1]))
        if kind in ("end", "sequence end"):
            raise self.error("Missing expression", f"Expected the start of an expression, but found {self.found()}.")
        raise self.error("Invalid expression", f"Expected the start of an expression, but found {self.found()}.")

    def _number(self) -> Literal:
        token = self.next()
        assert isinstance(token.value, str)
        try:
            return Literal(parse_number(token.value), (token.start, token.end))
        except ValueError:
            raise self.error(
                "Invalid number literal", "Failed to recognize the value of this number literal.", token=token
            ) from None

    # --- traversals -------------------------------------------------------------------------------------------------

    def _traversals(self, node: Node) -> Node:
        """Everything that follows a term: attributes, indexes and splats."""
        start = node.span[0]
        while True:
            if self.kind == ".":
                self.next()
                node = self._attribute_splat(node) if self.kind == "*" else self._dotted(node)
            elif self.kind == "[":
                opening = self.next()
                if self.kind == "*":
                    star = self.next()
                    if self.kind != "]":
                        raise self.error(
                            "Missing close bracket on splat index",
                            'The star of a full splat operator must be followed at once by a closing bracket ("]").',
                        )
                    end = self.next().end
                    each = self._traversals(Item((star.start, star.end)))
                    return Splat(node, each, full=True, span=(start, max(end, each.span[1])))
                node = self._index(node, opening)
            else:
                return node

    def _index(self, source: Node, opening: Token) -> Index:
        key = self.expression()
        if self.kind != "]":
            raise self.error(
                "Missing close bracket on index",
                f'The index operator must end with a closing bracket ("]"), but found {self.found()}.',
            )
        return Index(source, key, (source.span[0], self.next().end))

    def _dotted(self, source: Node) -> Node:
        """`.name`, or the legacy `.0`."""
        if self.kind == "name":
            token = self.next()
            assert isinstance(token.value, str)
            return Attribute(source, nfc(token.value), (source.span[0], token.end))
        if self.kind == "number":
            token = self.token
            if "." in str(token.value):
                first, _, second = str(token.value).partition(".")
                raise self.error(
                    "Invalid legacy index syntax",
                    "When using the legacy index syntax, chaining two indexes together is not permitted. "
                    f"Use the proper index syntax instead, like [{first}][{second}].",
                )
            return Index(source, self._number(), (source.span[0], token.end), legacy=True)
        raise self.error(
            "Invalid attribute name", f"An attribute name is required after a dot, but found {self.found()}."
        )

    def _attribute_splat(self, source: Node) -> Splat:
        """`.*`, which takes only attributes and legacy indexes with it."""
        star = self.next()
        each: Node = Item((star.start, star.end))
        while self.kind == ".":
            self.next()
            if self.kind == "*":
                raise self.error(
                    "Nested splat expression not allowed",
                    "A splat expression (*) cannot be used inside another attribute-only splat expression.",
                    remedy="Use the full splat operator [*] instead.",
                )
            each = self._dotted(each)
        return Splat(source, each, full=False, span=(source.span[0], max(star.end, each.span[1])))

    # --- calls ------------------------------------------------------------------------------------------------------

    def _call(self, first: Token) -> Call:
        name = str(first.value)
        name_end = first.end
        while self.kind == "::":
            self.next()
            if self.kind != "name":
                raise self.error(
                    "Missing function name",
                    "Function scope resolution symbol :: must be followed by a function name in this scope.",
                )
            name_end = self.token.end
            name += f"::{self.next().value}"
        if self.kind != "(":
            raise self.error(
                "Missing open parenthesis",
                "Function selector must be followed by an open parenthesis to begin the function call.",
            )
        self.next()
        arguments: list[Node] = []
        expand = False
        while self.kind != ")":
            arguments.append(self.expression())
            if self.kind == ",":
                self.next()
            elif self.kind == "...":
                self.next()
                expand = True
                if self.kind != ")":
                    raise self.error(
                        "Missing closing parenthesis",
                        "An expanded function argument (with ...) must be immediately followed by closing parentheses.",
                    )
            elif self.kind == "end":
                raise self.error("Unterminated function call", "There is no closing parenthesis for this call.")
            elif self.kind != ")":
                raise self.error(
                    "Missing argument separator",
                    f"A comma is required to separate each function argument from the next, but found {self.found()}.",
                )
        end = self.next().end
        return Call(name, tuple(arguments), expand, (first.start, end), (first.start, name_end))

    # --- collections ------------------------------------------------------------------------------------------------

    def _tuple(self) -> Node:
        start = self.next().start
        if self.at_name("for"):
            return self._for(start, "]")
        items: list[Node] = []
        while self.kind != "]":
            items.append(self.expression())
            if self.kind == ",":
                self.next()
            elif self.kind != "]":
                raise self.error(
                    "Missing item separator",
                    f"Expected a comma to mark the beginning of the next item, but found {self.found()}.",
                )
        return Tuple(tuple(items), (start, self.next().end))

    def _object(self) -> Node:
        start = self.next().start
        if self.at_name("for"):
            return self._for(start, "}")
        items: list[tuple[Node, Node]] = []
        while True:
            while self.kind == "newline":
                self.next()
            if self.kind == "}":
                return Object(tuple(items), (start, self.next().end))
            forced = self.kind == "("
            key = self.expression()
            if not forced:
                key = _bare_key(key)
            if self.kind not in ("=", ":"):
                raise self._missing_value()
            self.next()
            items.append((key, self.expression()))
            if self.kind in (",", "newline"):
                self.next()
            elif self.kind != "}":
                raise self.error(
                    "Missing attribute separator",
                    "Expected a newline or comma to mark the beginning of the next attribute, "
                    f"but found {self.found()}.",
                )

    def _missing_value(self) -> ExpressionError:
        if self.kind in ("newline", ","):
            return self.error(
                "Missing attribute value", 'Expected an attribute value, introduced by an equals sign ("=").'
            )
        return self.error(
            "Missing key/value separator",
            f'Expected an equals sign ("=") to mark the beginning of the attribute value, but found {self.found()}.',
            remedy="A key that holds periods or spaces has to be quoted." if self.kind == "name" else None,
        )

    def for_names(self, noun: str) -> tuple[str | None, str]:
        """`value in` or `key, value in`, after the keyword `for`."""
        summary = f"Invalid 'for' {noun}"
        if self.kind != "name":
            raise self.error(summary, f"A 'for' {noun} requires a variable name after 'for', not {self.found()}.")
        key, value = None, nfc(str(self.next().value))
        if self.kind == ",":
            self.next()
            if self.kind != "name":
                raise self.error(summary, f"A 'for' {noun} requires a variable name after the comma.")
            key, value = value, nfc(str(self.next().value))
        if not self.at_name("in"):
            raise self.error(summary, f"A 'for' {noun} requires the 'in' keyword after its variable names.")
        self.next()
        return key, value

    def _for(self, start: int, closing: str) -> For:
        self.next()
        summary = "Invalid 'for' expression"
        key, value = self.for_names("expression")
        collection = self.expression()
        if self.kind != ":":
            raise self.error(summary, "A 'for' expression requires a colon after the collection expression.")
        self.next()
        result_key, result = None, self.expression()
        if self.kind == "=>":
            if closing == "]":
                raise self.error(summary, "Key expression is not valid when building a tuple.")
            self.next()
            result_key, result = result, self.expression()
        elif closing == "}":
            raise self.error(
                summary,
                "Key expression is required when building an object.",
                remedy="Write {for ... : key => value}.",
            )
        group = self.kind == "..."
        if group:
            if closing == "]":
                raise self.error(summary, "Grouping ellipsis (...) cannot be used when building a tuple.")
            self.next()
        condition = None
        if self.at_name("if"):
            self.next()
            condition = self.expression()
        if self.kind != closing:
            raise self.error(summary, f"Extra characters after the end of the 'for' expression: {self.found()}.")
        return For(key, value, collection, result_key, result, condition, group, (start, self.next().end))


def _bare_key(key: Node) -> Node:
    """A bare name, or `true`, `false`, `null`, in the place of a key stands for itself."""
    if isinstance(key, Variable):
        return Key(key.name, key.span)
    if isinstance(key, Literal) and (key.value is None or key.value.__class__ is bool):
        return Key({None: "null", True: "true", False: "false"}[key.value], key.span)
    return key
