"""A world as a table for readers: a row a segment. Draws nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.arguments import checked
from workbench.world.parameters import World

if TYPE_CHECKING:
    import pandas as pd


@checked
def world_table(world: World) -> pd.DataFrame:
    """Return the segments of a world as a table, one row a segment.

    Args:
        world: From :func:`workbench.load_world`.

    Returns:
        Per segment its share of the customers, visits and openings of the app a week, the median
        basket, and how readily its mean customer uses and acts on offers.

    Raises:
        ParameterError: ``world`` is not a world.

    >>> from workbench.world.parameters import load_world
    >>> world_table(load_world("params/worlds/tiny.yaml"))["segment"].to_list()
    ['regulars', 'passers']
    """
    import pandas as pd  # noqa: PLC0415 - pandas is at the door only

    return pd.DataFrame(
        [
            {
                "segment": each.name,
                "share_of_customers": each.share,
                "visits_a_week": each.visits_per_week.mean,
                "app_opens_a_week": each.app_opens_per_week.mean,
                "median_basket_cents": each.basket.median_cents,
                "price_sensitivity_share": each.price_sensitivity.mean,
                "acts_on_discount_share": each.offer_sensitivity.get("discount", 0.0),
                "anonymous_share": each.anonymous,
            }
            for each in world.segments
        ]
    )
