"""Training augmentation of whole batches: the image, its mask and its joints move together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from reid_model.network import STRICT
from reid_model.training.targets import SWAP

LARGEST_BLUR = 4.0
"""Pixels; more hides everything in a crop of the usual stored size."""


@dataclass(slots=True)
class Batch:
    """Augmented crops with their targets.

    Attributes:
        images: RGB in [0, 1], `(n, 3, H, W)`, at the network's input size.
        masks: The visible target person, `(n, h, w)`, in [0, 1], at the stored size.
        joints: `(n, 13, 3)`: x, y as shares of the crop, confidence (0 where hidden or outside).
        cells: A teacher's map of the uncovered crop, `(n, d, hc, wc)`, moved with the image, or None.
    """

    images: Tensor
    masks: Tensor
    joints: Tensor
    cells: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """How strongly crops are changed.

    Attributes:
        zoom: Largest relative change of scale.
        shift: Largest shift, as a share of the crop.
        colour: Largest relative change of brightness, contrast and saturation.
        person: Share of crops with another person pasted over them.
        patch: Share of crops with a rectangle of another picture pasted over them.
        balance: Largest relative change of each colour channel: another camera's white balance.
        gamma: Largest relative change of the tone curve's exponent: another camera's exposure.
        blur: Largest blur, standard deviation in stored pixels.
        noise: Largest noise, standard deviation as a share of full brightness.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    zoom: float = 0.12
    shift: float = 0.07
    colour: float = 0.25
    person: float = 0.35
    patch: float = 0.35
    balance: float = 0.0
    gamma: float = 0.0
    blur: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        for name in ("zoom", "shift", "colour", "person", "patch", "balance", "gamma", "noise"):
            if not 0 <= getattr(self, name) <= 1 or (name in ("zoom", "balance") and getattr(self, name) == 1):
                raise ValueError(f"{name}: expected a share from 0 to 1, given {getattr(self, name)}")
        if not 0 <= self.blur <= LARGEST_BLUR:
            raise ValueError(f"blur: expected 0 to {LARGEST_BLUR:g} pixels, given {self.blur}")


def _sample(pixels: Tensor, scale: Tensor, flip: Tensor, shift: Tensor, size: tuple[int, int], padding: str) -> Tensor:
    """Resamples `(n, c, h, w)` so that output x = (input x · flip · scale + shift), in [-1, 1] coordinates."""
    theta = pixels.new_zeros(len(pixels), 2, 3)
    theta[:, 0, 0] = flip / scale
    theta[:, 1, 1] = 1 / scale
    theta[:, 0, 2] = -flip * shift[:, 0] / scale
    theta[:, 1, 2] = -shift[:, 1] / scale
    grid = F.affine_grid(theta, [len(pixels), 1, *size], align_corners=False)
    return F.grid_sample(pixels, grid, padding_mode=padding, align_corners=False)


def blurred(images: Tensor, sigma: Tensor) -> Tensor:
    """Blurs each of `(n, c, h, w)` by a Gaussian of its own standard deviation in pixels, `(n,)`."""
    n, channels, height, width = images.shape
    reach = max(1, math.ceil(2.5 * float(sigma.max())))
    reach = min(reach, height - 1, width - 1)
    offsets = torch.arange(-reach, reach + 1, device=images.device)
    taps = torch.exp(-0.5 * (offsets / sigma[:, None].clamp(min=1e-2)) ** 2)
    taps = (taps / taps.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)
    padded = F.pad(images, (reach, reach, reach, reach), mode="replicate")
    rows = F.conv2d(padded.flatten(0, 1)[None], taps[:, None, :, None], groups=n * channels)
    return F.conv2d(rows, taps[:, None, None, :], groups=n * channels).view(n, channels, height, width)


class Augmenter:
    """Turns stored crops into training batches, with its own random numbers so that a run can be repeated.

    All changes are made at the resolution the crops are stored at; the last step enlarges them to the network's input.
    """

    def __init__(
        self,
        config: AugmentConfig,
        stored: tuple[int, int],
        size: tuple[int, int],
        seed: int,
        device: torch.device | None = None,
    ) -> None:
        self.config = config
        self.size = stored
        self.input_size = size
        self.device = device or torch.device("cpu")
        self.seed = seed
        self.random = torch.Generator()
        self.start(0)

    def start(self, step: int) -> None:
        """Sets the random numbers to those of a training step, so that a resumed run sees the same pictures."""
        self.random.manual_seed(self.seed * 1_000_003 + step)

    def _uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        # Drawn on the CPU, so that a seed means the same pictures on every device.
        return (torch.rand(*shape, generator=self.random) * (high - low) + low).to(self.device)

    def __call__(
        self, images: Tensor, masks: Tensor, joints: Tensor, identities: Tensor, cells: Tensor | None = None
    ) -> Batch:
        """Augments a batch.

        Args:
            images: RGB, `(n, h, w, 3)` uint8.
            masks: `(n, hm, wm)` bool.
            joints: `(n, 13, 3)`.
            identities: `(n,)`; only other people are pasted over a crop.
            cells: A teacher's map of each crop, `(n, d, hc, wc)`, or None.
        """
        batch = self._move(images.permute(0, 3, 1, 2).float() / 255, masks.float()[:, None], joints, cells)
        batch.images = self._colour(batch.images)
        self._paste_people(batch, identities)
        self._paste_patches(batch)
        batch.images = self._film(batch.images)
        batch.images = F.interpolate(batch.images, self.input_size, mode="bilinear", align_corners=False)
        return batch

    def _move(self, images: Tensor, masks: Tensor, joints: Tensor, cells: Tensor | None) -> Batch:
        n, zoom, shift = len(images), self.config.zoom, self.config.shift
        flip = torch.where(self._uniform(n) < 0.5, -1.0, 1.0)
        scale = self._uniform(n, low=1 - zoom, high=1 + zoom)
        offset = self._uniform(n, 2, low=-2 * shift, high=2 * shift)
        moved = joints.clone()
        moved[flip < 0] = moved[flip < 0][:, torch.from_numpy(SWAP).to(self.device)]
        centred = moved[..., :2] * 2 - 1
        centred[..., 0] *= flip[:, None]
        moved[..., :2] = (centred * scale[:, None, None] + offset[:, None] + 1) / 2
        outside = ((moved[..., :2] <= 0) | (moved[..., :2] >= 1)).any(dim=-1)
        moved[..., 2] = moved[..., 2].masked_fill(outside, 0)
        return Batch(
            _sample(images, scale, flip, offset, self.size, "border"),
            _sample(masks, scale, flip, offset, self.size, "zeros")[:, 0],
            moved,
            None
            if cells is None
            else _sample(cells.float(), scale, flip, offset, (cells.shape[2], cells.shape[3]), "border"),
        )

    def _colour(self, images: Tensor) -> Tensor:
        n, c = len(images), self.config.colour
        brightness, contrast, saturation = (self._uniform(n, 1, 1, 1, low=1 - c, high=1 + c) for _ in range(3))
        images = images * brightness
        images = torch.lerp(images.mean(dim=(1, 2, 3), keepdim=True), images, contrast)
        return torch.lerp(images.mean(dim=1, keepdim=True), images, saturation).clamp(0, 1)

    def _film(self, images: Tensor) -> Tensor:
        """Films crops, covers included, with another camera each: its white balance, tone curve, blur and noise."""
        config, n = self.config, len(images)
        if config.balance:
            images = images * self._uniform(n, 3, 1, 1, low=1 - config.balance, high=1 + config.balance)
        if config.gamma:
            # Steps of equal size in log-exponent, so that darker and brighter are as likely.
            bend = math.log1p(config.gamma)
            images = images.clamp(1e-4, 1) ** self._uniform(n, 1, 1, 1, low=-bend, high=bend).exp()
        if config.blur:
            images = blurred(images, self._uniform(n, high=config.blur))
        if config.noise:
            noise = torch.randn(images.shape, generator=self.random).to(self.device)
            images = images + noise * self._uniform(n, 1, 1, 1, high=config.noise)
        return images.clamp(0, 1)

    def _paste_people(self, batch: Batch, identities: Tensor) -> None:
        """Covers some crops with people cut from others, from a side or from below; those people are background."""
        n = len(batch.images)
        donors = torch.randperm(n, generator=self.random).to(self.device)
        chosen = ((self._uniform(n) < self.config.person) & (identities != identities[donors])).nonzero()[:, 0]
        if not len(chosen):
            return
        source, k = donors[chosen], len(chosen)
        sideways = self._uniform(k) < 0.6
        x = self._uniform(k, low=0.6, high=1.4) * torch.where(self._uniform(k) < 0.5, -1.0, 1.0)
        y = self._uniform(k, low=0.6, high=1.4)
        shift = torch.stack([torch.where(sideways, x, x * 0.3), torch.where(sideways, y * 0.2, y)], dim=1)
        flip = torch.where(self._uniform(k) < 0.5, -1.0, 1.0)
        scale = self._uniform(k, low=0.9, high=1.5)
        layer = torch.cat([batch.images[source], batch.masks[source][:, None]], dim=1)
        layer = _sample(layer, scale, flip, shift, self.size, "zeros")
        cover = layer[:, 3].clamp(0, 1)
        batch.images[chosen] = torch.lerp(batch.images[chosen], layer[:, :3], cover[:, None])
        batch.masks[chosen] *= 1 - cover
        self._hide_joints(batch, chosen, cover)

    def _hide_joints(self, batch: Batch, rows: Tensor, cover: Tensor) -> None:
        height, width = self.size
        x = (batch.joints[rows, :, 0] * width).long().clamp(0, width - 1)
        y = (batch.joints[rows, :, 1] * height).long().clamp(0, height - 1)
        hidden = cover[torch.arange(len(rows), device=self.device)[:, None], y, x] > 0.5
        batch.joints[rows, :, 2] = batch.joints[rows, :, 2].masked_fill(hidden, 0)

    def _paste_patches(self, batch: Batch) -> None:
        """Covers rectangles, as things between camera and person do, with the scenery of another crop."""
        n, (height, width) = len(batch.images), self.size
        chosen = (self._uniform(n) < self.config.patch).nonzero()[:, 0]
        k = len(chosen)
        if not k or n < 2:
            return
        crop = torch.tensor([height, width], device=self.device)
        extent = (self._uniform(k, 2, low=0.2, high=0.65) * crop).long()
        start, origin = (self._uniform(k, 2) for _ in range(2))
        # A third stands anywhere, a third reaches in from a side like a wall, a third up from below like a car.
        kind = (self._uniform(k) * 3).long()
        extent[kind == 1, 0], extent[kind == 2, 1] = height, width
        start[kind == 1] = start[kind == 1].round()
        start[kind == 2] = 1.0
        room = crop - extent + 1
        start, origin = ((share * room).long().minimum(room - 1) for share in (start, origin))
        donors = (chosen + 1 + (self._uniform(k) * (n - 1)).long()) % n
        rows, columns = torch.arange(height, device=self.device), torch.arange(width, device=self.device)
        inside_y = (rows >= start[:, :1]) & (rows < (start + extent)[:, :1])
        inside_x = (columns >= start[:, 1:]) & (columns < (start + extent)[:, 1:])
        cover = inside_y[:, :, None] & inside_x[:, None, :]
        y = (rows + (origin - start)[:, :1]).clamp(0, height - 1)
        x = (columns + (origin - start)[:, 1:]).clamp(0, width - 1)
        scenery = batch.images[donors[:, None, None], :, y[:, :, None], x[:, None, :]].permute(0, 3, 1, 2)
        batch.images[chosen] = torch.where(cover[:, None], scenery, batch.images[chosen])
        batch.masks[chosen] = batch.masks[chosen].masked_fill(cover, 0)
        self._hide_joints(batch, chosen, cover.float())
