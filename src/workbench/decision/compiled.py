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


def in_place(function: Function) -> Function:
    """Let compiled code of the core contain a function where it is called.

    A call hands on the thirty arrays of the desk, which costs more than what a small function does:
    with the path of a candidate in place the core takes a sixth less time. With everything in place
    it takes a quarter of the time but minutes to compile, so this is for what is called in one or
    two places.

    >>> in_place(abs) is abs
    True
    """
    ready: Function = register_jitable(_nrt=False, forceinline=True)(function)
    return ready
