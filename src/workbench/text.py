"""The only number formatting of the project, and the base of a result. Owns no statistics.

A value that is not there (``None``, NaN, an infinity) is an en dash, because it stands in a
cell of a table; a sentence that has no data says so with :data:`NOT_ENOUGH_DATA`.
A minus sign is U+2212, as it is typeset.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, Protocol, TypeGuard

from workbench.errors import ParameterError, problem
from workbench.zones import zone_named

if TYPE_CHECKING:
    import pandas as pd

MISSING = "–"
NOT_ENOUGH_DATA = "not enough data"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CENTS = 100
_WHOLE_FROM = 100
_MILLION = 1_000_000
_SMALLEST_P_VALUE = 0.001
_MINUTE_S = 60
_HOUR_S = 3600
_BYTES_STEP = 1000
_SIGNIFICANT_DIGITS = 4
_MOST_DIGITS = 8
_SHARES = re.compile(r"(^|_)(share|rate|probability|break_even_effect)(_|$)")
_NAMED_COLUMNS = (
    "programme", "segment", "stage", "reason", "outcome", "daypart", "type", "source", "offer",
)  # fmt: skip
_CAPITALS = {"clv": "CLV", "rfm": "RFM"}
_HEADINGS = {
    "committed_cents": "committed cost",
    "clv_cents": "mean CLV",
    "delivered": "offers",
    "persons": "customers",
    "ghosts": "ghosts (held out)",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """A table and the sentence that says what it shows, made by one object.

    A notebook shows ``table``, a page prints ``text``, and neither formats a number.

    Attributes:
        table: The figures, one row a thing that was counted or estimated.
        text: One or more full sentences, the finding first, then what it does not say.
        headline: The finding as the title of a figure, without a full stop; empty for none.

    >>> import pandas as pd
    >>> Result(table=pd.DataFrame({"rows": [3]}), text="3 rows were read.").text
    '3 rows were read.'
    """

    table: pd.DataFrame
    text: str
    headline: str = ""

    def __str__(self) -> str:
        return self.text

    @property
    def lead(self) -> str:
        """The first sentence of the text: the finding."""
        return split_lead(self.text)[0]

    def _repr_markdown_(self) -> str:
        """Give JupyterLab the sentence, with nothing in it read as markup."""
        return inert(self.text)


class Told(Protocol):
    """Anything that says in full sentences what it holds: a result, or the report of an ingestion."""

    @property
    def text(self) -> str:
        """The sentences."""


def count(n: float | None) -> str:
    """Return a whole number with a comma between thousands.

    >>> count(1469307), count(-12), count(None)
    ('1,469,307', '−12', '–')
    """
    if not _present(n):
        return MISSING
    return _signed(f"{round(n):,}")


def more(x: float | None, form: Callable[[float | None], str], less: str = "less") -> str:
    """Return a difference as it is said: an amount, and whether it is more or less.

    Args:
        x: The difference.
        form: How its amount is formatted, such as :func:`count`.
        less: The word for a difference below 0.

    >>> more(685, count, "fewer"), more(-28131, money), more(None, count)
    ('685 more', '$281.31 less', '–')
    """
    if not _present(x):
        return MISSING
    return f"{form(abs(x))} {less if x < 0 else 'more'}"


def number(x: float | None, digits: int = 2) -> str:
    """Return a number with that many digits after the point.

    >>> number(4.4138), number(-1234.5, 1), number(float("nan"))
    ('4.41', '−1,234.5', '–')
    """
    if not _present(x):
        return MISSING
    return _signed(f"{x:,.{digits}f}")


def money(cents: float | None, currency: str = "$") -> str:
    """Return whole cents as money; part of a cent (a mean) is rounded half to even.

    >>> money(123456), money(-5), money(0, "€"), money(None)
    ('$1,234.56', '−$0.05', '€0.00', '–')
    """
    if not _present(cents):
        return MISSING
    whole = int(Decimal(str(cents)).to_integral_value(ROUND_HALF_EVEN))
    units, rest = divmod(abs(whole), _CENTS)
    return f"{'−' if whole < 0 else ''}{currency}{units:,}.{rest:02d}"


def amount(cents: float | None, currency: str = "$") -> str:
    """Return money as a sentence says it: whole units from 100 units up, millions as such.

    >>> amount(108_599_566), amount(273_800), amount(4_381), amount(-123_456), amount(None)
    ('$1.09 million', '$2,738', '$43.81', '−$1,235', '–')
    """
    if not _present(cents):
        return MISSING
    units = abs(cents) / _CENTS
    sign = "−" if cents < 0 else ""
    if units >= _MILLION:
        return f"{sign}{currency}{units / _MILLION:,.2f} million"
    return whole_money(cents, currency) if units >= _WHOLE_FROM else money(cents, currency)


def whole_money(cents: float | None, currency: str = "$") -> str:
    """Return money in whole units of the currency, rounded half to even.

    >>> whole_money(434_565_754), whole_money(-49), whole_money(None)
    ('$4,345,658', '$0', '–')
    """
    if not _present(cents):
        return MISSING
    units = int((Decimal(str(cents)) / _CENTS).to_integral_value(ROUND_HALF_EVEN))
    return f"{'−' if units < 0 else ''}{currency}{abs(units):,}"


def share(x: float | None, digits: int = 1) -> str:
    """Return a share (0 to 1) as a percentage; a share that is not 0 or 1 never reads as one.

    >>> share(0.1234), share(1), share(0.00001), share(0.99999), share(None)
    ('12.3%', '100.0%', '<0.1%', '>99.9%', '–')
    """
    if not _present(x):
        return MISSING
    text = f"{x * 100:,.{digits}f}"
    if x > 0 and not any(digit in text for digit in "123456789"):
        return f"<{10**-digits:.{digits}f}%"
    if x < 1 and text == f"{100:.{digits}f}":
        return f">{100 - 10**-digits:.{digits}f}%"
    return _signed(f"{text}%")


def change(x: float | None, digits: int = 1) -> str:
    """Return a relative change as a percentage with its sign.

    >>> change(0.042), change(-0.1), change(0.0)
    ('+4.2%', '−10.0%', '0.0%')
    """
    if not _present(x):
        return MISSING
    text = _signed(f"{x * 100:+,.{digits}f}%")
    return text.lstrip("+−") if not any(digit in text for digit in "123456789") else text


def p_value(p: float | None) -> str:
    """Return a p-value with three digits, and ``<0.001`` below that.

    >>> p_value(0.0423), p_value(1e-9), p_value(None)
    ('0.042', '<0.001', '–')
    """
    if not _present(p):
        return MISSING
    return f"{p:.3f}" if p >= _SMALLEST_P_VALUE else f"<{_SMALLEST_P_VALUE}"


def days(x: float | None, digits: int = 0) -> str:
    """Return a number of days with its unit.

    >>> days(1), days(30.895, 1), days(None)
    ('1 day', '30.9 days', '–')
    """
    if not _present(x):
        return MISSING
    text = number(x, digits)
    return f"{text} day" if text == "1" else f"{text} days"


def duration(seconds: float | None) -> str:
    """Return a span of time at the precision that a reader needs.

    >>> duration(0.0312), duration(8.44), duration(75), duration(7384), duration(None)
    ('31 ms', '8.4 s', '1 min 15 s', '2 h 3 min', '–')
    """
    if not _present(seconds):
        return MISSING
    if seconds < 0:
        text = duration(-seconds)
        return text if text == "0 ms" else f"−{text}"
    if round(seconds, 3) < 1:
        return f"{abs(seconds) * 1000:.0f} ms"
    if round(seconds, 1) < _MINUTE_S:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S} s"
    minutes = round(whole / _MINUTE_S)
    return f"{minutes // _MINUTE_S:,} h {minutes % _MINUTE_S} min"


def size(n_bytes: float | None) -> str:
    """Return a number of bytes in decimal units.

    >>> size(999), size(1_500_000), size(2_000_000_000), size(None)
    ('999 B', '1.5 MB', '2.0 GB', '–')
    """
    if not _present(n_bytes):
        return MISSING
    value, units = float(n_bytes), ["B", "kB", "MB", "GB", "TB"]
    while round(abs(value), 1) >= _BYTES_STEP and len(units) > 1:
        value /= _BYTES_STEP
        units.pop(0)
    return _signed(f"{value:,.0f} B" if units[0] == "B" else f"{value:,.1f} {units[0]}")


def instant(ts: datetime | int | None, zone: str = "UTC") -> str:
    """Return an instant in a named zone, to the minute.

    Args:
        ts: An aware ``datetime`` (pandas too), or microseconds since 1970 in UTC.
        zone: An IANA name; it is written behind the time.

    Raises:
        ParameterError: The zone is not known, or the instant has none.

    >>> instant(datetime(2017, 7, 1, 4, 30, tzinfo=UTC), "America/New_York")
    '2017-07-01 00:30 America/New_York'
    >>> instant(0), instant(None)
    ('1970-01-01 00:00 UTC', '–')
    """
    if ts is None or ts != ts:  # noqa: PLR0124 - NaT is the instant that differs from itself
        return MISSING
    return f"{_in_zone(ts, zone):%Y-%m-%d %H:%M} {zone}"


def day(ts: datetime | date | int | None, zone: str = "UTC") -> str:
    """Return the calendar day of an instant in a zone, or a date as it is.

    >>> day(date(2017, 7, 1)), day(datetime(2017, 7, 1, 2, tzinfo=UTC), "America/New_York")
    ('2017-07-01', '2017-06-30')
    """
    if ts is None or ts != ts:  # noqa: PLR0124 - NaT is the instant that differs from itself
        return MISSING
    if isinstance(ts, date) and not isinstance(ts, datetime):
        return ts.isoformat()
    return f"{_in_zone(ts, zone):%Y-%m-%d}"


def span(low: str, high: str) -> str:
    """Return two formatted ends as a range.

    >>> span(money(100), money(250)), span(count(3), MISSING)
    ('$1.00 to $2.50', '–')
    """
    return MISSING if MISSING in {low, high} else f"{low} to {high}"


def interval(low: str, high: str, level: float = 0.95) -> str:
    """Return two formatted ends as an interval with its level.

    >>> interval(share(0.02), share(0.05))
    '95% interval 2.0% to 5.0%'
    """
    return MISSING if MISSING in {low, high} else f"{level * 100:g}% interval {low} to {high}"


def plural(n: float | None, noun: str, nouns: str | None = None) -> str:
    """Return a count with its noun in the right number.

    >>> plural(1, "customer"), plural(2000, "customer"), plural(0, "reply", "replies")
    ('1 customer', '2,000 customers', '0 replies')
    """
    if not _present(n):
        return f"{MISSING} {nouns or noun + 's'}"
    return f"{count(n)} {noun if round(n) == 1 else nouns or noun + 's'}"


def listing(parts: Sequence[str], last: str = "and") -> str:
    """Return parts as they are said: with commas, and a word before the last.

    >>> listing(["a"]), listing(["a", "b"]), listing(["a", "b", "c"], "or"), listing([])
    ('a', 'a and b', 'a, b or c', 'nothing')
    """
    if not parts:
        return "nothing"
    *head, tail = parts
    return f"{', '.join(head)} {last} {tail}" if head else tail


def sentence(text: str) -> str:
    """Return a text with a capital at its start and one full stop at its end.

    >>> sentence("3 rows were read"), sentence("most came back.")
    ('3 rows were read.', 'Most came back.')
    """
    text = text.strip()
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""


def split_lead(text: str) -> tuple[str, str]:
    """Return the first sentence of a text, and the rest.

    >>> split_lead("It costs $1.09 million. This is margin.")
    ('It costs $1.09 million.', 'This is margin.')
    >>> split_lead("One sentence.")
    ('One sentence.', '')
    """
    first, *rest = re.split(r"(?<=[.!?])\s+(?=[A-Z0-9“])", text.strip(), maxsplit=1)
    return first, rest[0] if rest else ""


def heading(column: str) -> str:
    """Return the name of a column for a reader: units that the values show are dropped.

    >>> heading("committed_cents"), heading("share_of_spend"), heading("mean_recency_days")
    ('committed cost', 'share of spend', 'mean recency (days)')
    >>> heading("mean_clv_cents")
    'mean CLV'
    """
    if column in _HEADINGS:
        return _HEADINGS[column]
    name = column.removesuffix("_cents")
    for unit in ("days", "weeks", "us"):
        if name.endswith(f"_{unit}"):
            name = f"{name.removesuffix(f'_{unit}')} ({unit})"
    return " ".join(_CAPITALS.get(word, word) for word in words(name).split(" "))


def cell(column: str, value: object, currency: str = "$") -> str:
    """Return a value of a table, written by the name of its column.

    ``…_cents`` is money, a share or a rate is a percentage, a whole number has groups, any other
    number four significant digits, and a name of code is words.

    >>> cell("spend_cents", 123456), cell("share_reached", 0.897), cell("customers", 2469)
    ('$1,234.56', '89.7%', '2,469')
    >>> cell("alpha", 9.45187), cell("segment", "at_risk"), cell("offers", None)
    ('9.452', 'at risk', '–')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return words(value) if column in _NAMED_COLUMNS else value
    if isinstance(value, date):  # an instant is a date too
        return day(value)
    if not _present(value):  # type: ignore[arg-type]  # a value of a frame may be anything
        return MISSING
    return _number_cell(column, float(value), currency)


def is_share(column: str) -> bool:
    """Say whether a column holds shares of 1, by its name.

    >>> is_share("share_reached"), is_share("redemption_rate"), is_share("customers")
    (True, True, False)
    """
    return _SHARES.search(column) is not None


def _number_cell(column: str, value: float, currency: str) -> str:
    if column.endswith("_cents"):
        return money(value, currency)
    if is_share(column):
        return share(value)
    if column == "p_value":
        return p_value(value)
    if value.is_integer():
        return count(value)
    digits = max(0, _SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(abs(value))))
    return number(value, min(digits, _MOST_DIGITS))


def words(name: object) -> str:
    """Return a name of code as words: ``at_risk`` becomes ``at risk``.

    >>> words("cap_reached")
    'cap reached'
    """
    return str(name).replace("_", " ")


def named(name: object) -> str:
    """Return a name that somebody gave, in quotation marks, so that any name reads as one.

    >>> named("worth_winning_back")
    '“worth winning back”'
    """
    return f"“{words(name)}”"


def inert(text: str) -> str:
    r"""Return a text in which Markdown and HTML see no markup.

    >>> inert("<b>*x*</b>")
    '&lt;b&gt;\\*x\\*&lt;/b&gt;'
    """
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{letter}" if letter in "\\`*_[]$|~#" else letter for letter in escaped)


def _present(x: float | None) -> TypeGuard[float]:
    """Say whether there is a finite number to write."""
    try:
        return x is not None and math.isfinite(x)
    except TypeError:  # pandas' NA is neither None nor a number
        return False


def _signed(text: str) -> str:
    """Replace the hyphen with a minus sign, and drop it from a zero."""
    if text.startswith("-"):
        bare = text[1:]
        return f"−{bare}" if any(digit in bare for digit in "123456789") else bare
    return text


def _in_zone(ts: datetime | date | int, zone: str) -> datetime:
    """Return an instant as a local time of the zone."""
    local = zone_named(zone)
    if isinstance(ts, datetime):
        if ts.tzinfo is None:
            raise ParameterError(problem("ts", ts.isoformat(), "must be an instant with a zone"))
        return ts.astimezone(local)
    if isinstance(ts, date):
        raise ParameterError(problem("ts", ts.isoformat(), "must be an instant, not a day"))
    return (_EPOCH + timedelta(microseconds=int(ts))).astimezone(local)
