"""A device that is none: tensors "there" claim torch's meta device but hold their numbers on the host.

What is made on the wrong side shows as it would on a GPU: an operation on tensors of both sides is refused, and so is
looking at numbers that lie there as if they lay here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

THERE = torch.device("meta")
ACROSS = {
    torch.ops.aten._to_copy.default,
    torch.ops.aten.copy_.default,
}
INDEXED = {torch.ops.aten.index.Tensor, torch.ops.aten.index_put_.default, torch.ops.aten._index_put_impl_.default}


class There(torch.Tensor):
    """A tensor of the device; ``held`` are its numbers."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> There:
        made: Any = torch.Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=THERE,
            requires_grad=held.requires_grad,
        )
        made.held = held
        return made  # type: ignore[no-any-return]

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return run(function, args, kwargs or {})


def run(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """The operation on what is held; its tensors are there if any it was given is, or if it was told so."""
    given = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, torch.Tensor)]
    asked = kwargs.get("device")
    there = any(isinstance(value, There) for value in given)
    if there and function not in ACROSS:
        looked_at = tree_flatten((args[:1], args[2:]))[0] if function in INDEXED else given
        strangers = [v for v in looked_at if isinstance(v, torch.Tensor) and not isinstance(v, There) and v.ndim]
        assert not strangers, f"{function} mixes tensors of host and device"
    if function is torch.ops.aten.copy_.default:
        there = isinstance(args[0], There)
    if asked is not None:
        there = torch.device(asked) == THERE
        kwargs = {**kwargs, "device": torch.device("cpu")}
    plain = tree_map(lambda v: v.held if isinstance(v, There) else v, (args, kwargs))
    found = function(*plain[0], **plain[1])
    known = {id(value.held): value for value in given if isinstance(value, There)}

    def put(value: Any) -> Any:
        return known.get(id(value), There(value)) if there and isinstance(value, torch.Tensor) else value

    return tree_map(put, found)


class Elsewhere(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Lets factories make tensors there."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(function, args, kwargs or {})


@contextmanager
def elsewhere() -> Iterator[torch.device]:
    """The device, as long as it exists; optimisers have a fused kernel for it, as for every device of ours."""
    with (
        mock.patch(
            "torch.optim.optimizer._get_fused_kernels_supported_devices", side_effect=lambda: [THERE.type, "cpu"]
        ),
        Elsewhere(),  # type: ignore[no-untyped-call]
    ):
        yield THERE
