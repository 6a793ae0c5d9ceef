"""What `each.value` of a module call is while a saved plan is applied."""


def test_a_module_gets_its_own_each_value_when_a_saved_plan_is_applied(stack):
    stack.write(
        {
            "variable": {"v": {}},
            "resource": {
                "terraform_data": {
                    "first": {},
                    "x": {
                        "input": "${var.v}-${terraform_data.first.id != null}",
                        "triggers_replace": "${terraform_data.first.id}-${var.v}",
                        "lifecycle": {
                            "postcondition": {"condition": '${self.input == "${var.v}-true"}', "error_message": "no"}
                        },
                    },
                }
            },
            "output": {"o": {"value": "${var.v}"}},
        },
        "m/main.tf.json",
    )
    stack.write(
        {
            "module": {"m": {"source": "./m", "for_each": {"a": 1, "b": 2}, "v": "${each.value}"}},
            "output": {"o": {"value": "${[for m in module.m : m.o]}"}},
        }
    )
    stack.iac("plan", "--no-input", "--out", "p")
    stack.iac("apply", "--no-input", "p")
    assert stack.outputs() == {"o": [1, 2]}
    objects = stack.objects()
    assert [objects[f'module.m["{key}"].terraform_data.x']["input"] for key in "ab"] == ["1-true", "2-true"]
