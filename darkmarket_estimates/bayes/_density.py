"""A log density written in NumPy, with its gradient, as one node of a PyTensor graph.

The models here have few parameters and a likelihood over arrays. As one node it compiles in a second instead of
minutes, the formula that is tested is the one that is sampled, and no compiler is needed. Imported inside functions
only: it loads PyTensor.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op


class Density(Op):
    """``function(*parameters, *data) -> (value, gradient of each parameter)``; a module-level function, to be sent on.

    Parameters
    ----------
    function : callable
    n_parameters : int
        How many of the inputs are parameters; the others are data and have no gradient.
    """

    __props__ = ("function", "n_parameters")

    def __init__(self, function: Callable[..., tuple[Any, ...]], n_parameters: int) -> None:
        self.function, self.n_parameters = function, n_parameters

    def make_node(self, *inputs: Any) -> Apply:
        """Value first, then the gradients."""
        inputs = tuple(pt.as_tensor_variable(x) for x in inputs)
        return Apply(self, inputs, [pt.dscalar(), *(x.type() for x in inputs[: self.n_parameters])])

    def perform(self, node: Apply, inputs: Any, output_storage: Any) -> None:
        """Evaluate."""
        values = self.function(*inputs)
        for storage, value in zip(output_storage, values, strict=True):
            storage[0] = np.array(value, dtype=np.float64)

    def L_op(self, inputs: Any, outputs: Any, output_gradients: Any) -> list[Any]:
        """Chain rule of the value; nobody differentiates the gradients."""
        data = [pt.zeros_like(x, dtype="float64") for x in inputs[self.n_parameters :]]
        return [*(output_gradients[0] * gradient for gradient in outputs[1:]), *data]

    pullback = L_op  # the name in PyTensor 3


def log_density(function: Callable[..., tuple[Any, ...]], parameters: Sequence[Any], data: Sequence[Any]) -> Any:
    """The value of ``function(*parameters, *data)`` as a variable of the graph."""
    outputs: Any = Density(function, len(parameters))(*parameters, *data)
    return outputs[0]


def _quiet_in_numba() -> None:
    """In numba mode the node runs as Python, which is meant: say so without a warning."""
    try:
        from pytensor.link.numba.dispatch.basic import generate_fallback_impl, numba_funcify
    except ImportError:  # a PyTensor without that mode
        return

    @numba_funcify.register(Density)
    def _(op: Density, node: Any = None, **keywords: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return generate_fallback_impl(op, node, **keywords)


_quiet_in_numba()
