"""aws_vpc."""

from __future__ import annotations

from iacengine_aws.client import Session
from iacengine_aws.members import dig
from iacengine_aws.spec import (
    BOOL,
    NUMBER,
    BatchGet,
    Create,
    Delete,
    Find,
    Get,
    Hooks,
    Plain,
    ResourceSpec,
    Retry,
    TagApi,
    Update,
    Wait,
    computed,
    optional,
    optional_computed,
    unsupported,
)


def _observe(session: Session, attributes: Plain, observation: Plain) -> Plain:
    """The associated IPv6 block, which stays listed after it was given back."""
    blocks = [
        block
        for block in dig(observation, "Vpc.Ipv6CidrBlockAssociationSet") or ()
        if dig(block, "Ipv6CidrBlockState.State") == "associated"
    ]
    block = blocks[0] if blocks else {}
    attributes["ipv6_cidr_block"] = block.get("Ipv6CidrBlock", "")
    attributes["ipv6_association_id"] = block.get("AssociationId", "")
    attributes["ipv6_cidr_block_network_border_group"] = block.get("NetworkBorderGroup") or ""
    if blocks and not attributes["assign_generated_ipv6_cidr_block"]:
        attributes["assign_generated_ipv6_cidr_block"] = block.get("Ipv6Pool") == "Amazon" or None
    return attributes


def _updated(session: Session, prior: Plain, wanted: Plain) -> None:
    """Take or give back the IPv6 block."""
    before, after = (
        bool(prior.get("assign_generated_ipv6_cidr_block")),
        bool(wanted["assign_generated_ipv6_cidr_block"]),
    )
    if before and not after and prior.get("ipv6_association_id"):
        session.call("ec2", "disassociate_vpc_cidr_block", {"AssociationId": prior["ipv6_association_id"]})
    elif after and not before:
        params = {"VpcId": wanted["id"], "AmazonProvidedIpv6CidrBlock": True}
        session.call("ec2", "associate_vpc_cidr_block", params)


def _attribute(name: str, into: str) -> Get:
    return Get(
        "describe_vpc_attribute",
        {"VpcId": "$id", "Attribute": name},
        into=into,
        take=f"{into}.Value",
        missing=("InvalidVpcID.NotFound",),
        absent=("InvalidParameterValue",),
    )


def _modify(attribute: str, member: str) -> Update:
    params = {"VpcId": "$id", member: {"Value": f"${attribute}"}}
    return Update("modify_vpc_attribute", (attribute,), params, after_create=True, skip_null=True)


_V6 = ("assign_generated_ipv6_cidr_block",)

SPEC = ResourceSpec(
    type="aws_vpc",
    service="ec2",
    version=1,
    fields={
        "arn": computed(derive="arn:{partition}:ec2:{region}:{owner_id}:vpc/{id}"),
        "assign_generated_ipv6_cidr_block": optional(BOOL, create="AmazonProvidedIpv6CidrBlock"),
        "cidr_block": optional_computed(force_new=True, create="CidrBlock", read="Vpc.CidrBlock"),
        "default_network_acl_id": computed(read="NetworkAcl.NetworkAclId"),
        "default_route_table_id": computed(read="RouteTable.RouteTableId"),
        "default_security_group_id": computed(read="SecurityGroup.GroupId"),
        "dhcp_options_id": computed(read="Vpc.DhcpOptionsId"),
        "enable_dns_hostnames": optional_computed(BOOL, read="EnableDnsHostnames", initial=False),
        "enable_dns_support": optional(BOOL, default=True, read="EnableDnsSupport", initial=True),
        "enable_network_address_usage_metrics": optional_computed(
            BOOL, read="EnableNetworkAddressUsageMetrics", initial=False
        ),
        "instance_tenancy": optional(
            default="default",
            force_new=True,
            create="InstanceTenancy",
            read="Vpc.InstanceTenancy",
            choices=("default", "dedicated"),
        ),
        "ipv4_ipam_pool_id": unsupported(),
        "ipv4_netmask_length": unsupported(NUMBER),
        "ipv6_association_id": computed(computed_from=_V6),
        "ipv6_cidr_block": unsupported(computed=True, computed_from=_V6),
        "ipv6_cidr_block_network_border_group": unsupported(computed=True, computed_from=_V6),
        "ipv6_ipam_pool_id": unsupported(),
        "ipv6_netmask_length": unsupported(NUMBER),
        "main_route_table_id": computed(read="RouteTable.RouteTableId"),
        "owner_id": computed(read="Vpc.OwnerId"),
    },
    create=Create("create_vpc", "Vpc.VpcId"),
    read=(
        BatchGet("describe_vpcs", "vpc-id", "Vpcs", "VpcId", into="Vpc", decides=True),
        BatchGet(
            "describe_route_tables",
            "vpc-id",
            "RouteTables",
            "VpcId",
            into="RouteTable",
            filters=(("association.main", "true"),),
        ),
        BatchGet(
            "describe_network_acls", "vpc-id", "NetworkAcls", "VpcId", into="NetworkAcl", filters=(("default", "true"),)
        ),
        BatchGet(
            "describe_security_groups",
            "vpc-id",
            "SecurityGroups",
            "VpcId",
            into="SecurityGroup",
            filters=(("group-name", "default"),),
        ),
        _attribute("enableDnsHostnames", "EnableDnsHostnames"),
        _attribute("enableDnsSupport", "EnableDnsSupport"),
        _attribute("enableNetworkAddressUsageMetrics", "EnableNetworkAddressUsageMetrics"),
    ),
    updates=(
        _modify("enable_dns_support", "EnableDnsSupport"),
        _modify("enable_dns_hostnames", "EnableDnsHostnames"),
        _modify("enable_network_address_usage_metrics", "EnableNetworkAddressUsageMetrics"),
    ),
    delete=Delete(
        "delete_vpc",
        {"VpcId": "$id"},
        missing=("InvalidVpcID.NotFound",),
        retries=(Retry("DependencyViolation"),),
        patience=60,
    ),
    wait=Wait("Vpc.State", done=("available",)),
    tags=TagApi(
        read="Vpc.Tags",
        create="TagSpecifications",
        resource_type="vpc",
        add=("create_tags", {"Resources": ["$id"], "Tags": "@tags"}),
        remove=("delete_tags", {"Resources": ["$id"], "Tags": "@keys"}),
    ),
    find=Find("describe_vpcs", "Vpcs", "VpcId", filter_tag=True),
    find_notes="by the tag iacengine:token, which is set by the create call itself",
    hooks=Hooks(observe=_observe, updated=_updated),
)
