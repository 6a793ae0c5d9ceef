"""A download on a terminal: one line, which goes away."""

from __future__ import annotations

from iacengine.cli.views.download_text import DownloadLine, download_text


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bar_shows_how_far_it_is() -> None:
    assert download_text("acme/net/aws 1.0.0", 600_000, 2_400_000) == (
        "Getting acme/net/aws 1.0.0  ━━━━━━                    0.6 MB of 2.4 MB"
    )


def test_without_a_size_there_is_no_bar() -> None:
    assert download_text("git::x", 0, None) == "Getting git::x …"
    assert download_text("x", 42_000, None) == "Getting x  42.0 kB"


def test_what_is_quick_is_not_shown() -> None:
    written: list[str] = []
    clock = Clock()
    line = DownloadLine(written.append, clock)
    clock.now = 0.2
    line("x", 10, 100)
    line("x", 100, 100)
    assert written == []


def test_a_line_without_a_size_goes_away_too() -> None:
    written: list[str] = []
    clock = Clock()
    line = DownloadLine(written.append, clock)
    clock.now = 1.0
    line("git::x", 0, None)
    line("git::x", 1, 1)
    assert written == ["\rGetting git::x …", "\r                \r"]


def test_the_line_is_redrawn_now_and_then_and_removed_at_the_end() -> None:
    written: list[str] = []
    clock = Clock()
    line = DownloadLine(written.append, clock)
    for moment, done in ((1.0, 10), (1.01, 20), (2.0, 50)):
        clock.now = moment
        line("x", done, 100)
    assert len(written) == 2
    line("x", 100, 100)
    assert written[-1].strip() == ""
    assert written[-1].startswith("\r")
    assert written[-1].endswith("\r")
