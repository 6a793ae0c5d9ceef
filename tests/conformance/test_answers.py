"""Everything printed for programs, field by field as Terraform 1.11.4 printed it for the same files."""

import json
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
GROUPS = sorted(path.stem for path in (HERE / "answers").glob("*.json"))
DIFFERENCES = json.loads((HERE / "answer_differences.json").read_text(encoding="utf-8"))
"""Where answers differ on purpose, and why: expressions over `CASE#STEP PATH`."""


@pytest.fixture
def answers(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))
    import answers

    return answers


class Ours:
    is_terraform = False

    def __init__(self, process):
        self._process = process

    def __call__(self, folder, *arguments):
        done = self._process.run(folder, *arguments)
        assert "Traceback" not in done.err, done
        return done.code, done.out


def cases(group):
    return json.loads((HERE / "answers" / f"{group}.json").read_text(encoding="utf-8"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("group", GROUPS)
def test_every_field_is_terraforms_or_differs_on_purpose(answers, warm_process, group):
    unlike, seen = [], set()
    for case in cases(group):
        for number, (step, ours) in enumerate(
            zip(case["steps"], answers.answers(Ours(warm_process), case["steps"]), strict=True)
        ):
            for text in answers.differences(step["answers"], ours):
                found = f"{case['id']}#{number} {text}"
                reasons = [pattern for pattern in DIFFERENCES if re.match(pattern, found)]
                seen.update(reasons)
                if not reasons:
                    unlike.append(found)
    assert not unlike, "\n".join(unlike)
    expected = {pattern for pattern in DIFFERENCES if group in DIFFERENCES[pattern]["groups"]}
    assert seen == expected, f"not as the differences say: {sorted(seen ^ expected)}"


def test_every_group_of_a_difference_exists():
    assert {group for entry in DIFFERENCES.values() for group in entry["groups"]} <= set(GROUPS)


def test_a_field_that_differs_is_found(answers):
    theirs = {"plan": {"resource_changes": [{"address": "a.b", "change": {"after": {"x": ["1", "2"]}}}]}}
    ours = json.loads(json.dumps(theirs))
    assert not list(answers.differences(theirs, ours))
    ours["plan"]["resource_changes"][0]["change"]["after"]["x"][1] = "3"
    (found,) = answers.differences(theirs, ours)
    assert found.startswith("plan.resource_changes.[a.b].change.after.x")
