"""How patient a stack wants to be: read from its file, and told where it is of no use."""

import pytest

from iacengine.config.directory import SnapshotFiles
from iacengine.config.loader import load
from iacengine.config.retries_check import names_provider, unused_retries
from iacengine.foundation.diagnostics import DiagnosticsError, Findings


def loaded(**files):
    findings = Findings()
    texts = {f"{name.replace('__', '/')}.iac.yaml": text.encode() for name, text in files.items()}
    configuration = load(".", files=SnapshotFiles(texts), findings=findings)
    assert findings.all == ()
    return configuration


def test_settings_are_plain_numbers_of_seconds():
    said = "{attempts: 3, first_wait: 500ms, longest_wait: 1m, patience: 1h, errors: [a, b]}"
    configuration = loaded(main=f"stack: {{retries: {{mock: {said}}}}}")
    (entry,) = configuration.root.settings.retries
    assert entry.name == "mock"
    assert entry.settings == {
        "attempts": 3,
        "first_wait": 0.5,
        "longest_wait": 60.0,
        "patience": 3600.0,
        "errors": ("a", "b"),
    }


def test_an_entry_is_about_a_provider_or_a_type():
    configuration = loaded(
        main="stack: {retries: {mock: {}, mock_object: {}, cloud: {}}, required_providers: {cloud: {source: mock}}}\n"
        "resource: {mock_object: {a: {name: a}}}"
    )
    found = {entry.name: names_provider(entry, configuration) for entry in configuration.root.settings.retries}
    assert found == {"mock": True, "mock_object": False, "cloud": True}
    assert [*unused_retries(configuration)] == []


def test_an_entry_about_nothing_is_told_with_what_is_near():
    configuration = loaded(main="stack: {retries: {mock_objekt: {}}}\nresource: {mock_object: {a: {name: a}}}")
    (found,) = unused_retries(configuration)
    assert not found.is_error
    assert found.remedy == 'Did you mean "mock_object"?'
    assert found.range.start.line == 1


def test_a_module_cannot_say_how_patient_to_be():
    configuration = loaded(
        main="module: {m: {source: ./m}}",
        m__main="stack: {retries: {mock: {}}}\nresource: {mock_object: {a: {name: a}}}",
    )
    (found,) = unused_retries(configuration)
    assert found.summary == "Retries of a module"


def test_each_name_has_one_entry_in_all_files():
    text = b"stack: {retries: {mock: {}}}"
    files = SnapshotFiles({"a.iac.yaml": text, "b.iac.yaml": text})
    with pytest.raises(DiagnosticsError, match='Duplicate setting "retries" of "mock"'):
        load(".", files=files, findings=Findings())
