"""JSON Schema of trust policies, for editors: `iac schema --trust`."""

from __future__ import annotations

from typing import Any, Final

_MOMENT: Final = {
    "type": "string",
    "pattern": r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2}))?$",
}
_KEY_ID: Final = r"^ed25519:[0-9a-f]{32}$"
_COMMENT: Final = {"//": {"description": "A comment."}}


def _closed(properties: dict[str, Any], required: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**properties, **_COMMENT},
        "required": list(required),
        "additionalProperties": False,
    }


def _text(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "description": description, **more}


TRUST_SCHEMA: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Trust policy of iacengine",
    "description": "Which keys may sign which modules: iac.trust.yaml beside a stack, or trust.yaml among a user's "
    "settings.",
    "type": ["object", "null"],
    "properties": {
        "keys": {
            "type": "array",
            "description": "The keys that namespaces may name.",
            "items": _closed(
                {
                    "name": _text("What to call it here and in messages."),
                    "public": _text("The public key, as `iac keys export` prints it: base64, or PEM."),
                    "id": _text("Its id, which must be that of the public key.", pattern=_KEY_ID),
                    "expires": {**_MOMENT, "description": "From then on (UTC) its signatures count no more."},
                },
                ("public",),
            ),
        },
        "namespaces": {
            "type": "object",
            "description": "Who may sign which modules: acme/*, acme/vpc/aws, registry.example.org/acme/* or *. The "
            "pattern that names most decides.",
            "additionalProperties": _closed(
                {
                    "keys": {
                        "type": "array",
                        "minItems": 1,
                        "uniqueItems": True,
                        "items": _text("The name or id of a key, or the name of a Sigstore identity."),
                    },
                    "signatures": {
                        "type": "integer",
                        "minimum": 1,
                        "default": 1,
                        "description": "So many different keys have to have signed.",
                    },
                },
                ("keys",),
            ),
            "properties": _COMMENT,
        },
        "unsigned": {
            "enum": ["refuse", "allow"],
            "default": "refuse",
            "description": "Modules without signatures, where no namespace asks for them.",
        },
        "first_use": {
            "enum": ["refuse", "ask", "allow"],
            "default": "refuse",
            "description": "Keys that are met first, in a namespace that is not said here.",
        },
        "revoked": {
            "type": "array",
            "description": "Keys whose signatures count no more, whenever they were made.",
            "items": {
                "anyOf": [
                    _text("The id of a key, or the name of one above."),
                    _closed(
                        {
                            "key": _text("The id of a key, or the name of one above."),
                            "time": _MOMENT,
                            "reason": {"type": "string"},
                        },
                        ("key",),
                    ),
                ]
            },
        },
        "sigstore": {
            "type": "array",
            "description": "Identities that sign with Sigstore, as build services do.",
            "items": _closed(
                {
                    "name": _text("What to call it here and in messages."),
                    "identity": _text("The subject of the certificate: an address, or a workflow's URL."),
                    "issuer": _text("Who says so: the URL of the OpenID Connect issuer."),
                    "trusted_root": _text("The file of trusted roots (trusted_root.json), beside this one."),
                },
                ("name", "identity", "issuer", "trusted_root"),
            ),
        },
    },
    "additionalProperties": False,
}
TRUST_SCHEMA["properties"] |= _COMMENT
