"""What holds for every state and every history, not only for those that somebody thought of."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iacengine.addresses import Mode, ModuleInstance, Resource, ResourceInstance
from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.state.journal import HEADER, decode_entries, encode_entries
from iacengine.state.journal_entries import Begun, Changed, Closed, Failed, Opened, Operation, Succeeded
from iacengine.state.model import (
    CheckResult,
    Identity,
    OutputState,
    PendingChange,
    PendingRollback,
    ResourceObject,
    State,
)
from iacengine.state.replay import replay
from iacengine.state.statefile import decode_state, encode_state
from iacengine.state.tfstate import from_tfstate, to_tfstate

quick = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
names = st.from_regex(r"[a-z_][a-z0-9_-]{0,6}", fullmatch=True)
keys = st.none() | st.integers(0, 2**31) | texts
scalars = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | texts
)
json_data = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)
modules = st.lists(st.tuples(names, keys), max_size=2).map(lambda steps: ModuleInstance(tuple(steps)))
blocks = st.builds(Resource, st.sampled_from([Mode.MANAGED, Mode.DATA]), names, names)
addresses = st.builds(ResourceInstance, modules, blocks, keys)
paths = st.lists(st.integers(0, 9) | texts, max_size=3).flatmap(lambda rest: names.map(lambda name: (name, *rest)))
objects = st.builds(
    ResourceObject,
    address=addresses,
    provider=st.sampled_from(['provider["iacengine/mock"]', 'module.a.provider["registry.terraform.io/x/y"].z']),
    attributes=st.dictionaries(texts, json_data, max_size=3),
    schema_version=st.integers(0, 9),
    sensitive_paths=st.lists(paths, max_size=2, unique=True).map(tuple),
    private=st.none() | st.binary(max_size=9),
    dependencies=st.lists(names.map("t.{}".format), max_size=2).map(tuple),
    tainted=st.booleans(),
    create_before_destroy=st.booleans(),
    protected=st.booleans(),
    deposed=st.sampled_from(["", "", "00c0ffee"]),
    token=st.none() | texts,
)
outputs = st.dictionaries(names, st.builds(OutputState, json_data, st.just("dynamic"), st.booleans()), max_size=2)
check_results = st.builds(
    CheckResult, st.sampled_from(["check", "output_value"]), names, st.sampled_from(["pass", "fail"]), names
)
identities = st.builds(Identity, addresses, st.sampled_from(["", "00c0ffee"]), texts, texts, texts)
states = st.builds(
    State,
    lineage=texts,
    serial=st.integers(0, 2**40),
    objects=st.lists(objects, max_size=4).map(lambda found: {object_.key: object_ for object_ in found}),
    outputs=outputs,
    checks=st.lists(check_results, max_size=2).map(tuple),
    engine_version=texts,
    encryption=st.none() | st.dictionaries(texts, texts, max_size=2),
    sealed=st.none() | texts,
    pending_rollback=st.none()
    | st.builds(
        PendingRollback,
        texts,
        st.none() | st.integers(0, 2**40),
        st.lists(
            st.builds(PendingChange, identities, st.none() | objects) | st.builds(PendingChange, st.none(), objects),
            max_size=2,
        ).map(tuple),
        outputs,
        st.lists(check_results, max_size=1).map(tuple),
        st.booleans(),
        st.lists(identities, max_size=1).map(tuple),
    ),
)


@st.composite
def histories(draw: Any) -> list[Any]:
    """Runs, as an executor writes them: operations begin, end or stay open, in any order, over some serial."""
    entries: list[Any] = []
    for run in range(draw(st.integers(0, 3))):
        entries.append(Opened(f"run-{run}", "lineage", draw(st.integers(0, 1)), run, "iac apply", "now"))
        open_steps: list[tuple[int, ResourceObject]] = []
        for step in range(draw(st.integers(0, 5))):
            made = draw(objects)
            operation = draw(st.sampled_from(Operation))
            entries.append(
                Begun(step, operation, made.address, made.deposed, f"{run}-{step}", made.provider, None, made)
            )
            open_steps.append((step, made))
            while open_steps and draw(st.booleans()):
                ended, thing = open_steps.pop(draw(st.integers(0, len(open_steps) - 1)))
                changes = draw(st.sampled_from([{thing.key: thing}, {thing.key: None}, {}]))
                entries.append(draw(st.sampled_from([Succeeded(ended, changes), Failed(ended, "no", changes)])))
        if draw(st.booleans()):
            entries.append(Changed({}, draw(outputs), None))
        if draw(st.booleans()):
            entries.append(Closed("complete"))
    return entries


@quick
@given(states)
def test_every_state_is_read_back_as_it_was_written(plain, state):
    data = encode_state(state)
    assert plain(decode_state(data, "state")) == plain(state)
    assert encode_state(decode_state(data, "state")) == data


@quick
@given(histories())
def test_every_history_is_read_back_as_it_was_written(plain, history):
    assert plain(list(decode_entries(HEADER + encode_entries(history, 1), "j"))) == plain(history)


@quick
@given(histories(), st.data())
def test_any_prefix_of_a_journal_replays_to_a_prefix_of_the_history(plain, history, data):
    text = HEADER + encode_entries(history, 1)
    cut = text[: data.draw(st.integers(0, len(text)))]
    whole = max(0, cut.count(b"\n") - 1)
    entries = decode_entries(cut, "j")
    assert plain(list(entries)) == plain(history[:whole])
    base = State("lineage", 1)
    assert plain(replay(base, entries)) == plain(replay(base, history[:whole]))


@quick
@given(histories(), st.integers(1, 255), st.data())
def test_a_changed_byte_in_a_journal_never_changes_an_entry(plain, history, flipped, data):
    text = HEADER + encode_entries(history, 1)
    place = data.draw(st.integers(0, len(text) - 1))
    try:
        entries = decode_entries(text[:place] + bytes([text[place] ^ flipped]) + text[place + 1 :], "j")
    except DiagnosticsError:
        return
    assert plain(list(entries)) == plain(history[: len(entries)])
    assert len(entries) >= len(history) - 2  # at most a lost newline joined the last record to the one before


@quick
@given(histories())
def test_replay_follows_a_plain_model_of_it(history):
    state, flying, skipped, run = {}, {}, False, -1
    for entry in history:
        match entry:
            case Opened():
                run, skipped = run + 1, entry.serial < 1
                counted_before = set(flying)
            case Begun() if not skipped:
                for operation in counted_before:
                    if flying.get(operation) == (entry.address, entry.deposed):
                        del flying[operation]
                flying[(run, entry.step)] = (entry.address, entry.deposed)
            case Succeeded() | Failed() if not skipped:
                flying.pop((run, entry.step), None)
                for key, changed in entry.changes.items():
                    state = {**state, key: changed}
                    for operation in counted_before:
                        if flying.get(operation) == key:
                            del flying[operation]
    result = replay(State("lineage", 1), history)
    assert dict(result.state.objects) == {key: changed for key, changed in state.items() if changed is not None}
    assert [(operation.address, operation.deposed) for operation in result.in_flight] == list(flying.values())


@quick
@given(states)
def test_what_terraform_can_say_survives_its_format(plain, state):
    there_and_back = from_tfstate(to_tfstate(state), "t")
    again = from_tfstate(to_tfstate(there_and_back), "t")
    assert plain(again) == plain(there_and_back)
    assert there_and_back.objects.keys() == state.objects.keys()
    for key, object_ in there_and_back.objects.items():
        assert object_.private == (state.objects[key].private or None)
        assert object_.sensitive_paths == state.objects[key].sensitive_paths
        assert object_.dependencies == state.objects[key].dependencies
        assert (object_.tainted, object_.deposed) == (state.objects[key].tainted, state.objects[key].deposed)
