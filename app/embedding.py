"""The embedder that a configuration asks for."""

from __future__ import annotations

from app.config import EmbedderConfig
from app.devices import choose_device
from reid_model.checkpoint import find_weights
from reid_model.embedder import Embedder
from reid_model.engines import fast_precision
from reid_model.export import is_export

EMBEDDED = 4
"""Most crops that a live run embeds in one pass: a frame mostly has one or two, and larger passes gain little."""


def load_embedder(config: EmbedderConfig, threads: int | None = None) -> Embedder:
    """An embedder with the weights, device and arithmetic of a configuration.

    Args:
        config: The configuration.
        threads: Processor threads; None for half the cores, where a detector works at the same time.

    Raises:
        InputError: If the device is not there.
        reid_model.checkpoint.WeightsError: If the weights cannot be used.
    """
    weights = find_weights(config.weights)
    device = config.device
    if not is_export(weights):
        device = choose_device(config.device, "embedder.device")
    precision = fast_precision() if config.precision == "auto" else config.precision
    return Embedder(weights, device, config.batch, threads, precision=precision)
