"""An assignment before it begins: sizes, balance, and how programmes overlap. Owns no hash and no estimate.

Assignment is a pure function of salt and customer, so it can be looked at before anything is sent.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import polars as pl
from scipy.stats import chi2_contingency

from workbench import text
from workbench.arguments import checked
from workbench.decision.assignment import assigned_column
from workbench.decision.programme import Programme
from workbench.errors import InputError, ParameterError
from workbench.experiment.balance import balance
from workbench.experiment.moments import Moments
from workbench.experiment.sample_ratio import ratio_p_value
from workbench.frames import Frame, as_polars, need_columns

_ALPHA = 0.001
_FEWEST = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Preview(text.Result):
    """Assignments as they would be.

    Attributes:
        table: A row a programme and arm: ``programme``, ``arm``, ``stated_share`` and ``share`` (of
            those who take part), ``customers``, and by programme ``ratio_p_value`` and
            ``balance_p_value`` (of all covariates together; none without any).
        overlaps: A row a pair of programmes: ``programme``, ``other``, ``in_both`` (customers who take
            part in both), ``p_value`` (of the arms being independent; none where nobody is in both)
            and ``same_salt``.
        text: Whether the arms may be used as they are.
        passed: Sizes and covariates are as chance makes them, and no two programmes are entangled.
    """

    overlaps: pd.DataFrame
    passed: bool


@checked
def preview_assignment(
    programmes: Sequence[Programme], customers: Frame, *, covariates: Sequence[str] = ()
) -> Preview:
    """Assign customers as the programmes would, and hold sizes, balance and overlap against chance.

    Args:
        programmes: From :func:`workbench.load_programmes`; those that assign single decision points
            are left out, for a customer has no arm there.
        customers: One row a customer, with ``person_id`` and the covariates.
        covariates: Columns that should be alike in the arms, such as purchases of the past.

    Returns:
        Arms by programme, and the overlaps.

    Raises:
        ParameterError: No programme assigns customers.
        InputError: A column is missing, or a customer has no ``person_id`` or two rows.

    >>> from workbench.decision import load_programmes
    >>> people = pl.DataFrame({"person_id": [f"p{n}" for n in range(2000)]})
    >>> found = preview_assignment(load_programmes("params/programmes/nth_purchase.yaml"), people)
    >>> found.passed, found.table["arm"].to_list()
    (True, ['control', 'treatment'])
    """
    frame = as_polars(customers, "customers")
    need_columns(frame.columns, ["person_id", *covariates], "customers")
    persons = frame["person_id"].cast(pl.String)
    if persons.null_count() or persons.is_duplicated().any():
        raise InputError("customers must have one row and a person_id each")
    chosen = [each for each in programmes if each.experiment.unit == "customer"]
    chosen = [each for each in chosen if len(each.experiment.ranges) >= _FEWEST]
    if not chosen:
        raise ParameterError("programmes must assign customers to at least two arms; none does")
    arms = {each.name: assigned_column(each.experiment, persons)[1] for each in chosen}
    parts = [_sizes(each, arms[each.name], frame, covariates) for each in chosen]
    table = pd.concat(parts, ignore_index=True)
    overlaps = _overlaps(chosen, arms)
    return _preview(table, overlaps, frame.height)


def _sizes(
    programme: Programme, arm: np.ndarray, frame: pl.DataFrame, covariates: Sequence[str]
) -> pd.DataFrame:
    """Return the arms of a programme that have a share, with the checks of it."""
    stated = {name: end - first for name, first, end in programme.experiment.ranges if end > first}
    places = {name: n for n, (name, _, _) in enumerate(programme.experiment.ranges)}
    counts = {name: int((arm == places[name]).sum()) for name in stated}
    inside, whole = sum(counts.values()), sum(stated.values())
    ratio = ratio_p_value(counts, stated) if inside and len(stated) >= _FEWEST else None
    alike = None
    if covariates and len(stated) >= _FEWEST and min(counts.values()) >= _FEWEST:
        moments = {
            name: Moments.of(
                {
                    each: frame[each].cast(pl.Float64).to_numpy()[arm == places[name]]
                    for each in covariates
                }
            )
            for name in stated
        }
        pairs = [(each, (each, None)) for each in covariates]
        alike = balance(moments, next(iter(stated)), pairs).p_value
    return pd.DataFrame(
        {
            "programme": programme.name,
            "arm": list(stated),
            "stated_share": [stated[name] / whole for name in stated],
            "share": [counts[name] / inside if inside else None for name in stated],
            "customers": list(counts.values()),
            "ratio_p_value": ratio,
            "balance_p_value": alike,
        }
    )


def _overlaps(programmes: Sequence[Programme], arms: dict[str, np.ndarray]) -> pd.DataFrame:
    """Return of each pair who takes part in both, and whether the arms are independent."""
    rows = []
    for one, other in itertools.combinations(programmes, 2):
        a, b = arms[one.name], arms[other.name]
        both = (a < len(one.experiment.ranges)) & (b < len(other.experiment.ranges))
        counts = pd.crosstab(a[both], b[both]).to_numpy()
        p = None
        if min(counts.shape, default=0) >= _FEWEST:
            p = float(chi2_contingency(counts, correction=False).pvalue)
        same = one.experiment.salt == other.experiment.salt
        rows.append((one.name, other.name, int(both.sum()), p, same))
    names = ["programme", "other", "in_both", "p_value", "same_salt"]
    return pd.DataFrame(rows, columns=names).astype({"p_value": float})


def _preview(table: pd.DataFrame, overlaps: pd.DataFrame, customers: int) -> Preview:
    """Return the verdict; every check has its part of the level."""
    by_programme = table.groupby("programme", sort=False).first()
    checks = by_programme[["ratio_p_value", "balance_p_value"]].astype(float)
    level = _ALPHA / max(1, int(checks.notna().sum().sum()) + len(overlaps))
    troubles = [
        f"the sizes of {text.named(name)} are not as stated"
        for name in checks.index[checks["ratio_p_value"] < level]
    ] + [
        f"the arms of {text.named(name)} differ before anything was sent; take another salt"
        for name in checks.index[checks["balance_p_value"] < level]
    ]
    entangled = overlaps[
        (overlaps["p_value"] < level) | (overlaps["same_salt"] & (overlaps["in_both"] > 0))
    ]
    troubles += [
        f"the arms of {text.named(row.programme)} and {text.named(row.other)} are entangled; give them "
        "salts of their own or ranges of one layer"
        for row in entangled.itertuples()
    ]
    if troubles:
        said = " ".join(text.sentence(each) for each in troubles)
    else:
        programmes = text.plural(len(checks), "programme")
        said = text.sentence(
            f"{text.plural(customers, 'customer')} are assigned as stated in {programmes}: sizes and "
            "covariates are as chance makes them, and no two assignments are entangled"
        )
    return Preview(table=table, overlaps=overlaps, text=said, passed=not troubles)
