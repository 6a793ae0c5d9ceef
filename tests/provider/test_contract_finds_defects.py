"""The contract is worth something only if it fails for a provider that breaks it."""

from dataclasses import replace

import pytest

from iacengine.lang.types import STRING
from iacengine.lang.values import Unknown
from iacengine.provider.protocol import ApplyResponse, ConfigureContext, ProviderSchema, ReadResponse
from iacengine.schema import Attribute, Block, Schema
from iacengine.testing.provider_contract import ProviderContract, Sample
from iacengine_mock.provider import MockProvider


class ForgetsWhatItMade(MockProvider):
    def read(self, requests):
        return [ReadResponse(None) for _ in requests]


class ChangesAPlannedValue(MockProvider):
    def apply(self, request):
        response = super().apply(request)
        return response if response.state is None else replace(response, state={**response.state, "kind": "surprise"})


class LeavesSomethingUnknown(MockProvider):
    def apply(self, request):
        response = super().apply(request)
        return (
            response if response.state is None else replace(response, state={**response.state, "id": Unknown(STRING)})
        )


class ReadsInAnotherOrder(MockProvider):
    def read(self, requests):
        return list(reversed(super().read(requests)))


class PlansWhatIsNotConfigured(MockProvider):
    def plan_one(self, request):
        response = super().plan_one(request)
        return response if response.planned is None else replace(response, planned={**response.planned, "kind": "x"})


class FindsAnything(MockProvider):
    def find(self, type_, token):
        return ReadResponse({"id": "obj-1"})


class IgnoresTheToken(MockProvider):
    def apply(self, request):
        return super().apply(replace(request, token=""))


class CannotDeleteTwice(MockProvider):
    deleted = False

    def apply(self, request):
        if request.planned is None and self._cloud.read([request.prior["id"]]) == {}:
            return ApplyResponse(request.prior)
        return super().apply(request)


class NeverReplaces(MockProvider):
    def plan_one(self, request):
        return replace(super().plan_one(request), requires_replace=())


class ImportsSomethingElse(MockProvider):
    def import_(self, type_, id_):
        (found,), diagnostics = super().import_(type_, id_)
        return [replace(found, state={**found.state, "id": "obj-0"})], diagnostics


class ForgetsAnAttribute(MockProvider):
    def apply(self, request):
        response = super().apply(request)
        if response.state is not None:
            response = replace(response, state={k: v for k, v in response.state.items() if k != "kind"})
        return response


class HasAContradictorySchema(MockProvider):
    def schema(self):
        block = Block({"a": Attribute(STRING, required=True, computed=True)})
        return ProviderSchema(resources={"mock_object": Schema(block)})


@pytest.mark.parametrize(
    ("defective", "test"),
    [
        (ForgetsWhatItMade, "test_an_object_lives_from_creation_to_deletion"),
        (ChangesAPlannedValue, "test_an_object_lives_from_creation_to_deletion"),
        (LeavesSomethingUnknown, "test_an_object_lives_from_creation_to_deletion"),
        (PlansWhatIsNotConfigured, "test_an_object_lives_from_creation_to_deletion"),
        (ForgetsAnAttribute, "test_an_object_lives_from_creation_to_deletion"),
        (ReadsInAnotherOrder, "test_many_threads_create_and_one_read_finds_all_in_order"),
        (FindsAnything, "test_the_token_finds_exactly_what_it_created"),
        (IgnoresTheToken, "test_creating_twice_with_one_token_makes_one_object"),
        (CannotDeleteTwice, "test_deleting_what_is_gone_is_fine"),
        (NeverReplaces, "test_changing_what_cannot_change_asks_for_replacement"),
        (ImportsSomethingElse, "test_an_object_can_be_imported_by_its_id"),
        (HasAContradictorySchema, "test_every_schema_is_consistent"),
    ],
)
def test_the_contract_finds_a_provider_that(tmp_path, defective, test):
    class Contract(ProviderContract):
        def make_provider(self):
            provider = defective()
            self.made.append(provider)
            provider.configure(None, ConfigureContext(str(tmp_path)))
            return provider

        def samples(self, provider):
            return [
                Sample("mock_object", lambda name: {"name": name, "kind": "k"}, replace=lambda _: {"kind": "other"})
            ]

        made = []  # noqa: RUF012

    contract = Contract()
    with pytest.raises(AssertionError):
        getattr(contract, test)()
    for provider in contract.made:
        provider.close()
