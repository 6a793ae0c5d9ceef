"""Why modules cannot be resolved: who requires what, where, and what would resolve it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from iacengine.foundation.diagnostics import Diagnostic, DiagnosticsError, error, some
from iacengine.modules.candidates import Candidate, Candidates, Demand
from iacengine.modules.requirement import Requirement, Selected
from iacengine.modules.resolution import Chain, Resolution
from iacengine.modules.version import Version

SHOWN = 3
"""How many of many things a message shows."""
TRIED = 20
"""How many other versions are looked into for a remedy."""


@dataclass(frozen=True, slots=True)
class _DeadEnd:
    """A chain of requirements from the stack down to one that nothing meets. `chosen[i]` is the newest candidate of
    `requirements[i]`, and makes `requirements[i + 1]`. `is_circle`: the last one's package is met above."""

    requirements: tuple[Requirement, ...]
    chosen: tuple[Candidate, ...]
    is_circle: bool = False


def unmet(required: Requirement, candidates: Candidates) -> Diagnostic:
    """What keeps a requirement of the stack from being met by any version."""
    end = _dead_end(required, candidates)
    last = end.requirements[-1]
    if end.is_circle:
        first = next(place for place, candidate in enumerate(end.chosen) if candidate.stock.package == last.package)
        return _at(circle([candidate.selected for candidate in end.chosen[first:]]), required)
    reason, remedy = _nothing_accepted(last, candidates)
    lines = [_line(None, end.requirements[0])]
    lines += [
        _line(candidate.selected, below) for candidate, below in zip(end.chosen, end.requirements[1:], strict=True)
    ]
    lines = lines if len(lines) > 1 else []
    others = _others(end, candidates)
    if end.chosen:
        remedy = _way_around(required, candidates) or _ask_owner(end) or remedy
    summary = (
        f"No version of {last.package} can be used" if not end.chosen else f"{required.package} cannot be resolved"
    )
    detail = "\n".join((*(f"- {line}" for line in lines), *([""] if lines else []), reason, *others))
    return _at(error(summary, detail.strip("\n"), remedy=remedy), required)


def circle(selected: Sequence[Selected]) -> Diagnostic:
    """Modules that call themselves in the end."""
    names = [str(each) for each in (*selected, selected[0])]
    shown = names if len(names) <= 8 else [*names[:4], "…", *names[-3:]]
    remedy = f"One of these calls has to go: ask the owners of {_listed([str(each.package) for each in selected])}."
    return error("Modules call themselves", f"There is no end to {' → '.join(shown)}.", remedy=remedy)


def disagreement(resolution: Resolution) -> Diagnostic:
    """Packages that are needed in several versions, where one was asked for: who requires which."""
    paragraphs = []
    for package in resolution.several():
        paragraphs.append(f"{package} is needed in several versions:")
        for selected in resolution.versions(package):
            chains = [chain for chain in resolution.chains(package) if chain[-1].selected == selected]
            paragraphs += [f"- {selected.version}: {chain_text(chain)}" for chain in chains[:SHOWN]]
            if len(chains) > SHOWN:
                paragraphs.append(f"- {selected.version}: and {len(chains) - SHOWN} more")
    first = resolution.chains(resolution.several()[0])[0][0].requirement
    remedy = "Change the constraints so that one version meets them all, or allow several versions."
    return _at(error("Modules do not agree on a version", "\n".join(paragraphs), remedy=remedy), first)


def chain_text(chain: Chain) -> str:
    """A chain of calls in one line: `main.iac.yaml:3:5 requires acme/app/aws "~> 1.0", of which 1.2.0 requires …`."""
    texts = [_line(None, chain[0].requirement)]
    for above, call in pairwise(chain):
        texts.append(
            f"of which {above.selected.version or 'this'} requires {call.requirement}{_where(call.requirement)}"
        )
    return ", ".join(texts)


# Finding the reason


def _dead_end(required: Requirement, candidates: Candidates) -> _DeadEnd:
    """Follow the newest candidates down to where nothing is accepted."""
    requirements, chosen = [required], list[Candidate]()
    while True:
        accepted = candidates.accepted(candidates.demand(requirements[-1]))
        if not accepted:
            return _DeadEnd(tuple(requirements), tuple(chosen))
        if accepted[0] in chosen:
            return _DeadEnd(tuple(requirements), tuple(chosen), is_circle=True)
        chosen.append(accepted[0])
        requirements.append(_failing(accepted[0], candidates))


def _failing(candidate: Candidate, candidates: Candidates) -> Requirement:
    """The requirement over which a candidate fails; where a circle is to blame, the one that leads into it."""
    candidates.demands(candidate)
    failing = [each for each in candidate.requirements if not candidates.can_be_met(candidates.demand(each))]
    empty = [each for each in failing if not candidates.accepted(candidates.demand(each))]
    return (empty or failing or list(candidate.requirements))[0]


def _nothing_accepted(required: Requirement, candidates: Candidates) -> tuple[str, str]:
    """Why no version is accepted, and what to do about it."""
    demand = candidates.demand(required)
    every = [(c.selected.version, c) for c in candidates.every(demand.stock) if c.selected.version is not None]
    package = required.package
    if not every:
        return f"There is no module {package}, or it has no versions.", "Check its name, and which registry is asked."
    yanked = [(version, c) for version, c in every if _is_yanked(c) and required.constraint.accepts(version)]
    releases = [version for version, c in every if not version.prerelease and not _is_yanked(c)]
    if yanked:
        version, candidate = yanked[0]
        why = f": {candidate.info.reason}" if candidate.info is not None and candidate.info.reason else ""
        return f"{package} {version} was yanked{why}.", _use(releases, package, required)
    early = [version for version, c in every if version.prerelease and not _is_yanked(c)]
    wanted = [version for version in early if required.constraint.holds(version)]
    if wanted or not releases:
        named = (wanted or early)[:1]
        text = f'Name it, if you want it: "= {named[0]}".' if named else f"Ask the owner of {package} for a release."
        return f"{package} has only pre-releases that would do, which must be named.", text
    texts = [str(version) for version in releases]
    text = f'No version of {package} meets "{required.constraint.text}". There are {some(texts, SHOWN)}.'
    if len(texts) == 1:
        text = f'No version of {package} meets "{required.constraint.text}". There is only {texts[0]}.'
    return text, _use(releases, package, required)


def _use(releases: Sequence[Version], package: object, required: Requirement) -> str:
    if not releases:
        return f"Ask the owner of {package} for a version that is not yanked."
    return f'Write "{_about(releases[0])}"{_at_place(required)} for the newest, {releases[0]}.'


def _about(version: Version) -> str:
    return f"= {version}" if version.prerelease else f"~> {version.major}.{version.minor}"


def _others(end: _DeadEnd, candidates: Candidates) -> list[str]:
    """That the other candidates on the way fail, too, and over what."""
    lines = []
    for candidate, required in zip(end.chosen, end.requirements, strict=False):
        others = [c for c in candidates.accepted(candidates.demand(required)) if c is not candidate]
        texts = [f"{c.selected.version} requires {_failing(c, candidates)}" for c in others[:SHOWN]]
        if texts:
            more = f"; and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
            lines.append(f"Other versions of {required.package} fail as well: {'; '.join(texts)}{more}.")
    return lines


def _way_around(required: Requirement, candidates: Candidates) -> str | None:
    """A version of the stack's own module that could be used, were it accepted."""
    demand: Demand = candidates.demand(required)
    accepted = set(candidates.accepted(demand))
    tried = 0
    for candidate in candidates.every(demand.stock):
        version = candidate.selected.version
        if candidate in accepted or _is_yanked(candidate) or version is None or version.prerelease:
            continue
        tried += 1
        if tried > TRIED:
            return None
        try:
            if candidates.is_usable(candidate):
                return f'{candidate.selected} can be used: write "{_about(version)}"{_at_place(required)}.'
        except DiagnosticsError:
            return None  # the remedy is a courtesy: what was found out already is what is told
    return None


def _ask_owner(end: _DeadEnd) -> str:
    caller, required = end.chosen[-1].selected, end.requirements[-1]
    return f"Ask the owner of {caller.package} for a version that requires another {required.package}."


def _is_yanked(candidate: Candidate) -> bool:
    return candidate.info is not None and candidate.info.yanked


# Words


def _line(by: Selected | None, required: Requirement) -> str:
    if by is None:
        place = required.place
        who = "The stack" if place is None else f"{place}" + (f" (module {place.call})" if place.call else "")
        return f"{who} requires {required}"
    return f"{by} requires {required}{_where(required)}"


def _where(required: Requirement) -> str:
    return f" ({required.place})" if required.place is not None else ""


def _at_place(required: Requirement) -> str:
    return f" at {required.place}" if required.place is not None else ""


def _at(diagnostic: Diagnostic, required: Requirement) -> Diagnostic:
    return diagnostic.at(required.place.range if required.place is not None else None)


def _listed(names: Sequence[str]) -> str:
    unique = list(dict.fromkeys(names))
    return unique[0] if len(unique) == 1 else f"{', '.join(unique[:-1])} or {unique[-1]}"
