"""Encoders: bytes -> codes. Trains them, keeps them as folders, loads them again."""

from __future__ import annotations

from hashsvc.encoders.checkpoints import checkpoints_in
from hashsvc.encoders.contract import (
    Decoded,
    Encoder,
    Fitted,
    OnProgress,
    Progress,
    Terms,
    asymmetric_distances,
)
from hashsvc.encoders.device import placed
from hashsvc.encoders.fitting import fit
from hashsvc.encoders.folder import load, save
from hashsvc.encoders.registry import MODELS, Model

__all__ = [
    "MODELS",
    "Decoded",
    "Encoder",
    "Fitted",
    "Model",
    "OnProgress",
    "Progress",
    "Terms",
    "asymmetric_distances",
    "checkpoints_in",
    "fit",
    "load",
    "placed",
    "save",
]
