"""`iac migrate`: JSON to YAML that means the same, and Terraform's state to ours."""

import json
import shutil

import pytest

from iacengine.config.loader import load
from iacengine.config.migration import difference, migrated_text
from iacengine.state.statefile import decode_state


def files(folder):
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def test_the_yaml_is_as_one_would_write_it(shop, golden):
    shop.iac("migrate")
    golden("main.iac.yaml", (shop.folder / "main.iac.yaml").read_text())
    assert shop.iac("fmt", "--check").out == ""


def test_a_stack_is_rewritten_where_it_is(shop):
    before = load(str(shop.folder))
    original = (shop.folder / "main.tf.json").read_bytes()
    shop.iac("migrate")
    assert files(shop.folder) == [
        "main.iac.yaml",
        "main.tf.json.bak",
        "net/net.iac.yaml",
        "net/net.tf.json.bak",
        "net/text.txt",
        "terraform.tfvars.json",
    ]
    assert difference(before, load(str(shop.folder))) is None
    assert (shop.folder / "main.tf.json.bak").read_bytes() == original


def test_both_forms_plan_the_same(shop):
    before = shop.plan()
    assert 'terraform_data.service["shipping"]' in before
    shop.apply()
    shop.iac("migrate")
    assert shop.plan() == {}


def test_a_stack_can_go_to_another_directory(shop):
    names = files(shop.folder)
    shop.write("x", "net/.hidden")
    shop.write("{}", "terraform.tfstate.backup")
    done = shop.iac("migrate", ".", "--out", "../yaml")
    assert [name for name in files(shop.folder) if "tfstate" not in name] == names
    out = shop.folder.parent / "yaml"
    assert files(out) == ["main.iac.yaml", "net/net.iac.yaml", "net/text.txt", "terraform.tfvars.json"]
    assert not (out / "net" / ".hidden").exists()
    assert "main.tf.json -> ../yaml/main.iac.yaml" in done.out
    assert "iac plan ../yaml" in done.out
    assert len(shop.plan("../yaml")) == 6


def test_an_output_directory_inside_the_stack_is_not_copied_into_itself(shop):
    shop.iac("migrate", "--out", "yaml")
    shop.iac("migrate", "--out", "yaml")  # the same again changes nothing
    assert [name for name in files(shop.folder) if name.startswith("yaml")] == [
        "yaml/main.iac.yaml",
        "yaml/net/net.iac.yaml",
        "yaml/net/text.txt",
        "yaml/terraform.tfvars.json",
    ]


def test_nothing_is_overwritten_without_force(shop):
    shop.write("# mine\n", "net/net.iac.yaml")
    before = {name: (shop.folder / name).read_bytes() for name in files(shop.folder)}
    done = shop.iac("migrate", code=1)
    assert "Files are there already" in done.err
    assert "net/net.iac.yaml" in done.err
    assert {name: (shop.folder / name).read_bytes() for name in files(shop.folder)} == before
    shop.iac("migrate", "--force")
    assert (shop.folder / "net" / "net.iac.yaml").read_text().startswith("variable:")


def test_a_backup_is_not_overwritten_without_force(shop):
    shop.write("old", "main.tf.json.bak")
    assert "main.tf.json.bak" in shop.iac("migrate", code=1).err
    assert (shop.folder / "main.tf.json.bak").read_text() == "old"


def test_what_was_done_can_be_had_as_json(shop):
    document = shop.iac("migrate", "--json").document
    assert document == {
        "format_version": "1.0",
        "files": [
            {"source": "main.tf.json", "target": "main.iac.yaml", "backup": "main.tf.json.bak"},
            {"source": "net/net.tf.json", "target": "net/net.iac.yaml", "backup": "net/net.tf.json.bak"},
        ],
        "copied": [],
        "state": None,
        "diagnostics": [],
    }


def test_there_is_nothing_to_do_for_yaml(stack):
    stack.write("locals: {a: 1}\n")
    assert "Nothing to migrate" in stack.iac("migrate", code=1).err


def test_files_in_the_native_syntax_are_refused_with_the_way_out(shop):
    shop.write("locals {}", "net/more.tf")
    done = shop.iac("migrate", code=1)
    assert "net/more.tf is not written in it" in done.err
    assert "hcl2json" in done.err
    assert "main.iac.yaml" not in files(shop.folder)


@pytest.mark.parametrize("name", ["main.tf", "main.tofu"])
def test_a_stack_in_the_native_syntax_alone_is_told_how_to_convert(stack, name):
    stack.write("locals {}", name)
    done = stack.iac("migrate", code=1)
    assert name in done.err
    assert "hcl2json" in done.err


def test_a_module_in_the_native_syntax_alone_is_told_how_to_convert(shop):
    (shop.folder / "net" / "net.tf.json").rename(shop.folder / "net" / "net.tf")
    assert "hcl2json" in shop.iac("migrate", code=1).err


def test_mistakes_in_the_json_are_told_and_nothing_is_written(shop):
    shop.write({"resource": {"terraform_data": {"x": 1}}}, "more.tf.json")
    done = shop.iac("migrate", code=1)
    assert "more.tf.json:1:" in done.err
    assert not any(name.endswith(".yaml") for name in files(shop.folder))


def test_modules_that_are_not_part_of_the_stack_are_left_to_be_installed(stack):
    stack.write({"module": {"net": {"source": "acme/net/aws", "version": "1.2.0", "a": 1}}})
    done = stack.iac("migrate")
    assert 'module.net comes from "acme/net/aws"' in done.err
    assert (stack.folder / "main.iac.yaml").read_text() == (
        "module:\n  net:\n    source: acme/net/aws\n    version: 1.2.0\n    a: 1\n"
    )


def test_a_module_outside_of_the_stack_stays_and_has_to_be_found(new_stack):
    stack, other = new_stack("one"), new_stack("shared")
    other.write({"output": {"x": {"value": 1}}})
    stack.write({"module": {"m": {"source": "../shared"}}})
    assert "outside of the stack" in stack.iac("migrate", "--out", "deep/er", code=1).err
    assert "left as it is" in stack.iac("migrate", "--out", "../two").err
    assert files(other.folder) == ["main.tf.json"]
    assert stack.iac("validate", "../two").code == 0


def test_override_files_stay_override_files(stack):
    stack.write({"locals": {"a": 1}, "output": {"o": {"value": "${local.a}"}}})
    stack.write({"locals": {"a": 2}}, "override.tf.json")
    stack.iac("migrate")
    stack.apply()
    assert stack.outputs() == {"o": 2}


def test_a_backend_that_is_not_known_is_told(stack):
    stack.write({"terraform": {"backend": {"etcd": {"x": 1}}}, "locals": {"a": 1}})
    assert 'backend "etcd"' in stack.iac("migrate").err


CONVERTED = {  # as converters from the native syntax write it
    "terraform": [{"required_providers": [{"mock": {"source": "mock"}}]}],
    "variable": {"zones": [{"type": "${list(string)}", "default": ["a", "b"]}]},
    "provider": {"mock": [{"cloud": "a"}, {"alias": "b", "cloud": "b"}]},
    "locals": [{"x": 1}],
    "data": {"mock_network": {"n": [{"id": "net-1", "depends_on": ["${mock_network.a}"]}]}},
    "resource": {
        "mock_network": {
            "a": [{"name": "a", "cidr_block": "10.0.0.0/8", "lifecycle": [{"ignore_changes": ["${name}"]}]}]
        }
    },
    "output": {"o": [{"value": "${var.zones}"}]},
}


def test_lists_around_single_blocks_are_taken_away(stack):
    stack.write(CONVERTED)
    before = load(str(stack.folder))
    stack.iac("migrate")
    assert difference(before, load(str(stack.folder))) is None
    text = (stack.folder / "main.iac.yaml").read_text()
    lists = [line.strip() for line in text.splitlines() if line.lstrip().startswith("-")]
    assert lists == ["- a", "- b", "- cloud: a", "- alias: b", "- ${mock_network.a}", "- ${name}"]


def test_a_difference_is_found_wherever_it_is(stack):
    stack.write(CONVERTED)
    before = load(str(stack.folder))
    for path, value in (
        (("resource", "mock_network", "a", 0, "name"), "b"),
        (("variable", "zones", 0, "type"), "set(string)"),
        (("variable", "zones", 0, "default"), ["a"]),
        (("provider", "mock", 1, "cloud"), "c"),
        (("locals", 0, "x"), 1.5),
        (("output", "o", 0, "sensitive"), True),
        (("data", "mock_network", "n", 0, "depends_on"), []),
    ):
        changed = json.loads(json.dumps(CONVERTED))
        place = changed
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        stack.write(changed)
        assert difference(before, load(str(stack.folder))) is not None, path


def test_a_comment_between_labels_is_kept():
    data = {"resource": [{"//": "a", "terraform_data": {"//": "b", "x": {}}}, {"//": ["c"], "terraform_data": {}}]}
    assert migrated_text(data) == "# a\n# c\nresource:\n  # b\n  terraform_data:\n    x: {}\n"


def test_a_file_with_nothing_in_it_becomes_one():
    assert migrated_text({}).strip() == migrated_text([]).strip() == migrated_text({"resource": {}}).strip() == ""
    assert migrated_text({"//": "later"}) == "# later\n"


# --- state ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def applied(shop, terraform):
    """The stack, made by Terraform."""
    terraform(shop.folder, "init")
    terraform(shop.folder, "apply", "-auto-approve")
    return shop


@pytest.mark.parametrize("out", [None, "../yaml"])
def test_what_terraform_made_is_taken_over_and_given_back_without_a_change(applied, terraform, new_stack, out):
    folder = applied.folder
    original = json.loads((folder / "terraform.tfstate").read_bytes())
    shutil.copytree(folder, folder.parent / "back")
    applied.iac("migrate", ".", "--state", "terraform.tfstate", *(["--out", out] if out else []))
    stack = out or "."
    planned = applied.iac("plan", stack, "--detailed-exitcode")
    assert "No changes." in planned.out
    state = decode_state((folder / stack / "iac.state.json").read_bytes(), "state")
    assert (state.lineage, state.serial) == (original["lineage"], original["serial"])

    back = folder.parent / "back"
    exported = applied.iac("state", "pull", "--format", "tfstate", "--stack", stack).out
    (back / "terraform.tfstate").write_text(exported)
    assert "No changes." in terraform(back, "plan", "-detailed-exitcode")
    assert json.loads((folder / "terraform.tfstate").read_bytes()) == original


def test_the_outputs_come_along(applied, terraform):
    theirs = json.loads(terraform(applied.folder, "output", "-json"))
    applied.iac("migrate", "--state", "terraform.tfstate")
    assert applied.iac("output", "--json").document == theirs


STATE = {
    "version": 4,
    "terraform_version": "1.11.4",
    "serial": 3,
    "lineage": "11111111-2222-3333-4444-555555555555",
    "outputs": {},
    "resources": [
        {
            "mode": "managed",
            "type": "terraform_data",
            "name": "a",
            "provider": 'provider["terraform.io/builtin/terraform"]',
            "instances": [
                {
                    "schema_version": 0,
                    "attributes": {
                        "id": "x",
                        "input": {"value": "v", "type": "string"},
                        "output": {"value": "v", "type": "string"},
                        "triggers_replace": None,
                    },
                }
            ],
        }
    ],
}


@pytest.fixture
def small(stack):
    stack.write({"resource": {"terraform_data": {"a": {"input": "v"}}}})
    stack.write(STATE, "terraform.tfstate")
    return stack


def test_a_state_that_lies_beside_is_pointed_out(small):
    assert "iac migrate --state terraform.tfstate" in small.iac("migrate").out
    small.iac("migrate", "--state", "terraform.tfstate")  # the files are YAML already
    assert small.plan() == {}


def test_a_state_is_looked_for_in_the_stack_too(small):
    folder = small.folder.parent
    small.folder = folder
    document = small.iac("migrate", "stack", "--state", "terraform.tfstate", "--json").document
    assert document["state"] == {
        "target": "stack/iac.state.json",
        "objects": 1,
        "lineage": STATE["lineage"],
        "serial": 3,
    }


def test_a_state_that_is_there_stays_without_force(small):
    small.iac("migrate", "--state", "terraform.tfstate")
    before = small.state_path.read_bytes()
    done = small.iac("migrate", "--state", "terraform.tfstate", code=1)
    assert "The stack has a state already" in done.err
    assert small.state_path.read_bytes() == before
    small.iac("migrate", "--state", "terraform.tfstate", "--force")
    assert decode_state(small.state_path.read_bytes(), "state").serial == 4


def test_nothing_is_written_when_the_state_cannot_be_taken_over(small):
    for name, text, word in (
        ("no.tfstate", None, "cannot be read"),
        ("old.tfstate", json.dumps(STATE | {"version": 3}), "old version"),
        ("broken.tfstate", "{", "Malformed"),
    ):
        if text is not None:
            small.write(text, name)
        assert word in small.iac("migrate", "--state", name, code=1).err
        assert not (small.folder / "main.iac.yaml").exists()


def test_the_file_of_terraform_is_never_the_one_that_is_written(small):
    small.write({"terraform": {"backend": {"local": {"path": "terraform.tfstate"}}}}, "backend.tf.json")
    before = (small.folder / "terraform.tfstate").read_bytes()
    done = small.iac("migrate", "--state", "terraform.tfstate", "--force", code=1)
    assert "names the file of Terraform's state" in done.err
    assert (small.folder / "terraform.tfstate").read_bytes() == before


def test_objects_of_providers_that_are_not_installed_are_told(small):
    other = json.loads(json.dumps(STATE).replace("terraform.io/builtin/terraform", "registry.terraform.io/acme/cloud"))
    small.write(other, "terraform.tfstate")
    assert "acme/cloud" in small.iac("migrate", "--state", "terraform.tfstate").err


def test_a_state_is_pulled_in_either_format(small):
    small.iac("migrate", "--state", "terraform.tfstate")
    assert small.iac("state", "pull").document == small.iac("state", "pull", "--format", "iac").document
    assert small.iac("state", "pull", "--format", "tfstate").document["version"] == 4
    assert small.iac("state", "pull", "--format", "yaml", code=1).out == ""


def test_originals_survive_when_the_yaml_cannot_be_written(shop):
    (shop.folder / "yaml").write_text("a file where the directory would be")
    before = {name: (shop.folder / name).read_bytes() for name in files(shop.folder)}
    done = shop.iac("migrate", "--out", "yaml", code=1)
    assert "cannot be written" in done.err
    assert {name: (shop.folder / name).read_bytes() for name in files(shop.folder)} == before


def test_a_directory_that_is_not_there_is_told(stack):
    (stack.folder / "shop").mkdir()
    assert "No such directory" in stack.iac("migrate", "shp", code=1).err
    stack.write({"locals": {"a": 1}})
    assert "Not a directory" in stack.iac("migrate", "main.tf.json", code=1).err
