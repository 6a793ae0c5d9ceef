"""Renewing what is open, and closing all of it."""

from __future__ import annotations

import threading

from iacengine.addresses import parse_resource_instance
from iacengine.config.model import Origin, ResourceBlock, SourceFile
from iacengine.foundation.diagnostics import error
from iacengine.lang.types import STRING
from iacengine.lang.values import EPHEMERAL, SENSITIVE, has_mark
from iacengine.plan.ephemeral import OpenEphemerals
from iacengine.plan.events import Warned
from iacengine.provider.base import ProviderBase
from iacengine.provider.protocol import OpenedEphemeral, RenewedEphemeral
from iacengine.schema import Attribute, Block, Schema

SCHEMA = Schema(
    Block({"name": Attribute(STRING, optional=True), "value": Attribute(STRING, computed=True, sensitive=True)})
)
NOW = 1000.0


class Lender(ProviderBase):
    """Lends until `until`; notes what it is asked."""

    def __init__(self, until, problems=()):
        self.until, self.problems = until, problems
        self.asked = []
        self.renewed = threading.Event()

    def open_ephemeral(self, type_, config):
        self.asked.append("open")
        return OpenedEphemeral({**config, "value": "secret-1"}, self.until, b"1")

    def renew_ephemeral(self, type_, private):
        self.asked.append(f"renew {private.decode()}")
        self.renewed.set()
        return RenewedEphemeral(NOW + 3600, b"2", self.problems)

    def close_ephemeral(self, type_, private):
        self.asked.append(f"close {private.decode()}")
        return ()


def opened(provider, listener=lambda event: None):
    address = parse_resource_instance("ephemeral.mock_token.t")
    block = ResourceBlock(address.resource, {}, Origin(SourceFile("x.yaml", b"", "yaml", "")))
    ephemerals = OpenEphemerals(listener, clock=lambda: NOW)
    value = ephemerals.open(provider, address, block, SCHEMA, {"name": "t", "value": None}, ())
    return ephemerals, value


def test_what_is_due_is_renewed_and_closed_with_what_the_renewal_gave():
    provider = Lender(until=NOW - 1)
    ephemerals, _ = opened(provider)
    assert provider.renewed.wait(10)
    ephemerals.close()
    assert provider.asked == ["open", "renew 1", "close 2"]


def test_what_is_not_due_is_not_renewed():
    provider = Lender(until=NOW + 3600)
    ephemerals, _ = opened(provider)
    ephemerals.close()
    assert provider.asked == ["open", "close 1"]


def test_nothing_runs_beside_what_needs_no_renewal():
    before = threading.active_count()
    provider = Lender(until=None)
    ephemerals, _ = opened(provider)
    assert threading.active_count() == before
    ephemerals.close()
    ephemerals.close()
    assert provider.asked == ["open", "close 1"], "it is closed once"


def test_a_renewal_that_fails_is_told_as_a_warning_and_not_tried_again():
    provider = Lender(until=NOW - 1, problems=(error("Revoked", "Somebody revoked it."),))
    told = []
    ephemerals, _ = opened(provider, told.append)
    assert provider.renewed.wait(10)
    ephemerals.close()
    (warned,) = (event for event in told if isinstance(event, Warned))
    assert warned.diagnostic.summary == "Revoked"
    assert not warned.diagnostic.is_error
    assert provider.asked.count("renew 1") == 1


def test_everything_of_it_is_ephemeral_and_what_the_schema_says_sensitive_as_well():
    ephemerals, value = opened(Lender(until=None))
    ephemerals.close()
    assert value.marks == {EPHEMERAL}
    assert not has_mark(value.value["name"], SENSITIVE)
    assert has_mark(value.value["value"], SENSITIVE)
