import click
import pytest

from iacengine.cli.options import Duration
from iacengine.cli.spelling import normalize

PARAMETERS = [
    click.Option(["--out"]),
    click.Option(["--var"], multiple=True),
    click.Option(["--json"], is_flag=True),
    click.Option(["--refresh/--no-refresh"], default=True),
    click.Option(["--auto-approve"], is_flag=True),
]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["-out=p"], ["--out=p"]),
        (["-out", "-p"], ["--out", "-p"]),
        (["-var", "a=-json", "-json"], ["--var", "a=-json", "--json"]),
        (["-var=a=b"], ["--var=a=b"]),
        (["-refresh=false"], ["--no-refresh"]),
        (["--refresh=FALSE"], ["--no-refresh"]),
        (["-refresh=true"], ["--refresh"]),
        (["-auto-approve=false"], []),
        (["-json", "--", "-out"], ["--json", "--", "-out"]),
        (["-h"], ["-h"]),
        (["-5"], ["-5"]),
        (["-"], ["-"]),
        (["-unknown"], ["--unknown"]),
        (["--out"], ["--out"]),
    ],
)
def test_options_are_understood_as_terraform_users_type_them(given: list[str], meant: list[str]) -> None:
    assert normalize(given, PARAMETERS, only_leading=False) == meant


def test_what_follows_a_verb_is_left_to_it() -> None:
    assert normalize(["-json", "plan", "-out=p"], PARAMETERS, only_leading=True) == ["--json", "plan", "-out=p"]


def test_a_switch_takes_no_other_value() -> None:
    with pytest.raises(click.BadParameter):
        normalize(["-refresh=maybe"], PARAMETERS, only_leading=False)


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0.0), ("1.5", 1.5), ("30s", 30.0), ("1h2m3s", 3723.0), ("500ms", 0.5), ("2m", 120.0)]
)
def test_time_spans_are_read_as_terraform_reads_them(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "abc", "-1", "nan", "inf", "s", "1x"])
def test_what_is_no_time_span_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        Duration().convert(text, None, None)
