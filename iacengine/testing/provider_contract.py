"""What every provider must do, as tests that any provider can run.

Derive a class in a test module, give it a configured provider and samples of its types, and let pytest collect it:

```python
class TestAcme(ProviderContract):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path):
        self.folder = tmp_path

    def make_provider(self):
        provider = PROVIDER.create()
        provider.configure(null_object(provider.schema().provider.block), ConfigureContext(str(self.folder)))
        return provider

    def samples(self, provider):
        return [
            Sample(
                "acme_disk",
                create=lambda unique: {"name": unique, "size": 1},
                update=lambda unique: {"name": unique, "size": 2},
            )
        ]
```

Nothing here needs pytest: the methods only assert. What a provider cannot do is declared by the class attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import Any

from iacengine.foundation.diagnostics import Diagnostic
from iacengine.lang.values import Unknown, Value
from iacengine.provider.checks import check_applied, check_planned, check_read
from iacengine.provider.protocol import (
    ApplyRequest,
    PlanRequest,
    PlanResponse,
    Provider,
    ProviderSchema,
    ReadRequest,
    ReadResponse,
)
from iacengine.schema import Attribute, Block, Nesting, implied_type
from iacengine.schema.proposed import proposed_new
from iacengine.schema.unknowns import alike
from iacengine.schema.values import conform, decode, encode

Body = Mapping[str, Any]
MakeBody = Callable[[str], Body]

THREADS = 16


@dataclass(frozen=True, slots=True)
class Sample:
    """Bodies of one type, made of a text that is unique to each object.

    `update` differs from `create` in what can change in place, `replace` in what cannot; None where there is no such.
    """

    type: str
    create: MakeBody
    update: MakeBody | None = None
    replace: MakeBody | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """An object that was created: its state, private bytes, the token of its creation, and its configuration."""

    type: str
    state: Value
    private: bytes | None
    token: str
    body: Body


class ProviderContract:
    """The contract. `remembers`: objects exist outside the state, so reading finds changes and deletions.
    `finds`: `find` answers. `imports`: objects can be imported by their `id`. `idempotent`: a create with a token that
    was used before makes nothing new."""

    remembers = True
    finds = True
    imports = True
    idempotent = True

    _numbers = count(1)

    def make_provider(self) -> Provider:
        """A new provider, configured."""
        raise NotImplementedError

    def samples(self, provider: Provider) -> Sequence[Sample]:
        """Samples of the types; whatever they refer to may be created here first, with `create`."""
        raise NotImplementedError

    # --- steps that tests, and `samples`, are made of

    def unique(self) -> str:
        """A text that no other object of this run has."""
        return f"contract-{next(self._numbers)}"

    def plan(self, provider: Provider, type_: str, body: Body | None, prior: Made | None = None) -> PlanResponse:
        """Validate and plan as the engine does, and check the answer."""
        block = provider.schema().resources[type_].block
        config = None if body is None else conform(dict(body), block)
        if config is not None:
            none_of(provider.validate_resource(type_, config), type_)
        before = None if prior is None else prior.state
        request = PlanRequest(
            type_, before, config, proposed_new(block, before, config), None if prior is None else prior.private
        )
        (response,) = provider.plan([request])
        none_of(response.diagnostics, type_)
        none_of(check_planned(block, before, config, response.planned, legacy=response.legacy_type_system), type_)
        return response

    def create(self, provider: Provider, type_: str, body: Body, token: str | None = None) -> Made:
        """Plan and create an object, and check what comes back."""
        block = provider.schema().resources[type_].block
        token = token or f"token-{self.unique()}"
        planned = self.plan(provider, type_, body)
        config = conform(dict(body), block)
        response = provider.apply(ApplyRequest(type_, None, planned.planned, config, token, planned.private))
        none_of(response.diagnostics, type_)
        none_of(check_applied(block, planned.planned, response.state), type_)
        return Made(type_, response.state, response.private, token, body)

    def change(self, provider: Provider, made: Made, body: Body) -> Made:
        """Plan and make a change in place."""
        block = provider.schema().resources[made.type].block
        planned = self.plan(provider, made.type, body, made)
        assert not planned.requires_replace, f"{made.type}: the sample's update asks for replacement"
        assert not alike(planned.planned, made.state), f"{made.type}: the sample's update changes nothing"
        token = f"token-{self.unique()}"
        config = conform(dict(body), block)
        request = ApplyRequest(made.type, made.state, planned.planned, config, token, planned.private)
        response = provider.apply(request)
        none_of(response.diagnostics, made.type)
        none_of(check_applied(block, planned.planned, response.state), made.type)
        return Made(made.type, response.state, response.private, made.token, body)

    def delete(self, provider: Provider, made: Made) -> None:
        """Delete an object."""
        token = f"token-{self.unique()}"
        response = provider.apply(ApplyRequest(made.type, made.state, None, None, token, made.private))
        none_of(response.diagnostics, made.type)
        assert response.state is None, f"{made.type}: something is left after a delete"

    def read(self, provider: Provider, made: Made) -> ReadResponse:
        """Read an object, and check its form."""
        (response,) = provider.read([ReadRequest(made.type, made.state, made.private)])
        none_of(response.diagnostics, made.type)
        none_of(check_read(provider.schema().resources[made.type].block, response.state), made.type)
        return response

    # --- the contract

    def test_every_schema_is_consistent(self) -> None:
        schema = self.make_provider().schema()
        for where, block in _blocks(schema):
            implied_type(block)
            problems = list(_inconsistencies(block, where))
            assert not problems, problems

    def test_an_object_lives_from_creation_to_deletion(self) -> None:
        provider = self.make_provider()
        for sample in self.samples(provider):
            unique = self.unique()
            made = self.create(provider, sample.type, sample.create(unique))
            self._assert_settled(provider, made)
            if sample.update is not None:
                made = self.change(provider, made, sample.update(unique))
                self._assert_settled(provider, made)
            self.delete(provider, made)
            if self.remembers:
                assert self.read(provider, made).state is None, f"{sample.type}: still there after its deletion"
        provider.close()

    def _assert_settled(self, provider: Provider, made: Made) -> None:
        """What was made reads back the same, is stored without loss, and plans to nothing."""
        block = provider.schema().resources[made.type].block
        state = self.read(provider, made).state
        assert alike(state, made.state), f"{made.type}: reading gives something else than apply did"
        assert alike(decode(encode(state, block), block), state), f"{made.type}: the state cannot be stored"
        again = self.plan(provider, made.type, made.body, made)
        assert alike(again.planned, state), f"{made.type}: planning again finds a change"
        assert not again.requires_replace, f"{made.type}: planning again asks for replacement"

    def test_deleting_what_is_gone_is_fine(self) -> None:
        provider = self.make_provider()
        for sample in self.samples(provider):
            made = self.create(provider, sample.type, sample.create(self.unique()))
            self.delete(provider, made)
            self.delete(provider, made)
        provider.close()

    def test_changing_what_cannot_change_asks_for_replacement(self) -> None:
        provider = self.make_provider()
        for sample in self.samples(provider):
            if sample.replace is not None:
                unique = self.unique()
                made = self.create(provider, sample.type, sample.create(unique))
                planned = self.plan(provider, sample.type, sample.replace(unique), made)
                assert planned.requires_replace, f"{sample.type}: the sample's replacement is planned as an update"
                self.delete(provider, made)
        provider.close()

    def test_an_object_can_be_imported_by_its_id(self) -> None:
        if not self.imports:
            return
        provider = self.make_provider()
        for sample in self.samples(provider):
            made = self.create(provider, sample.type, sample.create(self.unique()))
            found, diagnostics = provider.import_(sample.type, made.state["id"])
            none_of(diagnostics, sample.type)
            assert [one.type for one in found] == [sample.type]
            imported = Made(sample.type, found[0].state, found[0].private, "", made.body)
            state = self.read(provider, imported).state
            assert state is not None, f"{sample.type}: an imported object is not found"
            assert state["id"] == made.state["id"]
            if self.remembers:
                assert alike(state, made.state), f"{sample.type}: imported otherwise than it was created"
            self.delete(provider, made)
        provider.close()

    def test_the_token_finds_exactly_what_it_created(self) -> None:
        if not self.finds:
            return
        provider = self.make_provider()
        for sample in self.samples(provider):
            made = self.create(provider, sample.type, sample.create(self.unique()))
            other = self.create(provider, sample.type, sample.create(self.unique()))
            for one in (made, other):
                response = provider.find(sample.type, one.token)
                none_of(response.diagnostics, sample.type)
                assert response.state is not None, f"{sample.type}: not found by its token"
                assert response.state["id"] == one.state["id"], f"{sample.type}: the token finds another object"
            assert provider.find(sample.type, f"token-{self.unique()}").state is None
            self.delete(provider, made)
            assert provider.find(sample.type, made.token).state is None, f"{sample.type}: found after its deletion"
            self.delete(provider, other)
        provider.close()

    def test_creating_twice_with_one_token_makes_one_object(self) -> None:
        if not self.idempotent:
            return
        provider = self.make_provider()
        for sample in self.samples(provider):
            body = sample.create(self.unique())
            made = self.create(provider, sample.type, body)
            again = self.create(provider, sample.type, body, made.token)
            assert alike(again.state, made.state), f"{sample.type}: the same token made another object"
            self.delete(provider, made)
            if self.remembers:
                assert self.read(provider, again).state is None, f"{sample.type}: the same token made two objects"
        provider.close()

    def test_unknown_values_are_tolerated_in_plans(self) -> None:
        provider = self.make_provider()
        for sample in self.samples(provider):
            block = provider.schema().resources[sample.type].block
            unique = self.unique()
            body = sample.create(unique)
            made = self.create(provider, sample.type, body)
            for name in body:
                if name not in block.attributes:
                    continue
                vague = {**body, name: Unknown(block.attributes[name].type)}
                for prior in (None, made):
                    planned = self.plan(provider, sample.type, vague, prior).planned
                    if not block.attributes[name].write_only:
                        assert planned[name].__class__ is Unknown, f"{sample.type}.{name}: planned although unknown"
            self.delete(provider, made)
        provider.close()

    def test_many_threads_create_and_one_read_finds_all_in_order(self) -> None:
        provider = self.make_provider()
        for sample in self.samples(provider):
            bodies = [sample.create(self.unique()) for _ in range(THREADS)]
            with ThreadPoolExecutor(THREADS) as pool:
                made = list(pool.map(lambda body, type_=sample.type: self.create(provider, type_, body), bodies))
            states = [one.state for one in made]
            answers = provider.read([ReadRequest(one.type, one.state, one.private) for one in made])
            for state, answer in zip(states, answers, strict=True):
                none_of(answer.diagnostics, sample.type)
                assert alike(answer.state, state), f"{sample.type}: reads answer in another order"
            with ThreadPoolExecutor(THREADS) as pool:
                list(pool.map(lambda one: self.delete(provider, one), made))
        provider.close()


def none_of(diagnostics: Sequence[Diagnostic], type_: str) -> None:
    """Assert that there are no errors."""
    errors = [str(diagnostic) for diagnostic in diagnostics if diagnostic.is_error]
    assert not errors, f"{type_}: {errors}"


# --- consistency of schemas -----------------------------------------------------------------------------------------


def _blocks(schema: ProviderSchema) -> list[tuple[str, Block]]:
    found = [("provider", schema.provider.block)]
    for kind in (schema.resources, schema.data_sources, schema.ephemeral_resources):
        found += [(name, kind[name].block) for name in kind]
    return found


def _inconsistencies(block: Block, where: str) -> list[str]:
    problems: list[str] = []
    both = sorted(block.attributes.keys() & block.blocks.keys())
    problems += [f"{where}.{name}: both an attribute and a block" for name in both]
    for name, attribute in block.attributes.items():
        problems += [f"{where}.{name}: {problem}" for problem in _flaws(attribute)]
        for source in attribute.computed_from:
            if source not in block.attributes and source not in block.blocks:
                problems.append(f"{where}.{name}: computed from {source}, which does not exist")
    for name, nested in block.blocks.items():
        if nested.max_items and nested.min_items > nested.max_items:
            problems.append(f"{where}.{name}: needs more blocks than it allows")
        if nested.nesting is Nesting.GROUP and nested.min_items:
            problems.append(f"{where}.{name}: a group is always there and needs no minimum")
        problems += _inconsistencies(nested.block, f"{where}.{name}")
    return problems


def _flaws(attribute: Attribute) -> list[str]:
    """What contradicts itself in the flags of one attribute."""
    settable = attribute.required or attribute.optional
    rules = {
        "neither required, optional nor computed": not settable and not attribute.computed,
        "both required and optional": attribute.required and attribute.optional,
        "both required and computed": attribute.required and attribute.computed,
        "write-only and computed": attribute.write_only and attribute.computed,
        "write-only but cannot be set": attribute.write_only and not settable,
        "a default that cannot take effect": attribute.default is not None and not attribute.optional,
        "computed from others but not computed": bool(attribute.computed_from) and not attribute.computed,
        "forces replacement but cannot be set": attribute.force_new and not settable,
    }
    problems = [text for text, broken in rules.items() if broken]
    if attribute.nested is not None:
        problems += [
            f"{name}: {problem}" for name, child in attribute.nested.attributes.items() for problem in _flaws(child)
        ]
    return problems
