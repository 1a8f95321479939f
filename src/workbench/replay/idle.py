"""What a programme needs and a log does not have. Decides nothing and stops nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from workbench.decision.context import EVENT_COLUMNS
from workbench.decision.features import FEATURE_NAMES, SOURCE_EVENT
from workbench.decision.house import ProgrammeSet
from workbench.decision.programme import RESPONSES
from workbench.decision.reference import References
from workbench.errors import did_you_mean

_RESPONSE_EVENTS = {each: f"offer_{each}" for each in sorted(RESPONSES)}


def idle_reasons(
    programmes: ProgrammeSet,
    position: int,
    counts: Mapping[str, int],
    columns: frozenset[str],
    *,
    references: References,
    tables: Sequence[str],
) -> tuple[str, ...]:
    """Say what a programme needs and a log does not have; nothing when it has all.

    Args:
        programmes: The programmes.
        position: Which of them.
        counts: Event types of the log and how often each occurs.
        columns: Columns of the event that the log has.
        references: The reference tables of the log.
        tables: Their names.
    """
    programme = programmes[position]
    read = programmes.conditions[position].columns
    found = [
        f"no `{name}` in this log{did_you_mean(name, counts)}"
        for name in programme.trigger.event_types
        if not counts.get(name)
    ]
    sources = {each.name: each.of for each in programmes.features}
    sources |= dict.fromkeys(FEATURE_NAMES, SOURCE_EVENT)
    for source in dict.fromkeys(sources[name] for name in sorted(read & set(sources))):
        names = sorted(name for name in read if sources.get(name) == source)
        if not counts.get(source):
            said = ", ".join(f"`{name}`" for name in names)
            found.append(f"no `{source}` in this log, from which {said} would come")
    seen = columns | references.of_weather
    found += [f"no `{name}` in this log" for name in sorted((read & set(EVENT_COLUMNS)) - seen)]
    found += references.missing(read - set(EVENT_COLUMNS) - set(sources))
    if programme.consent == "required" and "consent" not in tables:
        found.append("no table `consent` in this log, so nobody is known to have agreed")
    counted = {cap.counts for cap in programme.limits.caps} & set(_RESPONSE_EVENTS)
    if programme.limits.after_rejections is not None:
        counted = counted | {"rejected"}
    found += [
        f"no `{_RESPONSE_EVENTS[each]}` in this log, which a limit counts"
        for each in sorted(counted)
        if not counts.get(_RESPONSE_EVENTS[each])
    ]
    return tuple(found)
