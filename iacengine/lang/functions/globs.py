"""File name patterns of `fileset`: `*`, `?`, `[a-z]`, `{a,b}`, and `**` for any depth of directories.

The semantics are those of the Go library doublestar 1.1, which Terraform uses, its peculiarities included.
"""

from __future__ import annotations

from iacengine.lang.functions.context import Files


class PatternSyntaxError(ValueError):
    """A pattern with an unclosed bracket or brace, or an escape of nothing."""


def clean(path: str) -> str:
    """The shortest path that means the same, without looking at the disk: no `.`, no empty and no needless `..`."""
    rooted = path.startswith("/")
    kept: list[str] = []
    for part in path.split("/"):
        if part in ("", "."):
            continue
        if part != "..":
            kept.append(part)
        elif kept and kept[-1] != "..":
            kept.pop()
        elif not rooted:
            kept.append(part)
    joined = "/".join(kept)
    return "/" + joined if rooted else joined or "."


def join(*parts: str) -> str:
    """The parts as one clean path."""
    return clean("/".join(part for part in parts if part))


def relative(path: str, base: str) -> str:
    """The path as seen from the base; both are clean, and both relative or both absolute."""
    targets = [] if path == "." else path.split("/")
    bases = [] if base == "." else base.split("/")
    shared = 0
    while shared < min(len(targets), len(bases)) and targets[shared] == bases[shared]:
        shared += 1
    return "/".join([".."] * (len(bases) - shared) + targets[shared:]) or "."


def glob(pattern: str, files: Files) -> list[str]:
    """The paths that match a clean pattern, files and directories. Raises PatternSyntaxError.

    A directory that cannot be read is skipped.
    """
    components = _split_unescaped(pattern, "/")
    found: list[str] = []
    if components[0] == "":
        _walk("/", components[1:], files, found)
    else:
        _walk(".", components, files, found)
    return found


def _walk(base: str, components: list[str], files: Files, found: list[str]) -> None:
    fixed = 0
    while fixed < len(components) and not any(character in components[fixed] for character in "*?[{\\"):
        fixed += 1
    if fixed:
        base = join(base, *components[:fixed])
        components = components[fixed:]
    kind = files.kind(base)
    if kind is None:
        return
    if not components:
        found.append(base)
        return
    if kind != "directory":
        return
    try:
        entries = files.entries(base)
    except OSError:
        return
    if components[0] == "**":
        for name, is_directory in entries:
            path = join(base, name)
            if len(components) == 1:
                found.append(path)
            if is_directory:
                _walk(path, components, files, found)
        components = components[1:]
        if not components:
            return
    for name, _ in entries:
        if matches(components[0], name):
            path = join(base, name)
            if len(components) == 1:
                found.append(path)
            else:
                _walk(path, components[1:], files, found)


def matches(pattern: str, name: str) -> bool:
    """Whether a name matches one component of a pattern. Raises PatternSyntaxError where the pattern is malformed."""
    if not pattern or not name:
        return pattern == name or (not name and pattern == "*")
    at = in_name = 0
    while at < len(pattern) and in_name < len(name):
        character = pattern[at]
        if character == "\\":
            if at + 1 >= len(pattern):
                raise PatternSyntaxError("an escape of nothing")
            if pattern[at + 1] != name[in_name]:
                return False
            at, in_name = at + 2, in_name + 1
        elif character == "*":
            return at + 1 == len(pattern) or _matches_somewhere(pattern[at + 1 :], name[in_name:])
        elif character == "[":
            end = _find_unescaped(pattern, "]", at + 1)
            if end < 0:
                raise PatternSyntaxError("an unclosed [")
            if not _in_class(pattern[at + 1 : end], name[in_name]):
                return False
            at, in_name = end + 1, in_name + 1
        elif character == "{":
            end = _find_unescaped(pattern, "}", at + 1)
            if end < 0:
                raise PatternSyntaxError("an unclosed {")
            options = _split_unescaped(pattern[at + 1 : end], ",")
            return any(matches(option + pattern[end + 1 :], name[in_name:]) for option in options)
        elif character == "?" or character == name[in_name]:
            at, in_name = at + 1, in_name + 1
        else:
            return False
    rest = pattern[at:]
    return rest == "**" or (in_name >= len(name) and rest in ("", "*"))


def _matches_somewhere(pattern: str, name: str) -> bool:
    for start in range(len(name)):
        try:
            if matches(pattern, name[start:]):
                return True
        except PatternSyntaxError:
            continue
    return False


def _in_class(members: str, character: str) -> bool:
    if not members:
        raise PatternSyntaxError("an empty character class")
    negated = members[0] == "^"
    at = int(negated)
    found = False
    while at < len(members):
        low, at = _class_member(members, at)
        high = low
        if at < len(members) and members[at] == "-":
            high, at = _class_member(members, at + 1)
        found = found or low <= character <= high
    return found != negated


def _class_member(members: str, at: int) -> tuple[str, int]:
    if at < len(members) and members[at] == "\\":
        at += 1
    elif at < len(members) and members[at] == "-":
        raise PatternSyntaxError("a misplaced - in a character class")
    if at >= len(members):
        raise PatternSyntaxError("an unfinished character class")
    return members[at], at + 1


def _find_unescaped(text: str, character: str, start: int) -> int:
    at = text.find(character, start)
    while at > start and text[at - 1] == "\\":
        at = text.find(character, at + 1)
    return at


def _split_unescaped(text: str, separator: str) -> list[str]:
    parts: list[str] = []
    start = 0
    while (end := _find_unescaped(text, separator, start)) >= 0:
        parts.append(text[start:end])
        start = end + 1
    parts.append(text[start:])
    return parts
