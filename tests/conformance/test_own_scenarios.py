"""Scenarios of our own, in the form of the corpus, with what Terraform 1.11.4 answered."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
GROUPS = sorted(path.stem for path in (HERE / "scenarios").glob("*.json"))
DIFFERENCES = json.loads((HERE / "differences.json").read_text(encoding="utf-8"))
"""Scenarios which end differently, and why."""


@pytest.fixture
def candidate(corpus, monkeypatch, warm_process):
    """The engine's command line, and the module of the corpus that scores it."""
    monkeypatch.syspath_prepend(str(corpus))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    import plan_score

    class Warm(plan_score.Candidate):
        def run(self, cwd, *arguments):
            done = warm_process.run(Path(cwd), *arguments)
            return done.code, done.out, done.err

    yield plan_score, Warm(["iac"], False)
    for name in ("plan_score", "oracle"):
        sys.modules.pop(name, None)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("group", GROUPS)
def test_scenarios_end_as_in_terraform_or_as_the_differences_say(candidate, group):
    scorer, warm = candidate
    unlike, alike_by_now = [], []
    for scenario in json.loads((HERE / "scenarios" / f"{group}.json").read_text(encoding="utf-8")):
        result = scorer.run_scenario(warm, scenario)
        if result is not None and scenario["id"] not in DIFFERENCES:
            unlike.append(f"{scenario['id']} step {result[0]}: {result[1][0][:300]}")
        if result is None and scenario["id"] in DIFFERENCES:
            alike_by_now.append(scenario["id"])
    assert not unlike, "\n".join(unlike)
    assert not alike_by_now, "take these out of differences.json"


def test_every_difference_names_a_scenario():
    known = {
        scenario["id"]
        for group in GROUPS
        for scenario in json.loads((HERE / "scenarios" / f"{group}.json").read_text(encoding="utf-8"))
    }
    assert DIFFERENCES.keys() <= known
