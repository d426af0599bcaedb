"""A keras.optimizers.Optimizer from one step written in keras.ops: what the Keras side of every page is made of.

Keras's own optimizers can't be told to do what torch does: Adam has epsilon in another place, SGD has the rate
inside its buffer, all decay weights in the decoupled way, the rate is float32, and constants pass through float32 on
their way to float64. So the step is written out, in the dtype of the variable. It is an ordinary Keras optimizer
otherwise: `apply`, `stateless_apply`, `variables`, tf.function, XLA and JAX work as ever.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from bakeoff.optimizers._page import Group


class Now(NamedTuple):
    """What a step knows besides its arrays, as tensors in the dtype of the weight; `number` makes one from a float."""

    rate: Any
    decay: float
    t: Any
    number: Callable[[float], Any]


Step = Callable[[Any, Any, dict[str, Any], Now], tuple[Any, dict[str, Any]]]  # (w, g, slots, now) -> (w, slots)


def optimizer(
    keras: Any, name: str, groups: tuple[Group, ...], decay: float, slots: dict[str, tuple[str, str]], step: Step
) -> Any:
    """The optimizer, built over the groups' variables.

    `optimizer.rate` is a keras.Variable in the dtype of the weights, and the second of `optimizer.variables` (the
    first is the number of steps).
    """
    return _kind(keras)(name, groups, decay, slots, step)


def one_minus_power(keras: Any, base: float, now: Now) -> Any:
    """1 - base^t without cancellation, as -expm1(t log base): 1 - 0.999 in float32 would be off by 5e-5."""
    import math

    if base == 0:
        return now.number(1.0)
    return -keras.ops.expm1(now.t * now.number(math.log(base)))


@cache
def _kind(keras: Any) -> Any:
    class Stepper(keras.optimizers.Optimizer):  # type: ignore[misc]
        """Applies a step function to each variable, with its slots, rate factor and decay."""

        def __init__(
            self, name: str, groups: tuple[Group, ...], decay: float, slots: dict[str, tuple[str, str]], step: Step
        ) -> None:
            super().__init__(learning_rate=self._current, name=name)
            chosen = [(variable, group) for group in groups for variable in group.parameters]
            self.rate = keras.Variable(0.0, dtype=chosen[0][0].dtype if chosen else None, trainable=False, name="rate")
            self._step = step
            self._factors = tuple(float(group.rate_factor) for _, group in chosen)
            self._decays = tuple(float(decay if group.decay is None else group.decay) for _, group in chosen)
            self._slot_names = {slot: native for slot, (_, native) in slots.items()}
            self.build([variable for variable, _ in chosen])

        def _current(self) -> Any:
            return self.rate

        def build(self, variables: Any) -> None:
            if self.built:
                return
            super().build(variables)
            self._slots = {
                slot: self.add_optimizer_variables(variables, name) for slot, name in self._slot_names.items()
            }

        def slots_of(self, variable: Any) -> dict[str, Any]:
            """The slots of a variable, as keras.Variables."""
            index = self._get_variable_index(variable)
            return {slot: held[index] for slot, held in self._slots.items()}

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            ops, dtype = keras.ops, variable.dtype

            def number(value: float) -> Any:
                return ops.convert_to_tensor(value, dtype=dtype)  # ops.cast of a float passes through float32

            index, held = self._get_variable_index(variable), self.slots_of(variable)
            rate = ops.cast(learning_rate, dtype)
            if self._factors[index] != 1.0:
                rate = rate * number(self._factors[index])
            now = Now(rate, self._decays[index], ops.cast(self.iterations + 1, dtype), number)
            values = {slot: ops.convert_to_tensor(slot_variable) for slot, slot_variable in held.items()}
            weight, values = self._step(ops.convert_to_tensor(variable), ops.cast(gradient, dtype), values, now)
            for slot, slot_variable in held.items():
                self.assign(slot_variable, values[slot])
            self.assign(variable, weight)

    return Stepper
