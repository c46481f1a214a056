"""ResNet-50 without its last pooling: the paper's fully convolutional network (section 3.1)."""

from __future__ import annotations

from torch import Tensor, nn


class ResNet50(nn.Module):
    """`(n, 3, H, W)` to `(n, 2048, H / 16, W / 16)` with last stride 1, `H / 32` with last stride 2."""

    out_channels = 2048

    def __init__(self, last_stride: int = 1) -> None:
        super().__init__()
        # As long to import as torch itself, and the shipped networks do without it.
        from torchvision.models import resnet50

        network = resnet50(weights=None)
        if last_stride == 1:
            network.layer4[0].conv2.stride = (1, 1)
            network.layer4[0].downsample[0].stride = (1, 1)
        self.layers = nn.Sequential(*list(network.children())[:-2])

    def forward(self, x: Tensor) -> Tensor:
        """The feature map of normalised images."""
        features: Tensor = self.layers(x)
        return features
