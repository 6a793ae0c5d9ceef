"""Data sources by the thousand, and those that fail beside those that do not."""

from __future__ import annotations


def test_thousands_of_data_sources_are_read_in_one_plan(stack):
    stack.write({"resource": {"mock_object": {"o": {"name": "n"}}}})
    stack.apply()
    stack.write(
        {
            "resource": {"mock_object": {"o": {"name": "n"}}},
            "data": {"mock_object": {"d": {"count": 2000, "name": "n"}}},
            "output": {"ids": {"value": "${distinct(data.mock_object.d[*].id)}"}},
        }
    )
    stack.apply()
    assert stack.outputs() == {"ids": [stack.objects()["mock_object.o"]["id"]]}


def test_one_that_fails_holds_back_what_needs_it_and_nothing_is_done(stack):
    stack.write({"resource": {"mock_object": {"o": {"name": "n"}}}})
    stack.apply()
    stack.write(
        {
            "resource": {
                "mock_object": {
                    "o": {"name": "n"},
                    "p": {"name": "${data.mock_object.good.id}"},
                    "q": {"name": "${data.mock_object.bad[1].id}-${local.later}"},
                }
            },
            "data": {
                "mock_object": {"good": {"name": "n"}, "bad": {"count": 3, "name": '${count.index == 1 ? "no" : "n"}'}}
            },
            "locals": {"later": "${data.mock_object.bad[0].id}"},
        }
    )
    done = stack.apply(code=1)
    assert done.err.count("error:") == 1
    assert '"no"' in done.err
    assert list(stack.objects()) == ["mock_object.o"]
