"""The API as schemathesis finds it: whatever it is asked, it never fails, and answers as its description says."""

from __future__ import annotations

import os
import subprocess

import pytest

SCHEMATHESIS = "schemathesis>=4.10,<5"

SETTINGS = """
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 414, 415, 416, 422, 428, 429]
"""

NAMED = """
[parameters]
"path.namespace" = "acme"
"path.name" = "net"
"path.system" = "aws"
"path.version" = ["1.0.0", "1.1.0"]
"""

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "allow_header_conformance",
    "unsupported_method",
)
"""Not whether all that fits the schema is accepted: packages do not, whose form no schema can say. Not whether wrong
tokens are refused: it is after the tenth of them, which stops everything else from this address."""


@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("settings", [SETTINGS, SETTINGS + NAMED], ids=["anything", "what-is-there"])
def test_no_request_has_the_service_fail_or_answer_otherwise_than_described(
    new_registry, environment_of, make_package, send_package, tmp_path, settings
):
    program = environment_of(SCHEMATHESIS) / "schemathesis"
    registry = new_registry()
    registry.namespace("acme")
    admin = registry.token("admin", user="root")
    client = registry.client(admin)
    for version in ("1.0.0", "1.1.0"):
        assert send_package(client, make_package("acme/net/aws", version)).status_code == 201
    (tmp_path / "schemathesis.toml").write_text(settings)
    done = subprocess.run(
        [
            program,
            *("--config-file", tmp_path / "schemathesis.toml"),
            *("run", f"{registry.url}/api/v1/openapi.json"),
            *("--header", f"Authorization: Bearer {admin}"),
            *("--checks", ",".join(CHECKS)),
            *("--phases", "examples,coverage,fuzzing"),
            *("--max-examples", os.environ.get("SCHEMATHESIS_EXAMPLES", "60")),
            *("--seed", "1", "--continue-on-failure", "--no-shrink", "--no-color"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
    operations = sum(map(len, client.get("/api/v1/openapi.json").json()["paths"].values()))
    assert f"Tested: {operations}\n" in done.stdout
    assert client.get("/readyz").is_success
