"""The floors of some material: what an untrained reader would compare a code with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hashsvc.encoders import MODELS, Encoder, fit

if TYPE_CHECKING:
    from hashsvc.evaluate.material import Material

ALONE = "itq"


def fit_floors(material: Material, lengths: Sequence[int], beside: Encoder) -> list[Encoder]:
    """Every floor of the material's kind at each length, fitted on its collection; one like ``beside`` is left out.

    Raises:
        InvalidArgument: fewer items than a training needs.
    """
    fitted = [fit(material.contents, kind=material.kind, bits=bits, model=ALONE) for bits in dict.fromkeys(lengths)]
    floors = [encoder for one in fitted for encoder in one.candidates.values() if MODELS[encoder.model].floor]
    return [floor for floor in floors if (floor.model, floor.spec.bits) != (beside.model, beside.spec.bits)]
