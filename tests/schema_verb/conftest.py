"""The schema as it is printed, and a real validator of JSON Schema that reads it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from iacengine.config.source import parse, source_file


@pytest.fixture(scope="session")
def printed(warm_process, tmp_path_factory) -> dict[str, Any]:
    """What `iac schema` prints."""
    done = warm_process.run(tmp_path_factory.mktemp("schema"), "schema")
    assert done.code == 0, done
    return done.document


@pytest.fixture(scope="session")
def mistakes(printed) -> Callable[[Any], list[str]]:
    """mistakes(data or YAML text): what is wrong, each as `place: message`."""
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(printed)

    def find(data: Any) -> list[str]:
        if isinstance(data, str):
            data = parse(source_file("test.iac.yaml", data.encode()))
        errors = sorted(validator.iter_errors(data), key=lambda error: json.dumps(list(error.absolute_path)))
        return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in errors]

    return find
