"""The scenarios of planning and applying that a real Terraform has answered."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import pytest

REQUIRED = 262
"""How many of the 262 have to pass; raise it with every scenario that does."""


@pytest.fixture
def scorer(corpus, monkeypatch):
    """The module that scores; it is read from the corpus, and leaves nothing there."""
    monkeypatch.syspath_prepend(str(corpus))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    import plan_score

    yield plan_score
    for name in ("plan_score", "oracle"):
        sys.modules.pop(name, None)


@pytest.mark.timeout(600)
def test_the_scenarios_end_as_in_terraform(corpus, scorer, warm_process, capsys):
    class Warm(scorer.Candidate):
        """The engine's command line in forks of one process."""

        def run(self, cwd, *arguments):
            done = warm_process.run(Path(cwd), *arguments)
            return done.code, done.out, done.err

    candidate = Warm(["iac"], False)
    scenarios = json.loads((corpus / "plan-public.json").read_text(encoding="utf-8"))
    passed, total, failures = Counter(), Counter(), []
    for scenario in scenarios:
        result = scorer.run_scenario(candidate, scenario)
        total[scenario["group"]] += 1
        passed[scenario["group"]] += result is None
        if result is not None:
            step, problems = result
            failures.append(f"{scenario['id']} step {step}: {problems[0][:200]}")
    with capsys.disabled():
        print(f"\n{passed.total()} of {total.total()} scenarios")
        for group in sorted(total):
            print(f"  {group:12} {passed[group]:4} / {total[group]}")
    assert passed.total() >= REQUIRED, "\n".join(failures)


def test_the_scorer_fails_an_engine_that_does_nothing(corpus, scorer):
    idle = scorer.Candidate([sys.executable, "-c", "pass"], False)
    (scenario, *_) = json.loads((corpus / "plan-public.json").read_text(encoding="utf-8"))
    assert scorer.run_scenario(idle, scenario) is not None
