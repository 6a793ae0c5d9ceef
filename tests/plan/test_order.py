"""The order of steps: Terraform's, whatever the graph, with no more edges than things that depend on each other."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from iacengine.plan.model import Action

CREATE, UPDATE, DELETE = Action.CREATE, Action.UPDATE, Action.DELETE
REPLACE, LATE, NO_OP = Action.REPLACE, Action.CREATE_THEN_DELETE, Action.NO_OP

PAIR = {"a": [], "b": ["a"]}


def assert_order(ordered, *steps):
    """Each of the steps, such as "delete a", comes before the next."""
    for first, second in pairwise(steps):
        assert ordered.before(ordered.number(*first.split()), ordered.number(*second.split())), (first, second)


def assert_free(ordered, one, other):
    """Neither of the two steps awaits the other."""
    first, second = ordered.number(*one.split()), ordered.number(*other.split())
    assert not ordered.before(first, second)
    assert not ordered.before(second, first)


# --- facts --------------------------------------------------------------------------------------------------------


def test_a_dependent_is_created_after_what_it_refers_to(order):
    assert_order(order(PAIR, {"a": CREATE, "b": CREATE}), "create a", "create b")


def test_things_that_have_nothing_to_do_with_each_other_may_run_at_once(order):
    ordered = order({"a": [], "b": [], "c": []}, {"a": CREATE, "b": CREATE, "c": CREATE})
    assert ordered.edges == 0


def test_order_holds_through_blocks_that_do_not_change(order):
    blocks = {"a": [], "b": ["a"], "c": ["b"]}
    assert_order(order(blocks, {"a": UPDATE, "b": NO_OP, "c": UPDATE}), "update a", "update c")


def test_a_dependent_is_deleted_before_what_it_depended_on(order):
    stored = {"a": [], "b": ["a"]}
    assert_order(order({}, {"a": DELETE, "b": DELETE}, stored=stored), "delete b", "delete a")


def test_deletions_hold_their_order_through_objects_that_stay(order):
    stored = {"a": [], "b": ["a"], "c": ["b"]}
    assert_order(order({}, {"a": DELETE, "c": DELETE}, stored=stored), "delete c", "delete a")


def test_a_dependent_is_deleted_before_its_dependency_is_even_updated(order):
    assert_order(order({"a": []}, {"a": UPDATE, "b": DELETE}, stored=PAIR), "delete b", "update a")


def test_what_is_no_longer_needed_goes_before_its_former_dependent_is_updated(order):
    assert_order(order({"b": []}, {"a": DELETE, "b": UPDATE}, stored=PAIR), "delete a", "update b")


def test_what_is_no_longer_needed_and_was_created_first_goes_after_its_former_dependent_was_updated(order):
    assert_order(order({"b": []}, {"a": DELETE, "b": UPDATE}, stored=PAIR, late="a"), "update b", "delete a")


def test_an_object_that_was_created_first_goes_after_what_it_depended_on_was_updated(order):
    assert_order(order({"a": []}, {"a": UPDATE, "b": DELETE}, stored=PAIR, late="ab"), "update a", "delete b")


def test_a_replacement_deletes_and_then_creates(order):
    assert_order(order({"a": []}, {"a": REPLACE}), "delete a", "create a")


def test_a_replacement_that_creates_first_deletes_last(order):
    assert_order(order({"a": []}, {"a": LATE}, late="a"), "create a", "delete a")


def test_two_replacements_delete_backwards_and_create_forwards(order):
    ordered = order(PAIR, {"a": REPLACE, "b": REPLACE})
    assert_order(ordered, "delete b", "delete a", "create a", "create b")


def test_a_dependent_is_updated_after_its_dependency_was_replaced(order):
    assert_order(order(PAIR, {"a": REPLACE, "b": UPDATE}), "delete a", "create a", "update b")


def test_the_old_object_goes_only_after_its_dependents_were_updated(order):
    assert_order(order(PAIR, {"a": LATE, "b": UPDATE}, late="a"), "create a", "update b", "delete a")


def test_two_replacements_that_create_first_delete_backwards_at_the_end(order):
    ordered = order(PAIR, {"a": LATE, "b": LATE}, late="ab")
    assert_order(ordered, "create a", "create b", "delete b", "delete a")


def test_a_dependent_that_goes_does_so_before_the_old_object_of_a_replacement_that_creates_first(order):
    ordered = order({"a": []}, {"a": LATE, "b": DELETE}, stored=PAIR, late="a")
    assert_order(ordered, "create a", "delete a")
    assert_order(ordered, "delete b", "delete a")


def test_a_deposed_object_is_deleted_after_its_dependents_were_updated(order):
    ordered = order(PAIR, {"b": UPDATE, "a": NO_OP}, deposed="a")
    assert ordered.before(ordered.number("update", "b"), ordered.number("delete", "a", "0badcafe"))


def test_what_is_deleted_and_what_is_made_elsewhere_do_not_wait_for_each_other(order):
    ordered = order({"new": []}, {"new": CREATE, "old": DELETE}, stored={"old": []})
    assert_free(ordered, "create new", "delete old")


def test_states_that_contradict_themselves_still_give_an_order(order):
    stored = {"a": ["b"], "b": ["a"]}
    order({}, {"a": DELETE, "b": DELETE}, stored=stored).awaited()


def test_a_state_that_contradicts_the_configuration_gives_way_to_it(order):
    """Dependencies were turned round: what is stored says b needs a, the configuration says a needs b."""
    ordered = order({"a": ["b"], "b": []}, {"a": UPDATE, "b": UPDATE}, stored=PAIR)
    assert_order(ordered, "update b", "update a")
    order({"a": ["b"], "b": []}, {"a": REPLACE, "b": REPLACE}, stored=PAIR).awaited()


def test_no_changes_are_no_steps(order):
    assert order(PAIR, {"a": NO_OP, "b": NO_OP}).steps == ()


def test_many_users_of_many_blocks_cost_an_edge_each_and_not_their_product(order):
    users = {f"u{n}": ["hub"] for n in range(200)}
    blocks = {f"b{n}": [] for n in range(200)} | {"hub": [f"b{n}" for n in range(200)]} | users
    for action in (CREATE, REPLACE):
        ordered = order(blocks, dict.fromkeys(blocks, action))
        assert ordered.edges < 12 * 600
        assert len(ordered.steps) < 8 * 401


# --- properties -------------------------------------------------------------------------------------------------------

NAMES = [f"n{number}" for number in range(9)]


@st.composite
def references(draw):
    """A DAG: each block refers to some of those before it."""
    count = draw(st.integers(1, len(NAMES)))
    return {
        NAMES[number]: sorted(draw(st.sets(st.sampled_from(NAMES[:number]))) if number else [])
        for number in range(count)
    }


def closure(graph, start):
    seen, todo = set(), list(graph.get(start, ()))
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo.extend(graph.get(name, ()))
    return seen


@st.composite
def situations(draw):
    """A configuration, what happens to each of its blocks, and who is created first (spread to all they need)."""
    blocks = draw(references())
    late = set(draw(st.sets(st.sampled_from(sorted(blocks)))))
    late |= {needed for name in late for needed in closure(blocks, name)}
    actions = {}
    for name in blocks:
        action = draw(st.sampled_from([CREATE, UPDATE, REPLACE, NO_OP]))
        actions[name] = LATE if action is REPLACE and name in late else action
    return blocks, actions, late


OPERATIONS = {
    CREATE: ["create"],
    UPDATE: ["update"],
    DELETE: ["delete"],
    REPLACE: ["delete", "create"],
    LATE: ["create", "delete"],
    NO_OP: [],
}


def numbers(ordered, actions):
    """The step of each operation on each block."""
    return {
        (operation, name): ordered.number(operation, name)
        for name, action in actions.items()
        for operation in OPERATIONS[action]
    }


def forward(steps, name):
    return steps.get(("create", name), steps.get(("update", name)))


def check_hard_rules(blocks, actions, ordered):
    awaited = ordered.awaited()
    steps = numbers(ordered, actions)
    assert len(steps) == sum(step.operation is not None for step in ordered.steps)
    for name, action in actions.items():
        if action is REPLACE:
            assert awaited[steps["create", name]] >> steps["delete", name] & 1
        if action is LATE:
            assert awaited[steps["delete", name]] >> steps["create", name] & 1
        mine = forward(steps, name)
        for needed in closure(blocks, name):
            other = forward(steps, needed)
            if mine is not None and other is not None:
                assert awaited[mine] >> other & 1, f"{name} does not wait for {needed}"
    return awaited, steps


@given(situations())
@settings(max_examples=150, deadline=None)
def test_with_a_state_that_agrees_every_rule_holds(order, situation):
    blocks, actions, late = situation
    ordered = order(blocks, actions, late=late)
    awaited, steps = check_hard_rules(blocks, actions, ordered)
    existing = {name for name, action in actions.items() if action is not CREATE}
    stored = {name: [needed for needed in blocks[name] if needed in existing] for name in existing}
    for name in existing:
        for needed in closure(stored, name):
            mine, other = steps.get(("delete", name)), steps.get(("delete", needed))
            if mine is not None and other is not None:
                assert awaited[other] >> mine & 1, f"{needed} is deleted before {name}"
            if other is not None and needed in late and forward(steps, name) is not None:
                assert awaited[other] >> forward(steps, name) & 1, f"{needed} is deleted before {name} is updated"
            if mine is not None and name not in late and forward(steps, needed) is not None:
                assert awaited[forward(steps, needed)] >> mine & 1, f"{needed} is changed before {name} is gone"


@given(situations(), st.data())
@settings(max_examples=150, deadline=None)
def test_with_any_state_the_configuration_holds_and_nothing_goes_round(order, situation, data):
    blocks, actions, late = situation
    gone = [f"gone{number}" for number in range(data.draw(st.integers(0, 4)))]
    actions = actions | dict.fromkeys(gone, DELETE)
    anyone = st.lists(st.sampled_from([*blocks, *gone, "elsewhere"]), unique=True)
    stored = {name: data.draw(anyone) for name in actions}
    late = late | set(data.draw(st.lists(st.sampled_from([*gone, "none"]))))
    deposed = data.draw(st.lists(st.sampled_from(sorted(blocks)), unique=True))
    ordered = order(blocks, actions, stored=stored, late=late, deposed=deposed)
    awaited = ordered.awaited()
    steps = numbers(ordered, actions)
    for name, action in actions.items():
        if action in (REPLACE, LATE):
            first, second = OPERATIONS[action]
            assert awaited[steps[second, name]] >> steps[first, name] & 1
        for needed in closure(blocks, name):
            if forward(steps, name) is not None and forward(steps, needed) is not None:
                assert awaited[forward(steps, name)] >> forward(steps, needed) & 1


@given(situations())
@settings(max_examples=100, deadline=None)
def test_the_number_of_edges_grows_with_objects_and_references(order, situation):
    blocks, actions, late = situation
    ordered = order(blocks, actions, late=late)
    size = len(blocks) + sum(map(len, blocks.values()))
    assert ordered.edges <= 16 * size
