import subprocess
import sys

import pytest

from iacengine.foundation.diagnostics import DiagnosticsError
from iacengine.provider import discovery
from iacengine.provider.discovery import find_plugin, plugin_names, source_address


@pytest.fixture(autouse=True)
def fresh():
    discovery.forget()
    yield
    discovery.forget()


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder on the import path, and a way to install a distribution with providers there."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(distribution, module, code, **entries):
        (tmp_path / f"{module}.py").write_text(code)
        info = tmp_path / f"{distribution}-1.0.dist-info"
        info.mkdir()
        lines = [f"{name} = {target}" for name, target in entries.items()]
        text = "[console_scripts]\nacme = x:y\n\n[iacengine.providers]\n" + "\n".join(lines) + "\n\n[other]\nz = a:b\n"
        (info / "entry_points.txt").write_text(text)
        return tmp_path

    yield install
    for name in [name for name in sys.modules if name.startswith("plugin_of_")]:
        del sys.modules[name]


CODE = """
from iacengine.provider.protocol import ProviderPlugin
PROVIDER = ProviderPlugin("acme", lambda: None, stands_in_for=("acmecorp/acme", "example.com/corp/cloud"))
"""


def test_the_builtin_provider_goes_by_name_and_by_terraforms_address():
    assert find_plugin("terraform") is find_plugin("terraform.io/builtin/terraform")
    assert source_address("terraform") == "terraform.io/builtin/terraform"


def test_an_adapter_goes_by_its_name():
    assert find_plugin("mock").name == "mock"
    assert find_plugin("iacengine/mock") is find_plugin("mock")
    assert source_address("mock") == "iacengine/mock"
    assert find_plugin(source_address("mock")).name == "mock"


def test_an_adapter_answers_to_the_addresses_it_stands_in_for(site):
    site("acme", "plugin_of_acme", CODE, acme="plugin_of_acme:PROVIDER")
    plugin = find_plugin("acme")
    for source in (
        "acmecorp/acme",
        "AcmeCorp/Acme",
        "registry.terraform.io/acmecorp/acme",
        "registry.opentofu.org/acmecorp/acme",
        "example.com/corp/cloud",
        "iacengine/acme",
    ):
        assert find_plugin(source) is plugin
    assert source_address("acme") == source_address("acmecorp/acme") == "registry.terraform.io/acmecorp/acme"
    assert source_address("example.com/corp/cloud") == "example.com/corp/cloud"
    assert {"acme", "mock", "terraform"} <= set(plugin_names())


def test_an_address_nothing_stands_in_for_is_unknown(site):
    site("acme", "plugin_of_acme", CODE, acme="plugin_of_acme:PROVIDER")
    with pytest.raises(DiagnosticsError) as caught:
        find_plugin("other/acme")
    assert "Install a package" in caught.value.diagnostics[0].remedy


def test_an_unknown_provider_gets_the_near_match():
    with pytest.raises(DiagnosticsError) as caught:
        find_plugin("mokc")
    (problem,) = caught.value.diagnostics
    assert problem.summary == "Unknown provider"
    assert problem.remedy == 'Did you mean "mock"?'


def test_text_that_is_no_address_is_told_so():
    for text in ("", "a b", "a/b/c/d", "x/"):
        with pytest.raises(DiagnosticsError, match="is no provider address"):
            find_plugin(text)


def test_two_distributions_with_one_provider_name_are_both_named(site):
    site("acme-one", "plugin_of_one", CODE, acme="plugin_of_one:PROVIDER")
    site("acme-two", "plugin_of_two", CODE, acme="plugin_of_two:PROVIDER")
    with pytest.raises(DiagnosticsError, match="distributions acme-one and acme-two"):
        find_plugin("acme")


def test_a_broken_provider_is_told_with_its_distribution(site):
    site("acme", "plugin_of_acme", "raise RuntimeError('boom')", acme="plugin_of_acme:PROVIDER")
    with pytest.raises(DiagnosticsError, match=r"distribution acme.*boom"):
        find_plugin("acme")


def test_a_broken_provider_does_not_hide_others(site):
    site("broken", "plugin_of_broken", "raise RuntimeError('boom')", aaa="plugin_of_broken:PROVIDER")
    site("acme", "plugin_of_acme", CODE, acme="plugin_of_acme:PROVIDER")
    assert find_plugin("example.com/corp/cloud").name == "acme"


def test_an_entry_point_that_is_no_plugin_is_refused(site):
    site("acme", "plugin_of_acme", "PROVIDER = 1", acme="plugin_of_acme:PROVIDER")
    with pytest.raises(DiagnosticsError, match="is no ProviderPlugin"):
        find_plugin("acme")


def test_finding_providers_imports_no_heavy_module_and_no_other_provider():
    code = (
        "import sys; from iacengine.provider.discovery import find_plugin; find_plugin('terraform').create(); "
        "find_plugin('mock'); "
        "heavy = {'importlib.metadata', 'iacengine_aws', 'boto3', 'sqlite3', 'asyncio'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
