from __future__ import annotations

from iacengine.foundation.diagnostics import Position, Snippet, SourceRange, error, warning
from iacengine.foundation.rendering import render


def _at(line: str, start: int, end: int, values: tuple[tuple[str, str], ...] = ()) -> tuple[SourceRange, Snippet]:
    range_ = SourceRange("main.iac.yaml", Position(12, start), Position(12, end))
    return range_, Snippet(line, "output.zone", values)


def test_a_diagnostic_shows_the_place_the_line_the_values_the_reason_and_the_remedy() -> None:
    found = error("Bad zone", "There is no such zone.", remedy="Use another one.")
    found = found.at(*_at("  zone: ${var.zone}", 11, 19, (("var.zone", 'is "x"'),)))
    assert render(found) == (
        "error: Bad zone\n"
        "   --> main.iac.yaml:12:11, in output.zone\n"
        "    |\n"
        " 12 |   zone: ${var.zone}\n"
        "    |           ^^^^^^^^\n"
        '    | var.zone is "x"\n'
        "    |\n"
        "  There is no such zone.\n"
        "  help: Use another one."
    )


def _caret(line: str, start: int, end: int, width: int = 100) -> tuple[str, str]:
    lines = render(error("x").at(*_at(line, start, end)), width=width).split("\n")
    return lines[3][6:], lines[4][6:]


def test_the_caret_stands_under_wide_combining_and_tabbed_characters() -> None:
    assert _caret("日本: x", 5, 6) == ("日本: x", " " * 6 + "^")
    assert _caret("\tkey", 2, 5) == ("    key", "    ^^^")
    assert _caret("a\tb", 3, 4) == ("a   b", "    ^")
    assert _caret("e\u0301x", 3, 4) == ("e\u0301x", " ^")
    assert _caret("x: 日本", 4, 6) == ("x: 日本", "   ^^^^")


def test_an_empty_range_still_has_a_caret() -> None:
    assert _caret("a: ", 4, 4) == ("a:", "   ^")


def test_a_range_over_several_lines_is_underlined_to_the_end_of_the_first() -> None:
    range_ = SourceRange("f", Position(1, 4), Position(3, 2))
    lines = render(error("x").at(range_, Snippet("a: [1,  "))).split("\n")
    assert lines[4].endswith("|    ^^^")


def test_a_line_of_a_megabyte_is_cut_around_the_place() -> None:
    line = "x" * 500_000 + "HERE" + "y" * 500_000
    shown, caret = _caret(line, 500_001, 500_005, width=60)
    assert len(shown) <= 60
    assert shown.startswith("…x")
    assert shown.endswith("y…")
    assert shown[caret.index("^") : caret.rindex("^") + 1] == "HERE"


def test_control_and_bidirectional_characters_are_not_printed() -> None:
    text = render(error("a\x1b[31mb", "c\u202ed").at(*_at("e\x07f", 1, 2)))
    assert not any(character in text for character in "\x1b\x07\u202e")


def test_without_a_place_the_address_is_shown() -> None:
    assert render(error("Bad", address="aws_vpc.main")) == "error: Bad\n  --> aws_vpc.main"


def test_long_texts_are_wrapped_but_lists_are_not() -> None:
    text = render(warning("w", "word " * 40 + "\n  - item " + "x" * 120), width=60)
    lines = text.split("\n")
    assert lines[0] == "warning: w"
    assert all(len(line) <= 60 for line in lines[1:-1])
    assert lines[-1].startswith("    - item x")


def test_colour_changes_nothing_but_escape_sequences() -> None:
    found = error("Bad", "Because.", remedy="Do.").at(*_at("a: b", 4, 5))
    coloured = render(found, color=True)
    assert "\x1b[" in coloured
    plain = coloured
    for code in ("\x1b[1;31m", "\x1b[1m", "\x1b[36m", "\x1b[32m", "\x1b[0m"):
        plain = plain.replace(code, "")
    assert plain == render(found)
