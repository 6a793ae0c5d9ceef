"""A provider whose defect is chosen by the environment variable DEFECT; without one it works."""

import os

from iacengine.lang.types import STRING
from iacengine.lang.values import Unknown
from iacengine.provider.base import ProviderBase
from iacengine.provider.protocol import (
    ApplyResponse,
    ImportedObject,
    PlanResponse,
    ProviderPlugin,
    ProviderSchema,
    ReadResponse,
)
from iacengine.schema import Attribute, Block, Schema

_THING = Schema(Block({"id": Attribute(STRING, computed=True), "name": Attribute(STRING, optional=True)}))
_SCHEMA = ProviderSchema(resources={"defective_thing": _THING}, data_sources={"defective_thing": _THING})
_MADE = {}
_WRONG = {
    "text": "x",
    "names": {"foo": "x"},
    "types": {"id": 1, "name": []},
    "unknown": {"id": Unknown(STRING), "name": "x"},
}


def _defect(method):
    """What the method answers instead of the truth; None when it has no defect."""
    found, _, kind = os.environ.get("DEFECT", "").partition(" ")
    if found != method:
        return None
    if kind == "raise":
        raise RuntimeError("boom")
    if kind == "exit":
        raise SystemExit(3)
    return kind


class Defective(ProviderBase):
    def schema(self):
        _defect("schema")
        return _SCHEMA

    def configure(self, config, context):
        _defect("configure")
        return ()

    def validate_resource(self, type_, config):
        _defect("validate_resource")
        return ()

    def plan(self, requests):
        match _defect("plan"):
            case None:
                return super().plan(requests)
            case "few":
                return []
            case "none":
                return [None for _ in requests]
            case kind:
                return [PlanResponse(_WRONG[kind]) for _ in requests]

    def read(self, requests):
        match _defect("read"):
            case None:
                return [ReadResponse(request.state) for request in requests]
            case "few":
                return []
            case kind:
                return [ReadResponse(_WRONG[kind]) for _ in requests]

    def read_data(self, type_, config):
        match _defect("read_data"):
            case None:
                return ReadResponse({"id": "1", "name": config["name"]})
            case "none":
                return None
            case kind:
                return ReadResponse(_WRONG[kind])

    def apply(self, request):
        if request.planned is None:
            return ApplyResponse(None)
        made = {**request.planned, "id": "1"}
        _MADE[request.token] = made
        match _defect("apply"):
            case None:
                return ApplyResponse(made)
            case "none":
                return None
            case "nothing":
                return ApplyResponse(None)
            case kind:
                return ApplyResponse(_WRONG[kind])

    def find(self, type_, token):
        return ReadResponse(_MADE.get(token))

    def import_(self, type_, id_):
        if _defect("import") == "none":
            return None
        return [ImportedObject(type_, {"id": id_, "name": "x"})], ()

    def close(self):
        _defect("close")


PROVIDER = ProviderPlugin("defective", Defective)
