"""Sealing the sensitive values of objects and outputs one by one.

A sealed value stands in the place of the value as `{"iacengine:sealed": "base64"}`. Which values are sealed is told by
`sensitive_paths`, never by how a value looks, so that no genuine value can be taken for a sealed one:

- What stands at a sensitive path is sealed, unless it is null or not there.
- An object on the way that could be a stored `dynamic` value (`{"value", "type"}`: paths lead through the value, not
  through this form of it), one that looks sealed itself, and a value that the path does not fit are sealed whole.
- A text elsewhere in the object that holds a sealed text, because the provider hands it back in an attribute that it
  does not call sensitive, is sealed too. Where, is told by the paths behind `["iacengine:also"]`.
- When opening, the first sealed value on the way of each path is opened. A path that leads to something else than a
  sealed value or null shows that somebody put it there.

The text that is sealed is JSON, filled up with spaces to a multiple of 32 bytes, so that lengths tell less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from iacengine.foundation.crypto import ForgedError, Sealer
from iacengine.schema import Path
from iacengine.state.encryption.header import from_text, place, to_text
from iacengine.state.json_form import dump, load
from iacengine.state.model import ObjectKey, OutputState, ResourceObject

SEALED = "iacengine:sealed"
PRIVATE = b"iacengine-sealed\0"
ALSO: Path = ("iacengine:also",)
_BLOCK = 32
_PLAIN = frozenset({int, float, bool, type(None)})
_LEAST_PART = 6  # characters: a shorter text is looked for as a whole, not inside of others
_DYNAMIC = frozenset({"value", "type"})


class UnsealedError(Exception):
    """A sensitive value stands unsealed, or sealed for another place. `place` says where, for messages."""

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self.place = place


class ValueSealer:
    """Seals and opens the values of one stack."""

    __slots__ = ("_lineage", "_sealer")

    def __init__(self, sealer: Sealer, lineage: str) -> None:
        self._sealer, self._lineage = sealer, lineage

    # --- objects ----------------------------------------------------------------------------------------------------

    def seal_object(self, object_: ResourceObject) -> ResourceObject:
        if not object_.sensitive_paths and object_.private is None:
            return object_
        address = str(object_.address)

        def seal(path: Path, value: Any) -> Any:
            return self._seal(value, address, object_.deposed, path)

        attributes: Any = object_.attributes
        paths = object_.sensitive_paths
        places = _places(attributes, paths, _place_to_seal)
        echoes = _echoes(attributes, paths, places) if places else ()
        if echoes:
            paths = (*paths, ALSO, *echoes)
            places = _places(attributes, (*object_.sensitive_paths, *echoes), _place_to_seal)
        for path in places:
            attributes = _changed(attributes, path, 0, seal)
        private = object_.private
        if private is not None:
            at = place("private", self._lineage, address, object_.deposed)
            private = PRIVATE + self._sealer.seal(private, at)
        return replace(object_, attributes=attributes, private=private, sensitive_paths=paths)

    def open_object(self, object_: ResourceObject) -> ResourceObject:
        """Raises UnsealedError."""
        if not object_.sensitive_paths and object_.private is None:
            return object_
        address = str(object_.address)

        def open_(path: Path, value: Any) -> Any:
            return self._open(value, address, object_.deposed, path)

        attributes: Any = object_.attributes
        paths = object_.sensitive_paths
        own = paths[: paths.index(ALSO)] if ALSO in paths else paths
        try:
            for path in _places(attributes, [path for path in paths if path != ALSO], _place_to_open):
                attributes = _changed(attributes, path, 0, open_)
        except UnsealedError as found:
            raise UnsealedError(f"{address}: {found.place}") from None
        if attributes.__class__ is not dict and not isinstance(attributes, Mapping):
            raise UnsealedError(address)
        private = object_.private
        if private is not None:
            at = place("private", self._lineage, address, object_.deposed)
            try:
                if not private.startswith(PRIVATE):
                    raise ForgedError
                private = self._sealer.open(private[len(PRIVATE) :], at)
            except ForgedError:
                raise UnsealedError(f"{address}: the provider's private data") from None
        return replace(object_, attributes=attributes, private=private, sensitive_paths=own)

    def _seal(self, value: Any, address: str, deposed: str, path: Path) -> dict[str, str]:
        text, wide = dump(value)
        text = (b"w" if wide else b"j") + text
        text += b" " * (-len(text) % _BLOCK)
        return {SEALED: to_text(self._sealer.seal(text, place("value", self._lineage, address, deposed, path)))}

    def _open(self, value: Any, address: str, deposed: str, path: Path) -> Any:
        at = place("value", self._lineage, address, deposed, path)
        try:
            if len(value) != 1:
                raise ForgedError
            text = self._sealer.open(from_text(value[SEALED]), at)
            return load(text[1:], text[:1] == b"w")
        except (ForgedError, ValueError, KeyError, TypeError):
            raise UnsealedError(_path_text(path)) from None

    # --- outputs ----------------------------------------------------------------------------------------------------

    def seal_output(self, name: str, output: OutputState) -> OutputState:
        if not output.sensitive or output.value is None:
            return output
        return replace(output, value=self._seal(output.value, f"output.{name}", "", ()))

    def open_output(self, name: str, output: OutputState) -> OutputState:
        """Raises UnsealedError."""
        if not output.sensitive or output.value is None:
            return output
        try:
            if not isinstance(output.value, Mapping):
                raise UnsealedError("")
            return replace(output, value=self._open(output.value, f"output.{name}", "", ()))
        except UnsealedError:
            raise UnsealedError(f"output.{name}") from None


ObjectChange = Callable[[ResourceObject], ResourceObject]
OutputChange = Callable[[str, OutputState], OutputState]


def change_objects(
    objects: Mapping[ObjectKey, ResourceObject | None], change: ObjectChange
) -> dict[ObjectKey, ResourceObject | None]:
    return {key: None if object_ is None else change(object_) for key, object_ in objects.items()}


def change_outputs(outputs: Mapping[str, OutputState], change: OutputChange) -> dict[str, OutputState]:
    return {name: change(name, output) for name, output in outputs.items()}


# --- places ---------------------------------------------------------------------------------------------------------


def _places(value: Any, paths: Iterable[Path], find: Callable[[Any, Path], Path | None]) -> Sequence[Path]:
    """The places that paths come to, each once, and none below another."""
    found = {place for path in paths if (place := find(value, path)) is not None}
    if len(found) < 2:
        return tuple(found)
    return [place for place in found if not any(place[:length] in found for length in range(len(place)))]


def _place_to_seal(value: Any, path: Path) -> Path | None:
    """What is to be sealed for this path; None when there is nothing."""
    for length, step in enumerate(path):
        if value is None:
            return None
        if isinstance(value, Mapping):
            if SEALED in value or value.keys() == _DYNAMIC or not isinstance(step, str):
                return path[:length]
            if step not in value:
                return None
            value = value[step]
        elif isinstance(value, list | tuple) and isinstance(step, int) and step >= 0:
            if step >= len(value):
                return None
            value = value[step]
        else:
            return path[:length]
    return None if value is None else path


def _place_to_open(value: Any, path: Path) -> Path | None:
    """Where the sealed value of this path stands; None when there is none. Raises UnsealedError."""
    for length, step in enumerate(path):
        if value is None:
            return None
        if isinstance(value, Mapping):
            if SEALED in value:
                return path[:length]
            if not isinstance(step, str):
                raise UnsealedError(_path_text(path))
            if step not in value:
                return None
            value = value[step]
        elif isinstance(value, list | tuple) and isinstance(step, int) and step >= 0:
            if step >= len(value):
                return None
            value = value[step]
        else:
            raise UnsealedError(_path_text(path))
    if value is None:
        return None
    if not isinstance(value, Mapping) or SEALED not in value:
        raise UnsealedError(_path_text(path))
    return path


def _echoes(attributes: Any, paths: Iterable[Path], places: Iterable[Path]) -> Sequence[Path]:
    """Where else in the object the sensitive texts stand, or are part of a text."""
    secrets: set[str] = set()
    for path in paths:
        _collect_at(attributes, path, secrets)
    secrets.discard("")
    if not secrets:
        return ()
    found: list[Path] = []
    _find(attributes, (), frozenset(places), secrets, [text for text in secrets if len(text) >= _LEAST_PART], found)
    return sorted(_places(attributes, found, _place_to_seal), key=str) if found else ()


def _collect_at(value: Any, path: Path, texts: set[str]) -> None:
    """The texts at a path, which leads through the values of stored `dynamic` ones."""
    for length, step in enumerate(path):
        if isinstance(value, Mapping):
            if value.keys() == _DYNAMIC:
                _collect_at(value["value"], path[length:], texts)
            if step not in value:
                return
            value = value[step]
        elif isinstance(value, list | tuple) and isinstance(step, int) and 0 <= step < len(value):
            value = value[step]
        else:
            return
    _collect(value, texts)


def _collect(value: Any, texts: set[str]) -> None:
    if value.__class__ is str:
        texts.add(value)
    elif isinstance(value, Mapping):
        for child in value.values():
            _collect(child, texts)
    elif isinstance(value, list | tuple):
        for child in value:
            _collect(child, texts)


def _find(
    value: Any, path: Path, places: frozenset[Path], whole: set[str], parts: list[str], found: list[Path]
) -> None:
    kind = value.__class__
    if kind is str:
        if value in whole:
            if path not in places:
                found.append(path)
            return
        for part in parts:
            if part in value and path not in places:
                found.append(path)
                return
    elif kind is dict or isinstance(value, Mapping):
        if path not in places:
            for name, child in value.items():
                if child.__class__ not in _PLAIN:
                    _find(child, (*path, name), places, whole, parts, found)
    elif isinstance(value, list | tuple) and path not in places:
        for index, child in enumerate(value):
            if child.__class__ not in _PLAIN:
                _find(child, (*path, index), places, whole, parts, found)


def _changed(value: Any, path: Path, depth: int, change: Callable[[Path, Any], Any]) -> Any:
    """A copy of the value with what stands at the path changed; what is beside the path is shared."""
    if depth == len(path):
        return change(path, value)
    step: Any = path[depth]
    copied: Any = dict(value) if isinstance(value, Mapping) else list(value)
    copied[step] = _changed(copied[step], path, depth + 1, change)
    return copied


def _path_text(path: Path) -> str:
    return ".".join(map(str, path)) if path else "the whole object"
