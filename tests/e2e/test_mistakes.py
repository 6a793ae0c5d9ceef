"""Mistakes in stack files: each is shown where it is, with a remedy, and nothing is changed."""

from __future__ import annotations

import re

import pytest

GOOD = "resource: {terraform_data: {kept: {input: 1}}}\n"

MISTAKES = {
    "broken YAML": (
        "resource:\n  terraform_data:\n    a: {input: [1, 2}\n",
        "3:21",
        [],
    ),
    "tab as indentation": ("resource:\n\tterraform_data: {}\n", "2:1", ["tab"]),
    "duplicate key": (
        "resource:\n  terraform_data:\n    a: {input: 1}\n    a: {input: 2}\n",
        "4:5",
        ["a"],
    ),
    "unknown block": ("resuorce:\n  terraform_data: {a: {input: 1}}\n", "1:1", ["resuorce", '"resource"']),
    "unknown attribute": (
        "resource:\n  terraform_data:\n    a: {imput: 1}\n",
        "3:9",
        ["imput", '"input"'],
    ),
    "wrong type": (
        "resource:\n  mock_object:\n    a: {name: [x]}\n",
        "3:9",
        ["string"],
    ),
    "undeclared resource": (
        "resource:\n  terraform_data:\n    apple: {input: 1}\n    b: {input: '${terraform_data.aple.id}'}\n",
        "4:1",
        ["terraform_data.aple", "terraform_data.apple"],
    ),
    "undeclared variable": (
        "variable: {region: {default: x}}\nresource: {terraform_data: {a: {input: '${var.regoin}'}}}\n",
        "2:",
        ["regoin", "region"],
    ),
    "unknown function": (
        "resource: {terraform_data: {a: {input: '${uper(1)}'}}}\n",
        "1:",
        ["uper", "upper"],
    ),
    "syntax of an expression": ("resource: {terraform_data: {a: {input: '${1 +}'}}}\n", "1:", []),
    "missing provider": ("resource:\n  gogle_thing:\n    a: {name: x}\n", "3:5", ["gogle"]),
    "unknown resource type": ("resource:\n  mock_sevrer:\n    a: {name: x}\n", "3:5", ["mock_sevrer", "mock_server"]),
    "missing argument": ("resource:\n  mock_server:\n    a: {size: small}\n", "3:5", ['"name"']),
    "argument that is computed": ("resource:\n  mock_server:\n    a: {name: x, arn: y}\n", "3:18", ["arn"]),
}


def assert_told(done, place, words):
    """file:line:column, the line with a caret below it, and what would be right."""
    assert done.code == 1, done
    assert re.search(rf"\bmain\.iac\.yaml:{place}", done.err), done
    assert "^" in done.err, done
    for word in words:
        assert word in done.err, (word, done)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_shown_at_its_place_and_changes_nothing(mistake, stack):
    text, place, words = MISTAKES[mistake]
    stack.write(GOOD)
    stack.apply()
    before = stack.state_path.read_bytes()
    stack.write(text)
    for verb in (["plan"], ["apply", "--auto-approve"]):
        assert_told(stack.iac(*verb, code=1), place, words)
    assert stack.state_path.read_bytes() == before
    assert not stack.journal_path.exists()


def test_a_cycle_is_named_in_full(stack):
    stack.write("""
resource:
  terraform_data:
    a: {input: "${terraform_data.b.id}"}
    b: {input: "${local.c}"}
locals:
  c: ${terraform_data.a.id}
""")
    done = stack.iac("plan", code=1)
    assert "cycle" in done.err
    for name in ("terraform_data.a", "terraform_data.b", "local.c"):
        assert name in done.err
    assert "Break the cycle" in done.err


def test_an_address_declared_in_two_files_names_both_places(stack):
    stack.write("resource: {terraform_data: {a: {input: 1}}}", "one.iac.yaml")
    stack.write("resource:\n  terraform_data:\n    a: {input: 2}\n", "two.iac.yaml")
    done = stack.iac("plan", code=1)
    assert "terraform_data.a" in done.err
    assert "one.iac.yaml:1:" in done.err
    assert "two.iac.yaml:3:5" in done.err


def test_a_missing_variable_says_how_to_give_it(stack):
    stack.write("variable:\n  zone: {type: string}\nresource: {terraform_data: {a: {input: '${var.zone}'}}}\n")
    done = stack.iac("plan", "--no-input", code=1)
    assert "main.iac.yaml:2:3" in done.err
    assert "--var" in done.err
    assert not stack.state_path.exists()


def test_a_variable_of_the_wrong_type_is_refused(stack):
    stack.write("variable: {n: {type: number}}\nresource: {terraform_data: {a: {input: '${var.n}'}}}\n")
    done = stack.iac("plan", "--var", "n=three", code=1)
    assert "number" in done.err


def test_a_failing_validation_shows_its_message(stack):
    stack.write("""
variable:
  n:
    type: number
    validation: {condition: "${var.n > 2}", error_message: "n must be larger than two."}
""")
    done = stack.iac("plan", "--var", "n=1", code=1)
    assert "n must be larger than two." in done.err


def test_an_error_found_while_planning_has_a_place_too(stack):
    stack.write('resource:\n  terraform_data:\n    a: {input: "${[1, 2][5]}"}\n')
    assert_told(stack.iac("plan", code=1), "3:", ["index"])


def test_all_mistakes_are_shown_at_once(stack):
    stack.write("resource:\n  terraform_data:\n    a: {imput: 1}\n    b: {input: '${var.nothing}'}\n")
    done = stack.iac("plan", code=1)
    assert "3:9" in done.err
    assert "var.nothing" in done.err or "nothing" in done.err


def test_a_folder_without_a_stack_says_what_is_looked_for(stack):
    done = stack.iac("plan", code=1)
    assert ".iac.yaml" in done.err


def test_a_file_that_cannot_be_read_is_named(stack):
    stack.write(GOOD)
    (stack.folder / "main.iac.yaml").unlink()
    (stack.folder / "main.iac.yaml").symlink_to("nowhere.yaml")
    done = stack.iac("plan", code=1)
    assert "main.iac.yaml" in done.err


def test_text_that_is_no_utf_8_is_named(stack):
    (stack.folder / "main.iac.yaml").write_bytes(b"locals: {a: \xff}\n")
    done = stack.iac("plan", code=1)
    assert "main.iac.yaml" in done.err
    assert "UTF-8" in done.err


def test_a_secret_never_stands_in_an_error(stack):
    stack.write("""
variable: {password: {type: string, sensitive: true}}
resource: {terraform_data: {a: {input: "${tonumber(var.password)}"}}}
""")
    done = stack.iac("plan", "--var", "password=hunter2", code=1)
    assert "hunter2" not in done.err + done.out


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["plan", "--targte", "a.b"], "--target"),
        (["plann"], "plan"),
        (["plan", "--target", "a..b"], "a..b"),
        (["plan", "--replace", "terraform_data"], "terraform_data"),
        (["plan", "--var", "novalue"], "NAME=VALUE"),
        (["plan", "--var", "unknown_one=1"], "unknown_one"),
        (["plan", "--var-file", "missing.tfvars.json"], "missing.tfvars.json"),
        (["apply", "nothing.plan"], "nothing.plan"),
        (["plan", "--destroy", "--refresh-only"], "--refresh-only"),
        (["apply", "--no-input"], "--auto-approve"),
    ],
)
def test_a_mistake_in_the_command_line_is_explained(arguments, word, stack):
    stack.write(GOOD)
    done = stack.iac(*arguments, code=1)
    assert word in done.err
    assert not stack.state_path.exists()
