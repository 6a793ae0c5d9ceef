"""The ephemeral resource aws_secretsmanager_random_password: another password each time."""

from __future__ import annotations

from iacengine.lang.values import Value
from iacengine_aws.client import Session
from iacengine_aws.data.source import DataSource
from iacengine_aws.spec import BOOL, NUMBER, computed, optional

_PARAMETERS = {
    "exclude_characters": "ExcludeCharacters",
    "exclude_lowercase": "ExcludeLowercase",
    "exclude_numbers": "ExcludeNumbers",
    "exclude_punctuation": "ExcludePunctuation",
    "exclude_uppercase": "ExcludeUppercase",
    "include_space": "IncludeSpace",
    "password_length": "PasswordLength",
    "require_each_included_type": "RequireEachIncludedType",
}


def _open(session: Session, config: Value) -> Value:
    params = {api: config[name] for name, api in _PARAMETERS.items() if config[name] is not None}
    made = session.call("secretsmanager", "get_random_password", params)
    return {**config, "random_password": made["RandomPassword"]}


SOURCE = DataSource(
    {
        "exclude_characters": optional(),
        **{name: optional(BOOL) for name in _PARAMETERS if name not in ("exclude_characters", "password_length")},
        "password_length": optional(NUMBER),
        "random_password": computed(sensitive=True),
    },
    _open,
)
