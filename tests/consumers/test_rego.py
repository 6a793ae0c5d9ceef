"""A policy in Rego, the language of Open Policy Agent, judges our plans as it would Terraform's.

The interpreter is rego-cpp (https://github.com/microsoft/rego-cpp), in an environment of its own.
"""

import json
import subprocess

import pytest

POLICY = """
package plan

import rego.v1

deny contains message if {
    some change in input.resource_changes
    "delete" in change.change.actions
    change.type == "mock_database"
    message := concat(" ", [change.address, "would be destroyed:", concat(", ", change.change.actions)])
}

deny contains message if {
    some change in input.resource_changes
    change.mode == "managed"
    some action in change.change.actions
    action in {"create", "update"}
    change.change.after.size == "large"
    input.variables.environment.value != "production"
    message := concat(" ", [change.address, "is too large for", input.variables.environment.value])
}

deny contains message if {
    some change in input.resource_changes
    change.change.after.password
    not change.change.after_sensitive.password
    message := concat(" ", [change.address, "has a password that is not marked"])
}

providers contains change.provider_name if some change in input.resource_changes

references contains reference if {
    some resource in input.configuration.root_module.resources
    some reference in resource.expressions.network_id.references
}
"""
JUDGE = """
import json, sys
from regopy import Interpreter
rego = Interpreter()
rego.add_module("plan", open(sys.argv[1]).read())
rego.set_input(json.load(open(sys.argv[2])))
print(json.dumps(json.loads(str(rego.query("data.plan")))["expressions"][0]))
"""
# By number: what this interpreter prints is no JSON when there are quotes in it.
STACK = """
variable: {environment: {default: test}, size: {default: small}}
resource:
  mock_network: {main: {name: main, cidr_block: 10.0.0.0/16}}
  mock_server:
    web: {count: 1, name: "web-${count.index}", network_id: "${mock_network.main.id}", size: "${var.size}"}
"""
DATABASE = """
resource: {mock_database: {main: {name: db, engine: postgres, password: hunter2}}}
"""


@pytest.fixture
def judge(environment_of, stack):
    """`judge("--var", …)`: plan the stack; what the policy says of the plan."""
    python = environment_of("regopy>=1.0") / "python"

    def run(*arguments):
        stack.iac("plan", "--out", "saved.plan", *arguments)
        (stack.folder / "plan.json").write_text(stack.iac("show", "--json", "saved.plan").out)
        (stack.folder / "policy.rego").write_text(POLICY)
        command = [python, "-c", JUDGE, "policy.rego", "plan.json"]
        done = subprocess.run(command, cwd=stack.folder, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    return run


@pytest.mark.timeout(600)
def test_a_policy_denies_what_it_is_meant_to_and_nothing_else(judge, stack):
    stack.write(STACK)
    stack.write(DATABASE, "database.iac.yaml")
    allowed = judge()
    assert allowed["deny"] == []
    assert allowed["providers"] == ["iacengine/mock"]
    assert sorted(allowed["references"]) == ["mock_network.main", "mock_network.main.id"]
    assert judge("--var", "size=large")["deny"] == ["mock_server.web[0] is too large for test"]
    assert judge("--var", "size=large", "--var", "environment=production")["deny"] == []

    stack.apply()
    assert judge()["deny"] == []
    (stack.folder / "database.iac.yaml").unlink()
    assert judge()["deny"] == ["mock_database.main would be destroyed: delete"]
    assert judge("--replace", "mock_network.main", "--var", "size=large")["deny"] == [
        "mock_database.main would be destroyed: delete",
        "mock_server.web[0] is too large for test",
    ]
