"""Tags: those of the configuration, the provider's default tags, and those that are none of ours.

`tags_all` is what an object carries: the default tags with the object's own over them. The tag `iacengine:token` says
which operation made an object, so that an interrupted create can be found again; it and the tags that AWS sets are
never shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iacengine_aws.members import dig
from iacengine_aws.settings import Settings
from iacengine_aws.spec import TagApi

TOKEN = "iacengine:token"  # noqa: S105 - the name of a tag

Tags = dict[str, str]


def is_hidden(key: str, settings: Settings) -> bool:
    """True for a tag that is not managed: ours, AWS's own, or one the provider's configuration says to ignore."""
    return (
        key == TOKEN
        or key.startswith("aws:")
        or key in settings.ignored_keys
        or (bool(settings.ignored_prefixes) and key.startswith(settings.ignored_prefixes))
    )


def merged(settings: Settings, own: Mapping[str, str | None] | None) -> Tags:
    """All tags that an object with these tags of its own is to carry."""
    everything = {**(settings.default_tags or {}), **(own or {})}
    return {key: everything[key] or "" for key in sorted(everything) if not is_hidden(key, settings)}


def read_tags(api: TagApi, observation: Mapping[str, Any]) -> Tags:
    """The tags in an observation, whatever the form."""
    return from_api(dig(observation, api.read), api.form)


def from_api(found: Any, form: str) -> Tags:
    if not found:
        return {}
    if form == "map":
        return dict(found)
    return {tag["Key"]: tag.get("Value", "") for tag in found}


def to_api(tags: Mapping[str, str], form: str) -> Any:
    """The tags as the API takes them."""
    return dict(tags) if form == "map" else [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def shown(settings: Settings, found: Mapping[str, str], prior: Mapping[str, str] | None) -> tuple[Tags | None, Tags]:
    """The attributes `tags` and `tags_all` of an object that carries these tags.

    A tag is the object's own when it was before, or when no default tag says the same.
    """
    everything = {key: found[key] for key in sorted(found) if not is_hidden(key, settings)}
    defaults = settings.default_tags or {}
    own = {key: value for key, value in everything.items() if key in (prior or {}) or defaults.get(key) != value}
    return (own or (None if prior is None else {})), everything
