"""`terraform_data`: an object that lives in the state alone, with Terraform's exact semantics.

`output` is `input` once applied; while `input` changes it is unknown, but of the type of `input`. A change of
`triggers_replace` replaces the object, and with it the `id`, which is a UUID.
"""

from __future__ import annotations

import hashlib
import os

from iacengine.lang.types import DYNAMIC, STRING
from iacengine.lang.values import Refinement, Unknown, Value, is_null, same, type_of
from iacengine.provider.protocol import ApplyRequest, ApplyResponse, PlanRequest, PlanResponse
from iacengine.schema import Attribute, Block, Schema

DATA_SCHEMA = Schema(
    Block(
        {
            "id": Attribute(STRING, computed=True, description="A random UUID that stays while the object does."),
            "input": Attribute(DYNAMIC, optional=True, description="Any value; it becomes `output`."),
            "output": Attribute(DYNAMIC, computed=True, description="What `input` is, once applied."),
            "triggers_replace": Attribute(
                DYNAMIC, optional=True, force_new=True, description="Any value; its change replaces the object."
            ),
        }
    )
)

_NEW_ID = Unknown(STRING, Refinement(not_null=True))


def plan_data(request: PlanRequest) -> PlanResponse:
    """Exact types count: a list that becomes a tuple is a change."""
    if is_null(request.config):
        return PlanResponse(None, private=request.private)
    proposed, prior = request.proposed, request.prior
    given = proposed["input"]
    if is_null(prior):
        return PlanResponse({**proposed, "id": _NEW_ID, "output": _future(given)}, private=request.private)
    if not same(prior["triggers_replace"], proposed["triggers_replace"]):
        planned = {**proposed, "id": _NEW_ID, "output": _future(given)}
        return PlanResponse(planned, (("triggers_replace",),), request.private)
    if not same(prior["input"], given):
        return PlanResponse({**proposed, "output": Unknown(type_of(given))}, private=request.private)
    return PlanResponse(proposed, private=request.private)


def _future(given: Value) -> Value:
    """The output of a new object: of the type of the input, and null when that is."""
    return given if is_null(given) else Unknown(type_of(given))


def apply_data(request: ApplyRequest) -> ApplyResponse:
    """Nothing is made anywhere, so it cannot fail; the id follows from the token, so doing it again changes nothing."""
    if request.planned is None:
        return ApplyResponse(None)
    state = dict(request.planned)
    if state["output"].__class__ is Unknown:
        state["output"] = state["input"]
    if state["id"].__class__ is Unknown:
        state["id"] = _uuid(request.token)
    return ApplyResponse(state)


def _uuid(token: str) -> str:
    digits = hashlib.sha256(token.encode()).hexdigest() if token else os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:32]}"
