"""GASM: saliency-weighted maps of local features for person crops, and their spatial matching."""

from reid_model.features import Features

__all__ = ["Features"]
