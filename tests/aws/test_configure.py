"""Configuring the provider, and what a user is told when AWS cannot be used."""

import pytest

from iacengine.foundation.duration import parse_duration
from iacengine.lang.types import STRING
from iacengine.lang.values import Unknown, to_python
from iacengine.provider.protocol import ApplyRequest
from iacengine_aws import PROVIDER
from iacengine_aws.errors import ApiError, api_error
from iacengine_aws.settings import parse_settings


def only(found):
    [finding] = found
    assert finding.is_error
    return finding


def test_the_plugin_stands_in_for_terraforms_provider():
    assert PROVIDER.name == "aws"
    assert "hashicorp/aws" in PROVIDER.stands_in_for


def test_no_region_is_told_with_the_ways_to_set_one(configure, monkeypatch):
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    finding = only(configure()[1])
    assert finding.summary == "No AWS region"
    assert "AWS_REGION" in finding.remedy


def test_a_misspelt_region_is_told_with_the_near_one(configure):
    finding = only(configure(region="eu-wets-1")[1])
    assert '"eu-west-1"' in finding.remedy
    assert configure(region="xx-new-9", skip_region_validation=True)[1] == ()


def test_no_credentials_are_told_with_the_ways_to_give_some(configure, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    finding = only(configure()[1])
    assert finding.summary == "No valid AWS credentials"
    assert "AWS_ACCESS_KEY_ID" in finding.remedy


def test_an_unknown_profile_is_told_with_the_near_one(configure, tmp_path):
    config = tmp_path / "config"
    config.write_text("[profile staging]\nregion = eu-west-1\n")
    finding = only(configure(profile="stagin", shared_config_files=(str(config),))[1])
    assert "stagin" in finding.detail
    assert '"staging"' in finding.remedy


def test_a_profile_gives_region_and_credentials(configure, tmp_path, monkeypatch):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    config, credentials = tmp_path / "config", tmp_path / "credentials"
    config.write_text("[profile staging]\nregion = eu-central-1\n")
    credentials.write_text("[staging]\naws_access_key_id = AKIA\naws_secret_access_key = hidden\n")
    provider, found = configure(
        profile="staging", shared_config_files=(str(config),), shared_credentials_files=(str(credentials),)
    )
    assert found == ()
    assert to_python(provider.read_data("aws_region", {"name": None, "endpoint": None}).state)["name"] == "eu-central-1"


def test_an_unreachable_endpoint_is_told_without_a_traceback(configure, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    finding = only(configure(max_retries=0)[1])
    assert finding.summary == "AWS cannot be reached"
    assert "AWS_ENDPOINT_URL" in finding.remedy


def test_without_validation_configuring_asks_nobody(configure, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert configure(skip_credentials_validation=True)[1] == ()


def test_an_endpoint_of_one_service_can_be_set(configure, moto, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert configure(endpoints=({"sts": moto.url},))[1] == ()


def test_an_account_that_is_not_allowed_is_refused(configure):
    assert configure(allowed_account_ids=("123456789012",))[1] == ()
    for settings in ({"allowed_account_ids": ("1",)}, {"forbidden_account_ids": ("123456789012",)}):
        assert only(configure(**settings)[1]).summary == "AWS account not allowed"


def test_a_role_is_taken(configure):
    role = {"role_arn": "arn:aws:iam::123456789012:role/deployer", "session_name": "tests", "duration": "1h"}
    provider, found = configure(assume_role=(role,))
    assert found == ()
    assert to_python(provider.read_data("aws_caller_identity", {}).state)["arn"].endswith("assumed-role/deployer/tests")


def test_half_a_key_is_refused(configure):
    findings = configure(access_key="AKIA")[1]
    assert "belong together" in findings[0].detail


def test_a_setting_that_is_not_supported_is_refused_by_name(configure):
    findings = configure(ec2_metadata_service_endpoint="http://x")[1]
    assert findings[0].summary == "Not supported yet"
    assert "ec2_metadata_service_endpoint" in findings[0].detail


def test_default_tags_that_are_not_known_yet_leave_tags_all_unknown():
    config = {"default_tags": ({"tags": Unknown(STRING)},)}
    assert parse_settings(config).default_tags is None


@pytest.mark.parametrize(("text", "value"), [("90s", 90), ("1h30m", 5400), ("1.5m", 90), ("250ms", 0.25)])
def test_durations_are_written_as_in_go(text, value):
    assert parse_duration(text) == value


@pytest.mark.parametrize("text", ["", "10", "ten minutes", "1h 30m", "-1s"])
def test_other_texts_are_no_durations(text):
    with pytest.raises(ValueError, match="no duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("code", "summary", "remedy"),
    [
        ("ExpiredToken", "The AWS credentials have expired", "aws sso login"),
        ("InvalidClientTokenId", "AWS does not accept the credentials", "access key"),
        ("AccessDenied", "Access denied while creating aws_vpc", "ec2:CreateVpc"),
        ("UnauthorizedOperation", "Access denied while creating aws_vpc", "ec2:CreateVpc"),
        ("Throttling", "AWS throttles requests while creating aws_vpc", "parallelism"),
        ("BucketAlreadyExists", "Failed creating aws_vpc: it exists already", "import block"),
        ("DependencyViolation", "Failed creating aws_vpc: something else still uses it", "outside"),
    ],
)
def test_each_kind_of_refusal_has_a_remedy(code, summary, remedy):
    finding = ApiError("ec2", "create_vpc", code, "said so").diagnostic("creating aws_vpc")
    assert finding.summary == summary
    assert remedy in finding.remedy
    assert "said so" in finding.detail


def test_only_what_did_nothing_is_tried_again():
    assert ApiError("ec2", "create_vpc", "Throttling", "").retryable
    assert ApiError("ec2", "create_vpc", "EndpointConnectionError", "", answered=False).retryable
    assert not ApiError("ec2", "create_vpc", "ReadTimeoutError", "", answered=False).retryable
    assert not ApiError("ec2", "create_vpc", "InvalidVpc.Range", "").retryable


def test_a_wrong_parameter_is_told_without_its_value(cloud):
    session = cloud.provider.session
    with pytest.raises(ApiError) as caught:
        session.call("iam", "create_role", {"RoleName": ["hunter2"], "AssumeRolePolicyDocument": "{}"})
    finding = caught.value.diagnostic("creating aws_iam_role")
    assert "RoleName" in finding.detail
    assert "hunter2" not in str(finding)


def test_any_other_failure_of_the_connection_is_one(cloud):
    from botocore.exceptions import ConnectTimeoutError

    problem = api_error("ec2", "create_vpc", ConnectTimeoutError(endpoint_url="http://x"))
    assert problem.diagnostic("creating aws_vpc").summary == "AWS cannot be reached"


def test_a_refused_create_makes_nothing_and_says_why(cloud):
    schema = cloud.provider.schema().resources["aws_vpc"]
    planned = cloud.planned("aws_vpc", {"cidr_block": "10.0.0.0/8"}).planned
    response = cloud.provider.apply(ApplyRequest("aws_vpc", None, planned, planned, "token-of-a-refused-one"))
    assert response.state is None
    assert "10.0.0.0/8" in only(response.diagnostics).detail
    assert schema.version == 1


def test_data_sources_tell_who_and_where(cloud):
    who = to_python(cloud.provider.read_data("aws_caller_identity", {}).state)
    assert who["account_id"] == who["id"] == "123456789012"
    where = to_python(cloud.provider.read_data("aws_region", {"name": None, "endpoint": None}).state)
    assert where == {
        "id": "eu-west-1",
        "name": "eu-west-1",
        "description": "Europe (Ireland)",
        "endpoint": "ec2.eu-west-1.amazonaws.com",
    }
    answer = cloud.provider.read_data("aws_region", {"name": "eu-west-11", "endpoint": None})
    assert "eu-west-1" in only(answer.diagnostics).remedy
