"""Rules of security groups, in line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iacengine.lang.values import to_python
from iacengine.schema.unknowns import alike
from iacengine_aws.specs.security_group import atoms, found_atoms, grouped, permissions

HTTPS = {"protocol": "tcp", "from_port": 443, "to_port": 443, "cidr_blocks": ("10.0.0.0/8", "192.168.0.0/16")}


@pytest.fixture
def vpc(cloud):
    return cloud.make("aws_vpc", {"cidr_block": "10.0.0.0/16"}).state["id"]


def described(client, made):
    [group] = client("ec2").describe_security_groups(GroupIds=[made.state["id"]])["SecurityGroups"]
    return group


def test_a_new_group_loses_the_rule_that_aws_gives_it(cloud, client, vpc):
    made = cloud.make("aws_security_group", {"vpc_id": vpc})
    assert described(client, made)["IpPermissionsEgress"] == []
    assert made.state["description"] == "Managed by Terraform"


def test_everything_may_leave_when_the_configuration_says_so(cloud, client, vpc):
    everywhere = {"protocol": "-1", "from_port": 0, "to_port": 0, "cidr_blocks": ("0.0.0.0/0",)}
    made = cloud.make("aws_security_group", {"vpc_id": vpc, "egress": (everywhere,)})
    [rule] = described(client, made)["IpPermissionsEgress"]
    assert (rule["IpProtocol"], [entry["CidrIp"] for entry in rule["IpRanges"]]) == ("-1", ["0.0.0.0/0"])


def test_what_rules_leave_out_is_known_beforehand(cloud, vpc):
    planned = cloud.planned("aws_security_group", {"vpc_id": vpc, "ingress": (HTTPS,)}).planned
    [rule] = to_python(planned["ingress"])
    assert rule["description"] == ""
    assert rule["self"] is False
    assert rule["security_groups"] == []


def test_grouping_the_same_rules_otherwise_is_no_change(cloud, vpc):
    made = cloud.make("aws_security_group", {"vpc_id": vpc, "ingress": (HTTPS,)})
    split = tuple({**HTTPS, "cidr_blocks": (block,)} for block in reversed(HTTPS["cidr_blocks"]))
    assert alike(cloud.planned("aws_security_group", {"vpc_id": vpc, "ingress": split}, made).planned, made.state)


def test_rules_change_in_place_and_the_others_stay(cloud, client, vpc):
    other = cloud.make("aws_security_group", {"vpc_id": vpc})
    rules = (
        {**HTTPS, "description": "one"},
        {**HTTPS, "from_port": 80, "to_port": 80, "cidr_blocks": (), "self": True},
    )
    made = cloud.make("aws_security_group", {"vpc_id": vpc, "ingress": rules})
    rules = (
        {**HTTPS, "description": "one", "cidr_blocks": ("10.0.0.0/8",)},
        {**HTTPS, "from_port": 22, "to_port": 22, "cidr_blocks": (), "security_groups": (other.state["id"],)},
    )
    made = cloud.update(made, {"vpc_id": vpc, "ingress": rules})
    cloud._assert_settled(cloud.provider, made)
    found = {entry["FromPort"]: entry for entry in described(client, made)["IpPermissions"]}
    assert sorted(found) == [22, 443]
    assert [entry["CidrIp"] for entry in found[443]["IpRanges"]] == ["10.0.0.0/8"]
    assert [entry["GroupId"] for entry in found[22]["UserIdGroupPairs"]] == [other.state["id"]]


def test_rules_made_by_others_are_drift_only_where_the_configuration_has_rules(cloud, client, vpc):
    managed = cloud.make("aws_security_group", {"vpc_id": vpc, "ingress": (HTTPS,)})
    free = cloud.make("aws_security_group", {"vpc_id": vpc})
    for made in (managed, free):
        client("ec2").authorize_security_group_ingress(
            GroupId=made.state["id"], IpProtocol="udp", FromPort=53, ToPort=53, CidrIp="10.0.0.0/8"
        )
        seen = cloud.look(made)
        assert len(to_python(seen["ingress"])) == len(to_python(made.state["ingress"])) + 1
        again = type(made)(made.type, seen, None, made.token, made.body)
        unchanged = alike(cloud.planned("aws_security_group", made.body, again).planned, seen)
        assert unchanged is (made is free)


def test_groups_that_name_each_other_go_when_their_rules_are_revoked_first(cloud, client, vpc):
    one = cloud.make("aws_security_group", {"vpc_id": vpc, "revoke_rules_on_delete": True})
    two = cloud.make("aws_security_group", {"vpc_id": vpc, "revoke_rules_on_delete": True})
    rules = [{**HTTPS, "cidr_blocks": (), "security_groups": (made.state["id"],)} for made in (two, one)]
    body = {"vpc_id": vpc, "revoke_rules_on_delete": True}
    one = cloud.update(one, {**body, "ingress": (rules[0],)})
    two = cloud.update(two, {**body, "ingress": (rules[1],)})
    for made in (one, two):
        type(cloud).delete(cloud, cloud.provider, made)
        assert cloud.look(made) is None


def test_ports_with_all_protocols_are_refused(cloud):
    rule = {"protocol": "-1", "from_port": 80, "to_port": 80, "cidr_blocks": ("0.0.0.0/0",)}
    [finding] = cloud.wrong_with("aws_security_group", {"ingress": (rule,)})
    assert "from_port and to_port to 0" in finding.remedy


SOURCES = st.lists(st.sampled_from(["10.0.0.0/8", "0.0.0.0/0", "192.168.1.0/24"]), max_size=3, unique=True)
RULES = st.lists(
    st.fixed_dictionaries(
        {
            "protocol": st.sampled_from(["tcp", "6", "udp", "-1", "icmp", "TCP"]),
            "from_port": st.integers(0, 3),
            "to_port": st.integers(0, 3),
            "description": st.sampled_from(["", "a", "b"]),
            "cidr_blocks": SOURCES,
            "ipv6_cidr_blocks": st.lists(st.just("::/0"), max_size=1),
            "prefix_list_ids": st.lists(st.just("pl-1"), max_size=1),
            "security_groups": st.lists(st.sampled_from(["sg-1", "42/sg-2"]), max_size=2, unique=True),
            "self": st.booleans(),
        }
    ),
    max_size=4,
)


@given(RULES)
def test_rules_survive_the_way_to_the_api_and_back(rules):
    wanted = atoms(rules)
    told = permissions(wanted, "sg-0")
    for permission in told:
        for entry in permission.get("UserIdGroupPairs", ()):
            entry.setdefault("UserId", "1")  # which the API adds
    assert found_atoms(told, "sg-0", "1") == wanted
    assert atoms(grouped(wanted, None)) == wanted
    assert atoms(grouped(wanted, rules)) == wanted
