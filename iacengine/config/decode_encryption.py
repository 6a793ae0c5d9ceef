"""The `encryption` object of a `stack` block: where the key is, and what is encrypted."""

from __future__ import annotations

from iacengine.config.block_reader import BlockReader, kind_of
from iacengine.config.model import EncryptionBlock, EncryptionKey, KeyPath, Raw

KEYS = ("passphrase_env", "key_file", "kms", "command")
KMS = ("key_id", "region", "endpoint", "profile")
_EXAMPLE = "Write encryption: {passphrase_env: MY_PASSPHRASE}, {key_file: …}, {kms: {key_id: …}} or {command: […]}."


def decode_encryption(reader: BlockReader) -> EncryptionBlock | None:
    """The `encryption` of a settings block; None when there is none, or it is wrong (and noted)."""
    value = reader.take("encryption")
    if value is None:
        return None
    if value.__class__ is not dict:
        reader.wrong(
            "Wrong type",
            f'"encryption" must be an object, not {kind_of(value)}.',
            "encryption",
            remedy=_EXAMPLE,
        )
        return None
    inner = reader.inner(value, ("encryption",), "encryption block")
    key = _key(inner)
    full = inner.boolean("full")
    previous = [_previous(inner, item, ("previous", index)) for index, item in enumerate(inner.items("previous"))]
    inner.finish((*KEYS, "full", "previous"))
    return EncryptionBlock(inner.origin, key, tuple(one for one in previous if one is not None), bool(full))


def _previous(reader: BlockReader, value: Raw, path: KeyPath) -> EncryptionKey | None:
    if value.__class__ is not dict:
        reader.wrong("Wrong type", f"A previous key is an object, not {kind_of(value)}.", *path, remedy=_EXAMPLE)
        return None
    inner = reader.inner(value, path, "previous key")
    key = _key(inner)
    if key is None and not any(name in value for name in (*KEYS, "passphrase")):
        inner.wrong("No key", f"A previous key names one of {', '.join(KEYS)}.", remedy=_EXAMPLE)
    inner.finish(KEYS)
    return key


def _key(reader: BlockReader) -> EncryptionKey | None:
    """The key that a block names; None when it names none, or it is wrong (and noted)."""
    if "passphrase" in reader.left:
        reader.take("passphrase")
        reader.wrong(
            "Passphrase in a stack file",
            "A passphrase does not belong in a file that others read.",
            "passphrase",
            key=True,
            remedy="Put it into an environment variable and name that: passphrase_env: MY_PASSPHRASE. Without any "
            "setting, IAC_ENCRYPTION_PASSPHRASE is used.",
        )
    named = [name for name in KEYS if name in reader.left]
    for other in named[1:]:
        reader.take(other)
        reader.wrong(
            "Several keys",
            f'One key encrypts: "{named[0]}" is given already.',
            other,
            key=True,
            remedy="Remove one. A key that is only to open what it sealed goes under `previous`.",
        )
    if not named:
        return None
    kind = named[0]
    match kind:
        case "kms":
            value: Raw = _kms(reader)
        case "command":
            value = _command(reader)
        case _:
            value = reader.text(kind)
            if value == "":
                reader.wrong(f'Empty "{kind}"', f'"{kind}" must not be empty.', kind)
                value = None
    return None if value is None else EncryptionKey(kind, value, reader.origin.at(kind))


def _kms(reader: BlockReader) -> Raw:
    body = reader.take("kms")
    if body.__class__ is not dict:
        reader.wrong(
            "Wrong type", f'"kms" must be an object, not {kind_of(body)}.', "kms", remedy="Write kms: {key_id: …}."
        )
        return None
    inner = reader.inner(body, ("kms",), "kms block")
    found = {name: inner.text(name) for name in KMS if name in inner.left}
    inner.finish(KMS)
    if "key_id" not in found:
        inner.wrong(
            'Missing "key_id"', "A key of KMS is named by its id, ARN or alias.", key=True, remedy="Add key_id: …"
        )
    return found if found.get("key_id") else None


def _command(reader: BlockReader) -> Raw:
    value = reader.take("command")
    if value.__class__ is not list or not value:
        found = "an empty list" if value == [] else kind_of(value)
        reader.wrong(
            "Wrong type",
            f'"command" must be a list of a program and its arguments, not {found}: no shell is used.',
            "command",
            remedy='Write command: ["pass", "show", "iac/key"].',
        )
        return None
    words = [reader.literal_text(word, "command", index) for index, word in enumerate(value)]
    return None if None in words else words
