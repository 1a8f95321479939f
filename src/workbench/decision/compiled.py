"""How a function of the core is made ready to run compiled. Owns no function of the core."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from numba.extending import register_jitable

Function = TypeVar("Function", bound=Callable[..., object])


def in_core(function: Function) -> Function:
    """Let compiled code of the core call a function; plain Python calls it as it is.

    The core borrows the arrays that it is given, and makes and keeps none: without reference
    counts (``_nrt=False``) a call costs an eighth, because the desk holds some thirty arrays.
    A function that allocates an array does not compile.

    >>> in_core(abs) is abs
    True
    """
    ready: Function = register_jitable(_nrt=False)(function)
    return ready
