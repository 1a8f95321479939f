"""Rules between programmes, and between them and their house. Owns no rule of one programme.

Each error names the file of the programme that breaks it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from workbench.decision.programme.house import QUIET_HOURS, House, SharedBudget
from workbench.decision.programme.limits import RESPONSES
from workbench.decision.programme.programme import Programme
from workbench.errors import ParameterError, did_you_mean, problem


def check(
    programmes: Sequence[Programme],
    house: House,
    where: Mapping[str, str],
    source: str,
    *,
    whole: bool,
) -> None:
    """Check programmes against each other and against their house.

    Args:
        programmes: In their order.
        house: The rules over them.
        where: What each programme came from, by name.
        source: What the house came from.
        whole: Whether they are all programmes of the house.

    Raises:
        ParameterError: A name is used twice or named by nobody, ranges of a layer overlap, or a
            limit counts responses where there are ghosts.
    """
    _names(programmes)
    _bypasses(programmes, house, where)
    named = _budgets(programmes, house, where, source)
    if whole:
        _named_by_somebody(house, named, source)
    for programme in programmes:
        _responses(programme, house, where[programme.name])
    _layers(programmes, where)
    _features(programmes, house, where)


def _names(programmes: Sequence[Programme]) -> None:
    names: set[str] = set()
    for programme in programmes:
        if programme.name in names:
            raise ParameterError(
                problem("programme name", programme.name, "must be unique among the programmes")
            )
        names.add(programme.name)


def _bypasses(programmes: Sequence[Programme], house: House, where: Mapping[str, str]) -> None:
    caps = {cap.name for cap in house.caps} | ({QUIET_HOURS} if house.quiet_hours else set())
    listed = f": {', '.join(sorted(caps))}" if caps else ", which has none"
    for each in programmes:
        for name in each.limits.bypass:
            if name not in caps:
                rule = f"must be a cap of the house{listed}"
                hint = did_you_mean(name, caps)
                raise ParameterError(
                    problem("limits.bypass", name, rule, where=where[each.name], hint=hint)
                )


def _budgets(
    programmes: Sequence[Programme], house: House, where: Mapping[str, str], source: str
) -> set[str]:
    """Check the budgets of programmes, and return those of the house that are named."""
    shared = {budget.name: budget for budget in house.budgets}
    named: set[str] = set()
    own: dict[str, str] = {}
    for each in programmes:
        if each.budget is None:
            continue
        if each.budget.shared:
            named.add(_shared(each, shared, where[each.name]))
            continue
        name = each.budget.name or each.name
        if name in shared or name in own:
            rule = f"must be unique: {source if name in shared else where[own[name]]} has it too"
            raise ParameterError(problem("budget.name", name, rule, where=where[each.name]))
        own[name] = each.name
    return named


def _named_by_somebody(house: House, named: set[str], source: str) -> None:
    for budget in house.budgets:
        if budget.name not in named:
            rule = "must be named by at least one programme, or be left out"
            raise ParameterError(problem("budgets", budget.name, rule, where=source))


def _shared(programme: Programme, shared: Mapping[str, SharedBudget], where: str) -> str:
    name = programme.budget.name if programme.budget is not None else None
    if name is None or name not in shared:
        rule = "must be a budget in house.yaml, or have an amount_cents of its own"
        hint = did_you_mean(name or "", shared)
        raise ParameterError(problem("budget.name", name, rule, where=where, hint=hint))
    least = min(offer.cost_cents for offer in programme.offers)
    if shared[name].amount_cents < least:
        rule = f"must be at least what the cheapest offer of {programme.name} costs, {least}"
        amount = shared[name].amount_cents
        raise ParameterError(problem(f"amount_cents of {name}", amount, rule, where=where))
    return name


def _responses(programme: Programme, house: House, where: str) -> None:
    """Refuse limits that count responses where some customers get ghosts."""
    if programme.kind == "listening":
        return
    held = house.holdout is not None and programme.kind == "targeting"
    if held and programme.limits.reads_responses:
        key = f"limits.{programme.limits.reads_responses[0]}"
        rule = "must not count responses beside a global hold-out, whose ghosts have none"
        raise ParameterError(problem(key, "a count of responses", rule, where=where))
    if not (held or programme.experiment.has_control):
        return
    for cap in house.caps:
        if cap.counts in RESPONSES and cap.name not in programme.limits.bypass:
            rule = (
                "must not count responses where the programme has ghosts, which have none; "
                "bypass the cap there or leave the control out"
            )
            raise ParameterError(problem(f"cap {cap.name} counts", cap.counts, rule, where=where))


def _layers(programmes: Sequence[Programme], where: Mapping[str, str]) -> None:
    layers: dict[str, list[tuple[float, float, str]]] = {}
    for each in programmes:
        layer = each.experiment.layer
        if layer is not None:
            layers.setdefault(layer.name, []).append((layer.start, layer.end, each.name))
    for name, ranges in layers.items():
        ranges.sort()
        for (_, end, first), (start, _, second) in itertools.pairwise(ranges):
            if start < end:
                rule = f"must not overlap the range of {first}, which ends at {end:g}"
                key = f"experiment.layer.from of layer {name}"
                raise ParameterError(problem(key, start, rule, where=where[second]))


def _features(programmes: Sequence[Programme], house: House, where: Mapping[str, str]) -> None:
    found = {each.name: (each, "house.yaml") for each in house.features}
    for programme in programmes:
        for each in programme.features:
            before, place = found.setdefault(each.name, (each, where[programme.name]))
            if before != each:
                rule = f"must mean the same as in {place}, or have another name"
                file = where[programme.name]
                raise ParameterError(problem("features", each.name, rule, where=file))
