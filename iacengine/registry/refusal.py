"""What the service answers when it does not do what it was asked."""

from __future__ import annotations

from collections.abc import Mapping


class Refusal(Exception):  # noqa: N818 - it is an answer
    """An answer with a status of 400 or more: see `wire.Problem`. `headers` go with it."""

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str = "",
        remedy: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{title}: {detail}" if detail else title)
        self.status, self.code, self.title, self.detail, self.remedy = status, code, title, detail, remedy
        self.headers = dict(headers or {})


def no_module(label: str) -> Refusal:
    return Refusal(404, "no_such_module", "No such module", f"There is no {label} here.", "Search for it.")


def no_version(label: str, version: str) -> Refusal:
    return Refusal(
        404, "no_such_version", "No such version", f"{label} has no version {version}.", "See its list of versions."
    )


def deleted_version(label: str, version: str) -> Refusal:
    return Refusal(
        410,
        "version_deleted",
        "Version was deleted",
        f"An administrator deleted {label} {version}.",
        "Use another version; this number is not given away again.",
    )
