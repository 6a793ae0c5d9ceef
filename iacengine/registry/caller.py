"""Who asks, and what they may do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from iacengine.modules.wire import NAMESPACE_PATTERN
from iacengine.registry.refusal import Refusal

READ, ADMIN = "read", "admin"
SCOPE_PATTERN = rf"^(?:{READ}|{ADMIN}|publish:{NAMESPACE_PATTERN[1:-1]})$"


@dataclass(frozen=True, slots=True)
class Caller:
    """The user behind a token; without one, `user` is "" and nothing but what is open to all may be done."""

    user: str = ""
    account_id: int = 0
    token_id: str = ""
    scopes: frozenset[str] = frozenset()
    expires: datetime | None = None
    address: str = ""

    def may(self, scope: str) -> bool:
        """Whether the token grants this. An administrator's grants all; every token grants reading."""
        return ADMIN in self.scopes or scope in self.scopes or (scope == READ and bool(self.scopes))

    def require(self, scope: str) -> None:
        """Raises Refusal: 401 without a token, 403 with one that is not enough."""
        if not self.user:
            raise Refusal(
                401,
                "token_required",
                "A token is required",
                f"This takes a token with the scope {scope}.",
                "Log in: iac login HOST",
                {"WWW-Authenticate": 'Bearer realm="registry"'},
            )
        if not self.may(scope):
            raise Refusal(
                403,
                "scope_missing",
                "The token does not allow this",
                f"The token {self.token_id} of {self.user} has not the scope {scope}.",
                "Ask an administrator for a token that has it.",
            )


def is_scope(text: str) -> bool:
    """Whether this is a scope: `read`, `admin`, `publish:NAMESPACE`."""
    return re.fullmatch(SCOPE_PATTERN, text) is not None
