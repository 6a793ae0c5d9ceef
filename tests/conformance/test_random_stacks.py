"""Random stacks, applied step by step by a real Terraform and by us. IACENGINE_RANDOM_STACKS says how many (none)."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
COUNT = int(os.environ.get("IACENGINE_RANDOM_STACKS", "0"))
FIRST = int(os.environ.get("IACENGINE_RANDOM_STACKS_FROM", "0"))


def test_a_seed_makes_the_same_stack_every_time(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))
    import random_stacks

    assert random_stacks.scenario(7) == random_stacks.scenario(7)
    assert random_stacks.scenario(7)["steps"] != random_stacks.scenario(8)["steps"]


@pytest.mark.slow
@pytest.mark.skipif(not COUNT or shutil.which("terraform") is None, reason="wants a number of stacks, and a terraform")
@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_random_stacks_end_as_in_terraform(corpus, monkeypatch, warm_process, seed):
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.syspath_prepend(str(corpus))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    import oracle
    import plan_score
    import random_stacks

    class Warm(plan_score.Candidate):
        def run(self, cwd, *arguments):
            done = warm_process.run(Path(cwd), *arguments)
            return done.code, done.out, done.err

    (scenario,) = oracle.evaluate_scenarios([random_stacks.scenario(seed)], 1)
    assert plan_score.run_scenario(Warm(["iac"], False), scenario) is None
