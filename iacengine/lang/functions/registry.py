"""Every built-in function by name. A family's module is imported when one of its functions is first asked for."""

from __future__ import annotations

from importlib import import_module

from iacengine.lang.functions.calling import call
from iacengine.lang.functions.context import Files, FunctionContext
from iacengine.lang.functions.signature import Function, FunctionError, Parameter

__all__ = ["Files", "Function", "FunctionContext", "FunctionError", "Parameter", "call", "lookup", "names"]

_FAMILIES = {
    "csv_text": "csvdecode",
    "crypto": "bcrypt rsadecrypt uuid uuidv5",
    "dates": "formatdate plantimestamp timeadd timecmp timestamp",
    "encoding": "base64decode base64encode base64gzip textdecodebase64 textencodebase64 urlencode",
    "filehashes": "filebase64sha256 filebase64sha512 filemd5 filesha1 filesha256 filesha512",
    "filesystem": "abspath basename dirname file filebase64 fileexists fileset pathexpand templatefile",
    "formatting": "format formatlist",
    "hashes": "base64sha256 base64sha512 md5 sha1 sha256 sha512",
    "json_text": "jsondecode jsonencode",
    "lists": "chunklist compact concat distinct element flatten reverse slice",
    "maps": "keys lookup merge transpose values zipmap",
    "network": "cidrhost cidrnetmask cidrsubnet cidrsubnets",
    "numeric": "abs ceil floor log max min parseint pow range signum sum",
    "regexes": "regex regexall replace",
    "search": "alltrue anytrue coalesce coalescelist contains index length matchkeys one",
    "sensitivity": "ephemeralasnull issensitive nonsensitive sensitive",
    "setoperations": "setintersection setproduct setsubtract setunion",
    "string": (
        "chomp endswith indent join lower sort split startswith strcontains strrev substr title trim trimprefix "
        "trimspace trimsuffix upper"
    ),
    "tfvars": (
        "provider::terraform::decode_tfvars provider::terraform::encode_expr provider::terraform::encode_tfvars"
    ),
    "typeconv": "tobool tolist tomap tonumber toset tostring",
    "yaml_text": "yamldecode yamlencode",
}
# The evaluator itself answers these: they need their arguments unevaluated, or the reference an argument is.
_OF_THE_EVALUATOR = ("can", "templatestring", "try")

_MODULE_OF = {name: family for family, members in _FAMILIES.items() for name in members.split()}
_NAMES = tuple(sorted((*_MODULE_OF, *_OF_THE_EVALUATOR)))
_loaded: dict[str, Function] = {}


def names() -> tuple[str, ...]:
    """The names of all functions, sorted; those the evaluator answers itself (`try`, `can`, `templatestring`) too."""
    return _NAMES


def lookup(name: str) -> Function | None:
    """The function of that name, which may begin with `core::`; None when the registry holds none."""
    found = _loaded.get(name)
    if found is not None:
        return found
    plain = name.removeprefix("core::")
    family = _MODULE_OF.get(plain)
    if family is None or (plain is not name and "::" in plain):
        return None
    module = import_module(f"iacengine.lang.functions.{family}")
    for function in module.FUNCTIONS:
        _loaded[function.name] = function
        if "::" not in function.name:
            _loaded[f"core::{function.name}"] = function
    return _loaded.get(name)
