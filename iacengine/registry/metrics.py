"""What Prometheus is told (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from iacengine.registry.answers import Answers
from iacengine.registry.warming import KnownModules

_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)  # seconds


class Metrics:
    """The numbers of one process."""

    def __init__(self, answers: Answers, modules: KnownModules) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "iac_registry_requests",
            "Requests, by route and status",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "iac_registry_request_seconds",
            "How long requests took until their answer was sent",
            ("route",),
            buckets=_BOUNDS,
            registry=self.registry,
        )
        self.running = Gauge("iac_registry_requests_running", "Requests being answered", registry=self.registry)
        self.publications = Counter(
            "iac_registry_publications", "Publications, by outcome", ("outcome",), registry=self.registry
        )
        self.downloads = Counter("iac_registry_downloads", "Downloads of packages that began", registry=self.registry)
        hits = Gauge("iac_registry_answers_hits", "Answers that were in memory", registry=self.registry)
        hits.set_function(lambda: answers.hits + modules.hits)
        misses = Gauge("iac_registry_answers_misses", "Answers that were not in memory", registry=self.registry)
        misses.set_function(lambda: answers.misses)

    def text(self) -> bytes:
        """All of them in the text format, version 0.0.4."""
        return generate_latest(self.registry)

    def told(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered. `route` is a pattern, not a path: there are few of them."""
        self.requests.labels(method, route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)
