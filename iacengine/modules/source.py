"""Where a module comes from: every form of `source` that Terraform knows, parsed once.

The forms and what they stand for are those of https://developer.hashicorp.com/terraform/language/modules/sources, read
as Terraform's `internal/getmodules/moduleaddrs` reads them:

    ./network  ../network  /srv/modules/network        a directory (an absolute one is no part of the stack's package)
    [HOST/]NAMESPACE/NAME/SYSTEM                       a registry
    git::https://…  git::ssh://…  git@HOST:PATH        git, at `?ref=`
    github.com/OWNER/NAME  bitbucket.org/OWNER/NAME    git over https
    https://….zip  https://….tar.gz  …?archive=zip     an archive, perhaps with `?checksum=sha256:…`
    s3::https://…  s3://BUCKET/KEY                     an archive in S3
    …//modules/subnet                                  a directory inside any of them

What is not supported is refused by name, with what to write instead. So is what would make a source dangerous: options
of git in disguise (https://nvd.nist.gov/vuln/detail/CVE-2017-1000117), git's `ext` transport, and secrets, which do not
belong into files that are shared and locked.
"""

from __future__ import annotations

import posixpath
import re
from urllib.parse import SplitResult, parse_qsl, urlsplit, urlunsplit

from iacengine.foundation.diagnostics import DiagnosticsError, error
from iacengine.modules.model import ModuleAddress, ModuleSource, SourceKind

LONGEST = 2048
"""Characters of the longest source that is read."""

_ARCHIVES = (".tar.gz", ".tgz", ".zip")
_OTHER_ARCHIVES = (".tar", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".bz2", ".gz", ".xz", ".rar", ".7z", ".tar.zst")
_FORCED = re.compile(r"([A-Za-z0-9]+)::(.+)", re.DOTALL)
_SCP = re.compile(r"(?:([^@/]+)@)?([^:/]+):/?(.+)")
_NAME = re.compile(r"[0-9A-Za-z](?:[0-9A-Za-z_-]{0,62}[0-9A-Za-z])?")
_SYSTEM = re.compile(r"[0-9a-z]{1,64}")
_LABEL = re.compile(r"[0-9a-z](?:[0-9a-z-]{0,61}[0-9a-z])?")
_UNSEEN = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_GIT_SCHEMES = ("https", "http", "ssh", "git", "file")
_CODE_HOSTS = ("github.com", "bitbucket.org")
_SECRET_PARAMETERS = frozenset(("sshkey", "aws_access_key_id", "aws_access_key_secret", "aws_access_token"))
_SIGNATURES = (
    "sig",
    "signature",
    "token",
    "access_token",
    "x-amz-signature",
    "x-amz-security-token",
    "x-goog-signature",
)
_FORMS = "a path (./network), a registry address (NAMESPACE/NAME/SYSTEM), git::https://…, or an archive's https address"


class SourceError(DiagnosticsError):
    """A text that is no source of a module, or none that is supported."""


def parse_source(text: str) -> ModuleSource:
    """What a module call's `source` stands for. Raises SourceError.

    `location` of the result is a directory, an address, or a URL without subdirectory and reference; `reference` is a
    git ref, or the checksum (`sha256:…`) that an archive must have, or "".
    """
    _check_text(text)
    if text.startswith(("./", "../", ".\\", "..\\")) or text in (".", ".."):
        return _local(text)
    package, subdirectory = _split_subdirectory(text)
    address = _address(package)
    if address is not None:
        return ModuleSource(SourceKind.REGISTRY, text, str(address), subdirectory, "", address)
    forced = _FORCED.fullmatch(package)
    if forced is not None:
        return _forced(text, forced[1], forced[2], subdirectory)
    return _detected(text, package, subdirectory)


def parse_address(text: str) -> ModuleAddress:
    """A registry address, `[HOST/]NAMESPACE/NAME/SYSTEM`. Raises SourceError that says which part is wrong."""
    _check_text(text)
    reason = _address_fault(text)
    if reason is not None:
        raise _wrong(text, reason, "Write [HOST/]NAMESPACE/NAME/SYSTEM, such as acme/network/aws.", "module address")
    address = _address(text)
    assert address is not None, "an address without a fault"
    return address


def _check_text(text: str) -> None:
    if not text:
        raise _wrong(text, "It is empty", f"Write {_FORMS}.")
    if len(text) > LONGEST:
        raise _wrong(text[:80] + "…", f"It has {len(text)} characters; at most {LONGEST} are read", None)
    unseen = _UNSEEN.search(text)
    if unseen is not None:
        kind = "a space" if unseen[0] == " " else f"the control character U+{ord(unseen[0]):04X}"
        remedy = "Remove it, or write %20 in a URL."
        raise _wrong(_UNSEEN.sub("�", text), f"There is {kind} at character {unseen.start() + 1}", remedy)


def _wrong(text: str, reason: str, remedy: str | None, what: str = "module source") -> SourceError:
    return SourceError(error(f"Invalid {what}", f'{reason}: "{without_secrets(text)}".', remedy=remedy))


def without_secrets(text: str) -> str:
    """A source as it may be shown: without passwords and keys."""
    text = re.sub(r"(//[^/@:?#]*):[^/@]*@", r"\1:…@", text)
    names = "|".join((*sorted(_SECRET_PARAMETERS), *_SIGNATURES))
    return re.sub(rf"([?&](?:{names})=)[^&]*", r"\1…", text, flags=re.IGNORECASE)


# Directories


def _local(text: str) -> ModuleSource:
    # As in Terraform, backslashes are slashes everywhere, and "//" is no subdirectory in a path of the stack.
    path = posixpath.normpath(text.replace("\\", "/"))
    location = path if path == ".." or path.startswith("../") else "." if path == "." else f"./{path}"
    return ModuleSource(SourceKind.LOCAL, text, location)


def _absolute(text: str, path: str, subdirectory: str) -> ModuleSource:
    if "?" in path:
        raise _wrong(text, "A directory has no parameters", 'Remove what follows "?".')
    return ModuleSource(SourceKind.LOCAL, text, posixpath.normpath("/" + path.lstrip("/")), subdirectory)


def _split_subdirectory(text: str) -> tuple[str, str]:
    """The package and the directory inside it; parameters belong to the package."""
    end = text.find("?")
    end = len(text) if end < 0 else end
    scheme = text.find("://", 0, end)
    place = text.find("//", scheme + 3 if scheme >= 0 else 0, end)
    if place < 0:
        return text, ""
    return text[:place] + text[end:], _subdirectory(text, text[place + 2 : end])


def _subdirectory(text: str, written: str) -> str:
    path = posixpath.normpath(written)
    if path == ".." or path.startswith("../"):
        raise _wrong(text, f'The subdirectory "{written}" leads out of the package', 'Remove the ".." from it.')
    if path.startswith("/") or "\\" in path:
        raise _wrong(text, f'"{written}" is no path inside the package', "Separate its parts with single slashes.")
    if any(sign in path for sign in "*?["):
        raise _wrong(text, f'The subdirectory "{written}" is a pattern', "Write the whole path.")
    return "" if path == "." else path


# Registry addresses


def _address(text: str) -> ModuleAddress | None:
    if _address_fault(text) is not None:
        return None
    parts = text.split("/")
    host = _host(parts[0]) if len(parts) == 4 else ""
    return ModuleAddress(host or "", *parts[-3:])


def _address_fault(text: str) -> str | None:
    """What is wrong with a registry address, or None."""
    parts = text.split("/")
    if len(parts) not in (3, 4):
        return f"An address has three or four parts, not {len(parts)}"
    if len(parts) == 4 and (fault := _host_fault(parts[0])) is not None:
        return fault
    namespace, name, system = parts[-3:]
    if "." in namespace and len(parts) == 3:
        return f'After the host "{namespace}" there must be a namespace, a name and a system'
    rule = "1 to 64 letters, digits, dashes and underscores, of which the last two stand inside only"
    for kind, part in (("namespace", namespace), ("name", name)):
        if not _NAME.fullmatch(part):
            return f'The {kind} "{part}" is not made of {rule}'
    if not _SYSTEM.fullmatch(system):
        return f'The system "{system}" is not made of 1 to 64 lower-case letters and digits'
    return None


def _host_fault(text: str) -> str | None:
    name = text.rpartition(":")[0] or text if ":" in text else text
    if name.lower() in _CODE_HOSTS:
        return f"{name} is no registry"
    if any(label.lower().startswith("xn--") for label in name.split(".")):
        return f'The host "{text}" is written in punycode; write its letters'
    if "." not in name and name.lower() != "localhost":
        return f'The host "{text}" has no dot'
    return None if _host(text) is not None else f'"{text}" is no host'


def _host(text: str) -> str | None:
    """A host as it is compared: in ASCII and lower case, without the usual port. None when it is none."""
    name, colon, port = text.partition(":")
    if colon and not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        return None
    try:
        ascii_name = name.lower() if name.isascii() else name.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None
    if len(ascii_name) > 253 or not all(_LABEL.fullmatch(label) for label in ascii_name.split(".")):
        return None
    return f"{ascii_name}:{int(port)}" if colon and int(port) != 443 else ascii_name


# What names its kind


def _forced(text: str, kind: str, rest: str, subdirectory: str) -> ModuleSource:
    match kind:
        case "git":
            return _git(text, rest, subdirectory)
        case "s3":
            return _s3(text, rest, subdirectory)
        case "http" | "https":
            return _archive(text, rest, subdirectory)
        case "file":
            return _detected(text, rest, subdirectory)
        case "hg":
            remedy = "Convert the repository to git, or pack the module as an archive that https serves."
            raise _wrong(text, "Mercurial is not supported", remedy)
        case "gcs":
            remedy = "Publish the module in a registry, or serve the archive over https (a signed URL will do)."
            raise _wrong(text, "Google Cloud Storage is not supported", remedy)
        case _:
            raise _wrong(text, f'There is no kind of source "{kind}::"', "There are git::, s3:: and plain https.")


def _detected(text: str, package: str, subdirectory: str) -> ModuleSource:
    """A source that does not name its kind: known by how it looks."""
    lowered = package.lower()
    if lowered.startswith(("https://", "http://")):
        return _archive(text, package, subdirectory)
    if lowered.startswith(("ssh://", "git://")):
        return _git(text, package, subdirectory)
    if lowered.startswith("s3://"):
        return _s3(text, package, subdirectory)
    if lowered.startswith("file://"):
        return _absolute(text, package[len("file://") :], subdirectory)
    if package.startswith("/"):
        return _absolute(text, package, subdirectory)
    if "://" in package:
        raise _wrong(text, f'"{package.partition("://")[0]}" is no supported protocol', f"Write {_FORMS}.")
    for host in _CODE_HOSTS:
        if package.startswith(f"{host}/"):
            return _code_host(text, package, subdirectory)
    if _SCP.fullmatch(package.partition("?")[0]) and package.startswith("git@"):
        return _git(text, package, subdirectory)
    if "googleapis.com/" in package:
        return _forced(text, "gcs", package, subdirectory)
    if ".amazonaws.com/" in package:
        return _s3(text, f"https://{package}", subdirectory)
    raise _unknown(text, package)


def _unknown(text: str, package: str) -> SourceError:
    first, _, rest = package.partition("/")
    if "." in first and package.count("/") == 2 and not first.startswith("."):
        if first in ("gitlab.com", "codeberg.org", "git.sr.ht") or first.startswith("git"):
            return _wrong(text, f"{first} is no registry", f'Write "git::https://{package}.git".')
        return _wrong(text, _address_fault(package) or "It is no registry address", "Write HOST/NAMESPACE/NAME/SYSTEM.")
    if package.count("/") in (2, 3) and (fault := _address_fault(package)) is not None:
        remedy = f'For a directory of this stack write "./{package}".' if ":" not in package else f"Write {_FORMS}."
        return _wrong(text, fault, remedy)
    if package.startswith("~"):
        return _wrong(text, "The home directory has no short name here", "Write the whole path.")
    if re.match(r"[A-Za-z]:[\\/]", package):
        return _wrong(text, "Paths with drive letters are not supported", f"Write {_FORMS}.")
    if rest or first.isidentifier():
        remedy = f'For a directory of this stack write "./{package}"; otherwise {_FORMS}.'
        return _wrong(text, "It is no known form of source", remedy)
    return _wrong(text, "It is no known form of source", f"Write {_FORMS}.")


# git


def _code_host(text: str, package: str, subdirectory: str) -> ModuleSource:
    path, mark, query = package.partition("?")
    parts = path.split("/")
    if len(parts) < 3 or not all(parts[:3]):
        raise _wrong(text, f"{parts[0]} is followed by an owner and a repository", f"Write {parts[0]}/OWNER/NAME.")
    inside = "/".join(part for part in parts[3:] if part)
    if inside:
        subdirectory = _subdirectory(text, posixpath.join(inside, subdirectory))
    repository = "/".join(parts[:3])
    repository = repository if repository.endswith(".git") else f"{repository}.git"
    return _git(text, f"https://{repository}{mark}{query}", subdirectory)


def _git(text: str, given: str, subdirectory: str) -> ModuleSource:
    if given.startswith("/"):
        given = f"file://{given}"
    elif "://" not in given:
        given = _from_scp(text, given)
    url = _url(text, given)
    if url.scheme not in _GIT_SCHEMES:
        remedy = f"Write one of {', '.join(f'git::{scheme}://…' for scheme in _GIT_SCHEMES[:3])}."
        raise _wrong(text, f'git is not used with the protocol "{url.scheme}"', remedy)
    if url.path.strip("/") == "":
        raise _wrong(text, "It names no repository", "Write git::https://HOST/PATH.git.")
    reference = dict(_parameters(text, url)).get("ref", "")
    _check_reference(text, reference)
    # "depth" is how much of the history is copied: no part of what the module is.
    location = _without(url, "ref", "depth")
    return ModuleSource(SourceKind.GIT, text, location, subdirectory, reference)


def _from_scp(text: str, given: str) -> str:
    path, mark, query = given.partition("?")
    match = _SCP.fullmatch(path)
    if match is None or "::" in path:
        raise _wrong(text, "It names no git repository", "Write git::https://HOST/PATH.git or git@HOST:PATH.git.")
    user = f"{match[1]}@" if match[1] else ""
    return f"ssh://{user}{match[2]}/{match[3]}{mark}{query}"


def _check_reference(text: str, reference: str) -> None:
    """The rules of `git check-ref-format`, as far as they keep a ref from being taken for something else."""
    if not reference:
        return
    forbidden = re.search(r"[\x00-\x20~^:?*\[\\\x7f]|\.\.|@\{|//", reference)
    if reference.startswith("-") or forbidden or reference.endswith(("/", ".", ".lock")) or len(reference) > 255:
        raise _wrong(text, f'"{reference}" is no git ref', "Write a tag, a branch or a commit: ?ref=v1.2.0.")


# Archives


def _archive(text: str, given: str, subdirectory: str) -> ModuleSource:
    url = _url(text, given)
    if url.scheme not in ("https", "http"):
        raise _wrong(text, f'An archive does not come over "{url.scheme}"', "Write an https address.")
    parameters = _parameters(text, url)
    named = next((value for name, value in parameters if name == "archive"), None)
    path = url.path.lower()
    if named is not None:
        if f".{named}" not in _ARCHIVES:
            raise _wrong(text, f'"{named}" is no supported kind of archive', "Write archive=tar.gz or archive=zip.")
    elif not path.endswith(_ARCHIVES):
        raise _not_an_archive(text, url, path)
    return _archived(SourceKind.ARCHIVE, text, url, subdirectory)


def _not_an_archive(text: str, url: SplitResult, path: str) -> SourceError:
    if path.endswith(_OTHER_ARCHIVES):
        return _wrong(text, "This kind of archive is not supported", "Pack the module as .tar.gz or .zip.")
    if path.endswith(".git") or url.hostname in (*_CODE_HOSTS, "gitlab.com"):
        repository = url.geturl() if path.endswith(".git") else f"{url.scheme}://{url.netloc}{url.path.rstrip('/')}.git"
        return _wrong(text, "This is a git repository", f'Write "git::{without_secrets(repository)}".')
    remedy = "Write the address of a .tar.gz or .zip, or add ?archive=zip if it serves one under another name."
    return _wrong(text, "The address is not that of an archive", remedy)


def _s3(text: str, given: str, subdirectory: str) -> ModuleSource:
    url = _url(text, given)
    if url.scheme not in ("https", "http", "s3"):
        raise _wrong(
            text, f'S3 is not used with the protocol "{url.scheme}"', "Write s3::https://… or s3://BUCKET/KEY."
        )
    if not url.path.lower().endswith(_ARCHIVES):
        raise _wrong(text, "In S3 a module is an archive", "Name a .tar.gz or .zip in the bucket.")
    return _archived(SourceKind.S3, text, url, subdirectory)


def _archived(kind: SourceKind, text: str, url: SplitResult, subdirectory: str) -> ModuleSource:
    checksum = dict(_parameters(text, url)).get("checksum", "")
    if checksum and not _CHECKSUM.fullmatch(checksum.lower()):
        remedy = "Write checksum=sha256: and 64 hexadecimal digits, as `sha256sum` prints them."
        raise _wrong(text, f'The checksum "{checksum}" cannot be checked', remedy)
    location = _without(url, "checksum", "archive")
    return ModuleSource(kind, text, location, subdirectory, checksum.lower())


# URLs


def _url(text: str, given: str) -> SplitResult:
    """A URL that is safe to hand on: with a host, in lower case, without password and fragment."""
    try:
        url = urlsplit(given)
        host, port = url.hostname or "", url.port
    except ValueError as failure:
        raise _wrong(text, "It is no URL", "Write https://HOST/PATH.") from failure
    scheme = url.scheme.lower()
    if url.password is not None:
        remedy = "Remove it: git asks its credential helper, ssh its agent, https reads ~/.netrc."
        raise _wrong(text, "There is a password in it, which would get into the lock file and into logs", remedy)
    if scheme == "file":
        if host not in ("", "localhost"):
            raise _wrong(text, "A file is on this machine", "Write file:///PATH.")
        return SplitResult(scheme, "", url.path, url.query, "")
    if host.startswith("-") or (url.username or "").startswith("-") or not re.fullmatch(r"[\w.:%-]+", host):
        raise _wrong(text, f'"{host}" is no host', "Write the host's name behind the //.")
    if url.fragment:
        raise _wrong(text, 'There is nothing that "#" could stand for', "Name a git ref with ?ref=.")
    user = f"{url.username}@" if url.username else ""
    shown = f"[{host}]" if ":" in host else host
    netloc = f"{user}{shown}:{port}" if port is not None else f"{user}{shown}"
    return SplitResult(scheme, netloc, url.path, url.query, "")


def _parameters(text: str, url: SplitResult) -> list[tuple[str, str]]:
    try:
        parameters = parse_qsl(url.query, keep_blank_values=True, max_num_fields=50)
    except ValueError as failure:
        raise _wrong(text, "It has more than 50 parameters", None) from failure
    for name, _ in parameters:
        if name.lower() in _SECRET_PARAMETERS:
            remedy = "Remove it: credentials come from the environment or from files of their own."
            raise _wrong(text, f'"{name}" is a secret, which would get into the lock file and into logs', remedy)
    once = [name for name, _ in parameters if name in ("ref", "archive", "checksum")]
    if len(once) != len(set(once)):
        raise _wrong(text, "A parameter is written twice", None)
    return parameters


def _without(url: SplitResult, *names: str) -> str:
    """The URL without some parameters. The others stay as they are written: a signature may cover them."""
    kept = [part for part in url.query.split("&") if part and part.partition("=")[0] not in names]
    return urlunsplit((url.scheme, url.netloc, url.path, "&".join(kept), ""))
