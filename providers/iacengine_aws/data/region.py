"""The data source aws_region: the region of the provider, or one named."""

from __future__ import annotations

from iacengine.foundation.diagnostics import failure, near_match
from iacengine.lang.values import Value
from iacengine_aws.client import Session
from iacengine_aws.data.source import DataSource
from iacengine_aws.spec import computed, optional_computed


def _read(session: Session, config: Value) -> Value:
    regions = session.regions()
    name, endpoint = config.get("name"), config.get("endpoint")
    if endpoint:
        named = {f"ec2.{region}.{suffix}": region for region, (_, suffix) in regions.items()}
        if endpoint not in named or (name and named[endpoint] != name):
            raise failure("Unknown AWS region", f'No region has the endpoint "{endpoint}".')
        name = named[endpoint]
    name = name or session.region
    if name not in regions:
        near = near_match(name, regions)
        raise failure(
            "Unknown AWS region",
            f'There is no region "{name}".',
            remedy=f'Did you mean "{near}"?' if near else None,
        )
    description, suffix = regions[name]
    return {"id": name, "name": name, "description": description, "endpoint": f"ec2.{name}.{suffix}"}


SOURCE = DataSource(
    {
        "description": computed(),
        "endpoint": optional_computed(),
        "id": optional_computed(),
        "name": optional_computed(),
    },
    _read,
)
