"""OSNet (Zhou et al., "Omni-Scale Feature Learning for Person Re-Identification", ICCV 2019) as a convolutional map."""

from __future__ import annotations

import torch
from torch import Tensor, nn

GATE_REDUCTION = 16
STREAMS = 4
OUT_CHANNELS = 512


def conv_norm(inputs: int, outputs: int, kernel: int = 1, *, stride: int = 1, relu: bool = True) -> nn.Sequential:
    """Convolution, batch norm and, unless it closes a residual branch, a rectifier."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    if relu:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class LightConv(nn.Sequential):
    """A 3×3 convolution factored into pointwise and depthwise parts (figure 3b of the OSNet paper)."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        )


class ChannelGate(nn.Module):
    """The aggregation gate shared by all streams of a block (equation 3 of the OSNet paper)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(1, channels // GATE_REDUCTION)
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, hidden, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Scales each channel of `(n, c, h, w)` by a weight in (0, 1) computed from the whole map."""
        weight: Tensor = self.gate(x)
        return x * weight


class OmniScaleBlock(nn.Module):
    """Residual block of four streams with receptive fields 3, 5, 7 and 9, fused by one gate."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        middle = outputs // 4
        self.reduce = conv_norm(inputs, middle)
        self.streams = nn.ModuleList(
            nn.Sequential(*(LightConv(middle) for _ in range(depth))) for depth in range(1, STREAMS + 1)
        )
        self.gate = ChannelGate(middle)
        self.restore = conv_norm(middle, outputs, relu=False)
        self.shortcut = conv_norm(inputs, outputs, relu=False) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Maps `(n, inputs, h, w)` to `(n, outputs, h, w)`."""
        reduced = self.reduce(x)
        first, *others = (self.gate(stream(reduced)) for stream in self.streams)
        fused = first
        for stream in others:
            fused = fused + stream
        return torch.relu(self.restore(fused) + self.shortcut(x))


class OsNet(nn.Sequential):
    """The fully convolutional part of OSNet: `(n, 3, H, W)` to `(n, 512, H / 16, W / 16)`.

    The last 1×1 convolution gives 512 channels at any width: it stands in for the original's fully connected layer,
    which a map of local features cannot have.
    """

    out_channels = OUT_CHANNELS

    def __init__(self, width: float = 1.0) -> None:
        c1, c2, c3, c4 = (int(channels * width) for channels in (64, 256, 384, 512))
        super().__init__(
            conv_norm(3, c1, 7, stride=2),
            nn.MaxPool2d(3, stride=2, padding=1),
            OmniScaleBlock(c1, c2),
            OmniScaleBlock(c2, c2),
            conv_norm(c2, c2),
            nn.AvgPool2d(2),
            OmniScaleBlock(c2, c3),
            OmniScaleBlock(c3, c3),
            conv_norm(c3, c3),
            nn.AvgPool2d(2),
            OmniScaleBlock(c3, c4),
            OmniScaleBlock(c4, c4),
            conv_norm(c4, OUT_CHANNELS),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
