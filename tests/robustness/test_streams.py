"""Standard streams that are closed, or whose reader goes away."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

COMMAND = [sys.executable, "-m", "iacengine.cli.main"]
MANY = {"resource": {"mock_object": {"o": {"count": 30, "name": "o${count.index}"}}}}


def shell(stack, command):
    return subprocess.run(
        ["bash", "-c", command, "bash", *COMMAND],
        cwd=stack.folder,
        env=os.environ | {"NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_no_defect(closed, stack):
    stack.write(MANY)
    done = shell(stack, f'"$@" apply --auto-approve {closed}')
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert len(stack.objects()) == 30


def test_a_closed_input_approves_nothing(stack):
    stack.write(MANY)
    done = shell(stack, '"$@" apply <&-')
    assert done.returncode == 1
    assert "Approval required" in done.stderr
    assert stack.cloud() == {}


@pytest.mark.parametrize("how", ["", "--json"])
def test_an_apply_goes_on_to_its_end_when_nobody_reads_any_more(how, stack):
    stack.write(MANY | {"provider": {"mock": {"latency": {"create": 0.1}}}})
    until = "apply_start" if how else "Creating"
    done = shell(stack, f'set -o pipefail; "$@" apply --auto-approve --parallelism 10 {how} | grep -m1 {until}')
    assert "Traceback" not in done.stderr
    assert "Internal error" not in done.stderr
    assert len(stack.objects()) == len(stack.cloud()) == 30
    assert not stack.journal_path.exists()
