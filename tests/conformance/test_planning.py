"""The scenarios of planning and applying that a real Terraform has answered."""

from __future__ import annotations

import json
import queue
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
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


@pytest.fixture
def candidate(scorer, warm_process, tmp_path):
    """The engine's command line in forks of two warm processes, for two threads."""

    class Warm(scorer.Candidate):
        def run(self, cwd, *arguments):
            process = processes.get()
            try:
                done = process.run(Path(cwd), *arguments)
            finally:
                processes.put(process)
            return done.code, done.out, done.err

    processes = queue.SimpleQueue()
    second = type(warm_process)(tmp_path)
    for process in (warm_process, second):
        processes.put(process)
    yield Warm(["iac"], False)
    second.close()


@pytest.mark.timeout(600)
def test_the_scenarios_end_as_in_terraform(corpus, scorer, candidate, record_property):
    scenarios = json.loads((corpus / "plan-public.json").read_text(encoding="utf-8"))
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda scenario: scorer.run_scenario(candidate, scenario), scenarios))
    passed, total, failures = Counter(), Counter(), []
    for scenario, result in zip(scenarios, results, strict=True):
        total[scenario["group"]] += 1
        passed[scenario["group"]] += result is None
        if result is not None:
            step, problems = result
            failures.append(f"{scenario['id']} step {step}: {problems[0][:200]}")
    scores = [f"{group:12} {passed[group]:4} of {total[group]:4}" for group in sorted(total)]
    record_property("scenarios", "\n".join([*scores, f"{'all':12} {passed.total():4} of {total.total():4}"]))
    assert passed.total() >= REQUIRED, "\n".join(failures)


def test_the_scorer_fails_an_engine_that_does_nothing(corpus, scorer):
    idle = scorer.Candidate([sys.executable, "-c", "pass"], False)
    (scenario, *_) = json.loads((corpus / "plan-public.json").read_text(encoding="utf-8"))
    assert scorer.run_scenario(idle, scenario) is not None
