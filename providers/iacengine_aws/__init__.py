"""The adapter for AWS, which stands in for Terraform's provider hashicorp/aws."""

from __future__ import annotations

from iacengine.provider.protocol import Provider, ProviderPlugin


def _create() -> Provider:
    from iacengine_aws.provider import AwsProvider  # loaded when the provider is used

    return AwsProvider()


PROVIDER = ProviderPlugin(name="aws", create=_create, stands_in_for=("hashicorp/aws",))
