"""The settings of the mock provider, from its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from iacengine.foundation.diagnostics import Diagnostic, error
from iacengine.lang.values import Value, is_null, is_wholly_known, to_python
from iacengine_mock.cloud import NO_LAG, Lag
from iacengine_mock.faults import OPERATIONS, Fault, parse_faults

DEFAULT_CLOUD = ".iac/mock-cloud.sqlite"


@dataclass(frozen=True, slots=True)
class Settings:
    """`cloud` is the file's path, `latency` in seconds by operation; `wait`: changes wait until reads see them.

    `rate`: how many requests a second the cloud bears, and how many at once beyond that; None: any number.
    """

    cloud: str = DEFAULT_CLOUD
    latency: Mapping[str, float] = field(default_factory=dict)
    lag: Lag = NO_LAG
    wait: bool = True
    faults: tuple[Fault, ...] = ()
    rate: tuple[float, int] | None = None


def parse_settings(config: Value) -> tuple[Settings, tuple[Diagnostic, ...]]:
    """The settings, and what is wrong with them. Unknown ones count as left out."""
    if is_null(config):
        return Settings(), ()
    problems: list[Diagnostic] = []

    def setting(name: str, parse: Any, default: Any) -> Any:
        value = config.get(name)
        if is_null(value) or not is_wholly_known(value):
            return default
        try:
            return parse(to_python(value))
        except ValueError as problem:
            problems.append(error("Invalid provider configuration", f"{name}: {problem}."))
            return default

    lag, wait = setting("eventual_consistency", _lag, (NO_LAG, True))
    settings = Settings(
        cloud=setting("cloud", lambda path: path or DEFAULT_CLOUD, DEFAULT_CLOUD),
        latency=setting("latency", _latency, {}),
        lag=lag,
        wait=wait,
        faults=setting("faults", parse_faults, ()),
        rate=setting("rate_limit", _rate, None),
    )
    return settings, tuple(problems)


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e6:
        raise ValueError(f"{what} must be a number that is not negative")
    return float(value)


def _latency(data: Any) -> dict[str, float]:
    if not isinstance(data, dict):
        return dict.fromkeys(OPERATIONS, _number(data, "it"))
    for operation in data:
        if operation not in OPERATIONS:
            raise ValueError(f'there is no operation "{operation}", only {", ".join(OPERATIONS)}')
    return {operation: _number(seconds, operation) for operation, seconds in data.items() if seconds is not None}


def _lag(data: Any) -> tuple[Lag, bool]:
    if not isinstance(data, dict):
        return Lag(reads=_reads(data)), True
    for key in data:
        if key not in ("reads", "seconds", "wait"):
            raise ValueError(f'there is no key "{key}", only reads, seconds and wait')
    wait = data.get("wait", True)
    if not isinstance(wait, bool):
        raise ValueError("wait must be true or false")
    return Lag(_reads(data.get("reads") or 0), _number(data.get("seconds") or 0, "seconds")), wait


def _rate(data: Any) -> tuple[float, int]:
    if not isinstance(data, dict):
        data = {"per_second": data}
    for key in data:
        if key not in ("per_second", "burst"):
            raise ValueError(f'there is no key "{key}", only per_second and burst')
    per_second = _number(data.get("per_second"), "per_second")
    burst = _number(data.get("burst") or 1, "burst")
    if not per_second or burst != int(burst):
        raise ValueError("per_second must be more than 0, and burst a whole number")
    return per_second, max(1, int(burst))


def _reads(value: Any) -> int:
    reads = _number(value, "reads")
    if reads != int(reads):
        raise ValueError("reads must be a whole number")
    return int(reads)
