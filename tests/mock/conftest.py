import itertools
import sqlite3
from contextlib import closing

import orjson
import pytest

from iacengine.provider.protocol import ApplyRequest, ConfigureContext, PlanRequest, ReadRequest
from iacengine.schema.proposed import proposed_new
from iacengine.schema.values import conform
from iacengine_mock.provider import MockProvider


class Driver:
    """Plans and applies as the engine does, with the mock provider in one folder."""

    tokens = itertools.count(1)

    def __init__(self, folder, settings):
        self.provider = MockProvider()
        self.schema = self.provider.schema()
        config = conform(settings, self.schema.provider.block)
        self.problems = self.provider.configure(config, ConfigureContext(str(folder)))
        self.file = folder / ".iac" / "mock-cloud.sqlite"

    def apply(self, type_, body, prior=None, token=None):
        block = self.schema.resources[type_].block
        config = None if body is None else conform(body, block)
        request = PlanRequest(type_, prior, config, proposed_new(block, prior, config))
        (plan,) = self.provider.plan([request])
        return self.provider.apply(ApplyRequest(type_, prior, plan.planned, config, token or f"t{next(self.tokens)}"))

    def make(self, type_, body, prior=None, token=None):
        response = self.apply(type_, body, prior, token)
        assert response.diagnostics == ()
        return response.state

    def read(self, type_, state):
        return self.provider.read([ReadRequest(type_, state)])[0]

    def look_up(self, type_, **body):
        return self.provider.read_data(type_, conform(body, self.schema.data_sources[type_].block))

    def rows(self):
        """What any SQLite client sees."""
        with closing(sqlite3.connect(self.file)) as connection:
            rows = connection.execute("SELECT type, id, token, attributes FROM objects ORDER BY type, id").fetchall()
        return [(type_, id_, token, orjson.loads(attributes)) for type_, id_, token, attributes in rows]


@pytest.fixture
def cloud(tmp_path):
    """Makes drivers of one cloud, each with settings of its own."""
    drivers = []

    def make(**settings):
        driver = Driver(tmp_path, settings)
        drivers.append(driver)
        return driver

    yield make
    for driver in drivers:
        driver.provider.close()
