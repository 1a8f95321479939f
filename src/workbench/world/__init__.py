"""The simulator: customers, stores, weather, behaviour, responses, and the truth apart."""

from workbench.world.parameters import World, load_world

__all__ = ["World", "load_world"]
