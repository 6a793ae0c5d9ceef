"""A cloud that exists only in one SQLite file: for demonstrations, tests of stacks, and tests of the engine itself.

```yaml
provider:
  mock:
    cloud: .iac/mock-cloud.sqlite         # the default, under the stack's directory
    latency: 0.2                          # seconds each operation takes, or {create: 1, read: 0.1}
    eventual_consistency: {reads: 2}      # or {seconds: 0.5}; a plain number counts reads
    rate_limit: {per_second: 50, burst: 10}   # more are refused as throttled; a plain number: without burst
    faults:
      - {type: mock_server, name: web-1, operation: create, nth: 2, error: quota exceeded}
      - {operation: delete, crash: after}
```

Types: `mock_network`, `mock_server`, `mock_database`, `mock_object`. What refers to a network keeps it from being
deleted. See `iacengine_mock.faults` for what faults can do and `iacengine_mock.cloud` for the file.
"""

from __future__ import annotations

from iacengine.provider.protocol import Provider, ProviderPlugin


def _create() -> Provider:
    from iacengine_mock.provider import MockProvider  # lazy: a stack that does not use it should not load SQLite

    return MockProvider()


PROVIDER = ProviderPlugin("mock", _create)
