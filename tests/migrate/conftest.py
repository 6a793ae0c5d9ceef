"""A stack in Terraform's JSON syntax with a bit of everything, and Terraform itself where there is one."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"

TERRAFORM_DATA = {"terraform": {"source": "terraform.io/builtin/terraform"}}
SHOP = {
    "//": ["The shop.", "Its services, and who may call them."],
    "terraform": [{"required_version": ">= 1.4", "required_providers": [TERRAFORM_DATA]}],
    "output": {"names": {"value": "${[for name, port in var.services : name]}", "//": "In no order."}},
    "resource": [
        {
            "terraform_data": {
                "release": {
                    "//": "Of today",
                    "input": {"version": "1.4.2", "//": "data", "note": "no", "date": "2026-01-02", "at": "12:30"},
                    "lifecycle": [
                        {
                            "//": "Keep it valid",
                            "precondition": [{"condition": "${length(var.services) > 0}", "error_message": "None: ?"}],
                        }
                    ],
                },
            }
        },
        {
            "terraform_data": [
                {
                    "service": {
                        "for_each": "${var.services}",
                        "input": '${format("%s listens on \\"%d\\"", each.key, each.value)}',
                        "triggers_replace": ["${terraform_data.release.output.version}", 1.5, None, True, "", [], {}],
                    }
                },
                {"script": {"input": "#!/bin/sh\nset -eu\n\n  echo ${local.greeting}\n", "count": 1}},
                {"text": {"input": "a\r\nb\t\u2028 \"quoted\" 'both'"}},
            ]
        },
    ],
    "variable": {"services": {"type": "map(number)", "default": {"billing": 8081}, "validation": [
        {"condition": "${length(var.services) < 100}", "error_message": "Too many."}]}},
    "locals": [{"greeting": "it's me", "//": "One"}, {"empty": "", "long": "x" * 200, "//": "Two"}],
    "module": {"net": [{"source": "./net", "prefix": "${local.greeting}"}]},
    "check": {"up": {"assert": [{"condition": "${terraform_data.text.id != null}", "error_message": "down"}]}},
    "moved": [{"from": "terraform_data.old", "to": "terraform_data.release", "//": "renamed"}],
    "removed": {"from": "terraform_data.gone", "lifecycle": [{"destroy": False}]},
}  # fmt: skip
NET = {
    "variable": {"prefix": {}},
    "resource": {"terraform_data": {"inner": {"input": '${file("${path.module}/text.txt")} ${var.prefix}'}}},
    "output": {"id": {"value": "${terraform_data.inner.id}"}},
}


@pytest.fixture
def shop(stack):
    """The stack, written as JSON."""
    stack.write(SHOP, "main.tf.json")
    stack.write(NET, "net/net.tf.json")
    (stack.folder / "net" / "text.txt").write_text("Hello,")
    stack.write({"services": {"shipping": 8082, "billing": 8081}}, "terraform.tfvars.json")
    return stack


@pytest.fixture
def golden():
    """`golden(name, text)`: the text is that of the file. IACENGINE_UPDATE_GOLDEN=1 writes the file instead."""

    def check(name, text):
        path = GOLDEN / name
        if os.environ.get("IACENGINE_UPDATE_GOLDEN"):
            path.write_text(text, encoding="utf-8")
        assert path.read_text(encoding="utf-8") == text

    return check


@pytest.fixture
def terraform():
    """`terraform(folder, "plan", …)`: what the real one printed, which has to end well."""
    binary = shutil.which("terraform")
    if binary is None:
        pytest.skip("compares with the terraform binary, which is not here")

    def run(folder, *arguments):
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
        environment = inherited | {"TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
        done = subprocess.run(
            [binary, *arguments, "-no-color"],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
