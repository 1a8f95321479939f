"""The simulator: customers, stores, weather, behaviour, responses, and the truth apart."""

from workbench.world.overview import world_table
from workbench.world.parameters import World, load_world
from workbench.world.simulation import Simulation, simulate
from workbench.world.truth import Truth
from workbench.world.twins import Twins, effect_of, twin

__all__ = [
    "Simulation",
    "Truth",
    "Twins",
    "World",
    "effect_of",
    "load_world",
    "simulate",
    "twin",
    "world_table",
]
