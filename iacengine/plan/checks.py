"""The results of custom conditions, gathered while planning or applying."""

from __future__ import annotations

import re
from collections.abc import Iterable

from iacengine.addresses import ResourceInstance
from iacengine.config.model import Check, Condition
from iacengine.evaluation.conditions import Status, Verdict, judge, unreadable
from iacengine.evaluation.scope import AnyScope, Scope
from iacengine.foundation.diagnostics import DiagnosticsError, Findings, Severity
from iacengine.state.model import CheckResult

_RANK = {Status.ERROR: 3, Status.FAIL: 2, Status.UNKNOWN: 1, Status.PASS: 0}
_KEYS = re.compile(r"\[[^\]]*\]")


class CheckResults:
    """Verdicts by the address of what they are about."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._verdicts: dict[tuple[str, str], list[Verdict]] = {}

    def judge(
        self, condition: Condition, scope: AnyScope, what: str, kind: str, address: str, *, warn: bool = False
    ) -> Verdict:
        """Evaluate a condition and note the result; a failed one becomes an error (a warning with `warn`)."""
        severity = Severity.WARNING if warn else Severity.ERROR
        verdict = judge(condition, scope, what, severity=severity)
        self._verdicts.setdefault((kind, address), []).append(verdict)
        if verdict.diagnostic is not None:
            self._findings.add(verdict.diagnostic)
        return verdict

    def conditions(
        self, conditions: Iterable[Condition], scope: AnyScope, what: str, address: ResourceInstance
    ) -> tuple[Verdict, ...]:
        """Judge the conditions of a resource instance. Raises DiagnosticsError when one fails."""
        verdicts = tuple(judge(condition, scope, what) for condition in conditions)
        if verdicts:
            self._verdicts.setdefault(("resource", str(address)), []).extend(verdicts)
        bad = [verdict.diagnostic for verdict in verdicts if verdict.diagnostic is not None]
        if bad:
            raise DiagnosticsError(*bad)
        return verdicts

    def check_block(self, scope: Scope, check: Check) -> None:
        """Judge the assertions of a `check` block; failures are warnings."""
        address = check_address(scope, check)
        for condition in check.assertions:
            self.judge(condition, scope, "Check block assertion failed", "check", address, warn=True)

    def unreadable(self, scope: Scope, check: Check, failure: DiagnosticsError) -> None:
        """The data source of a `check` block cannot be read: the check failed, which is a warning."""
        verdicts = unreadable(failure)
        self._verdicts.setdefault(("check", check_address(scope, check)), []).extend(verdicts)
        self._findings.extend(each.diagnostic for each in verdicts if each.diagnostic is not None)

    def results(self) -> tuple[CheckResult, ...]:
        """One result an address: the worst of its verdicts."""
        results = []
        for (kind, address), verdicts in sorted(self._verdicts.items()):
            worst = max((verdict.status for verdict in verdicts), key=_RANK.__getitem__)
            problems = tuple(verdict.message for verdict in verdicts if verdict.status is Status.FAIL)
            results.append(CheckResult(kind, address, worst.value, _KEYS.sub("", address), problems))
        return tuple(results)


def check_address(scope: Scope, check: Check) -> str:
    """The address of a `check` block in one instance of its module."""
    return f"{scope.instance}.check.{check.name}" if not scope.instance.is_root else f"check.{check.name}"
