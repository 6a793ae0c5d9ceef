from iacengine.lang.types import NUMBER, STRING, ListType, ObjectType
from iacengine.lang.values import ListValue, Null, Unknown
from iacengine.schema import Attribute, Block, NestedBlock, NestedObject, Nesting
from iacengine.schema.proposed import proposed_new, unknown_of_config
from iacengine.schema.values import conform, decode

OPT = Attribute(STRING, optional=True)
COMPUTED = Attribute(STRING, computed=True)
BOTH = Attribute(STRING, optional=True, computed=True)
BLOCK = Block({"opt": OPT, "made": COMPUTED, "both": BOTH})


def of(nesting):
    return Block({"opt": OPT}, {"b": NestedBlock(nesting, BLOCK)})


def proposed(block, prior, config):
    return proposed_new(block, None if prior is None else decode(prior, block), conform(config, block))


def items(value):
    return [{k: v for k, v in item.items() if v is not None} for item in value["b"]]


def test_nothing_before_and_nothing_wanted_is_nothing():
    assert proposed_new(BLOCK, None, None) is None


def test_without_prior_state_the_configuration_is_proposed():
    assert proposed(BLOCK, None, {"opt": "x"}) == {"opt": "x", "made": None, "both": None}


def test_without_configuration_the_prior_state_is_proposed():
    prior = decode({"opt": "x", "made": "m"}, BLOCK)
    assert proposed_new(BLOCK, prior, None) is prior
    assert proposed_new(BLOCK, prior, Unknown()) is prior


def test_computed_attributes_keep_what_they_were_unless_set():
    prior = {"opt": "old", "made": "m", "both": "b"}
    assert proposed(BLOCK, prior, {}) == {"opt": None, "made": "m", "both": "b"}
    assert proposed(BLOCK, prior, {"both": Unknown(STRING)})["both"] == Unknown(STRING)
    assert proposed(BLOCK, prior, {"both": "new", "opt": "o"}) == {"opt": "o", "made": "m", "both": "new"}


def test_list_blocks_pair_by_index():
    prior = {"b": [{"opt": "x", "made": "1"}, {"opt": "y", "made": "2"}]}
    assert items(proposed(of(Nesting.LIST), prior, {"b": ({"opt": "z"}, {}, {"opt": "n"})})) == [
        {"opt": "z", "made": "1"},
        {"made": "2"},
        {"opt": "n"},
    ]


def test_map_blocks_pair_by_key():
    prior = {"b": {"k": {"made": "1"}, "gone": {"made": "2"}}}
    merged = proposed(of(Nesting.MAP), prior, {"b": {"k": {"opt": "x"}, "new": {}}})
    assert merged["b"].items == {
        "k": {"opt": "x", "made": "1", "both": None},
        "new": {"opt": None, "made": None, "both": None},
    }


def test_set_blocks_pair_with_what_they_could_have_become():
    prior = {"b": [{"opt": "x", "made": "1"}, {"opt": "y", "made": "2", "both": "auto"}]}
    merged = proposed(of(Nesting.SET), prior, {"b": ({"opt": "y"}, {"opt": "n"}, {"opt": "x", "both": "set"})})
    assert sorted(items(merged), key=str) == sorted(
        [{"opt": "y", "made": "2", "both": "auto"}, {"opt": "n"}, {"opt": "x", "both": "set"}], key=str
    )


def test_a_prior_set_element_is_taken_once():
    prior = {"b": [{"opt": "x", "made": "1"}]}
    merged = proposed(of(Nesting.SET), prior, {"b": ({"opt": "x"}, {"opt": "x", "both": "b"})})
    assert sorted(items(merged), key=str) == [{"opt": "x", "both": "b"}, {"opt": "x", "made": "1"}]


def test_a_single_block_left_out_is_null_and_a_group_is_merged():
    prior = {"b": {"opt": "x", "made": "1"}}
    assert proposed(of(Nesting.SINGLE), prior, {})["b"] is None
    assert proposed(of(Nesting.SINGLE), prior, {"b": {}})["b"] == {"opt": None, "made": "1", "both": None}
    assert proposed(of(Nesting.GROUP), prior, {})["b"] == {"opt": None, "made": "1", "both": None}


def test_unknown_blocks_stay_unknown():
    assert proposed(of(Nesting.LIST), {"b": [{}]}, {"b": Unknown()})["b"].__class__ is Unknown


def test_what_a_data_source_will_read_is_unknown():
    value = unknown_of_config(of(Nesting.LIST), conform({"b": ({"opt": "x"},)}, of(Nesting.LIST)))
    assert value["opt"] is None
    assert value["b"].items == ({"opt": "x", "made": Unknown(STRING), "both": Unknown(STRING)},)


MEMBERS = {"opt": OPT, "made": COMPUTED}
OBJECT = ObjectType({"opt": STRING, "made": STRING})


def nested(nesting, type_, **flags):
    return Block({"n": Attribute(type_, nested=NestedObject(nesting, MEMBERS), **flags)})


def test_nested_attributes_merge_member_by_member():
    block = nested(Nesting.LIST, ListType(OBJECT), optional=True)
    merged = proposed(block, {"n": [{"opt": "x", "made": "1"}]}, {"n": ({"opt": "y"}, {"opt": "z"})})
    assert merged["n"] == ListValue(OBJECT, ({"opt": "y", "made": "1"}, {"opt": "z", "made": Null(STRING)}))
    assert proposed(block, {"n": [{"opt": "x"}]}, {})["n"] is None


def test_an_optional_computed_nested_attribute_that_was_configured_becomes_null_when_left_out():
    block = nested(Nesting.SINGLE, OBJECT, optional=True, computed=True)
    assert proposed(block, {"n": {"opt": "x", "made": "1"}}, {})["n"] is None
    kept = proposed(block, {"n": {"opt": None, "made": "1"}}, {})["n"]
    assert kept == {"opt": Null(STRING), "made": "1"}


def test_thousands_of_set_blocks_pair_by_their_fixed_attributes():
    block = Block(
        blocks={"b": NestedBlock(Nesting.SET, Block({"n": Attribute(NUMBER, required=True), "made": COMPUTED}))}
    )
    prior = {"b": [{"n": n, "made": str(n)} for n in range(3000)]}
    merged = proposed(block, prior, {"b": tuple({"n": n} for n in range(3000))})
    assert all(item["made"] == str(item["n"]) for item in merged["b"])
