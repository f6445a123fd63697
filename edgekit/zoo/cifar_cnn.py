"""A wide, shallow network for small photos of 32×32, made to be trained from scratch on a processor."""

from __future__ import annotations

from torch import Tensor, nn

from edgekit.zoo.blocks import Network, conv_bn_act


class CifarCnn(Network):
    """Three resolutions of two 3×3 convolutions each, pooled right after the first of them.

    After the networks of "94% on CIFAR-10 in 3.29 seconds" (Jordan 2024): convolutions begin as the identity where they
    can, the first one is 2×2, and what is classified is the maximum over the picture. In evaluation the logits are the
    mean of those of the picture and of its mirror image, if it is ``mirrored``.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        widths: tuple[int, ...] = (64, 256, 256),
        stem: int = 24,
        mirrored: bool = True,
    ) -> None:
        layers: list[nn.Module] = [nn.Conv2d(shape[-1], stem, 2), nn.BatchNorm2d(stem), nn.ReLU()]
        inputs = stem
        for width in widths:
            layers += [nn.Conv2d(inputs, width, 3, padding=1, bias=False), nn.MaxPool2d(2)]
            layers += [nn.BatchNorm2d(width), nn.ReLU(), *conv_bn_act(width, width)]
            inputs = width
        features = nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten())
        super().__init__(features=features, head=nn.Linear(inputs, classes))
        self.mirrored = mirrored
        for layer in features:
            if isinstance(layer, nn.Conv2d) and layer.in_channels <= layer.out_channels and layer.kernel_size == (3, 3):
                nn.init.dirac_(layer.weight[: layer.in_channels])

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits [N, classes] of inputs [N, C, H, W]."""
        if self.training or not self.mirrored:
            return super().forward(inputs)
        return (super().forward(inputs) + super().forward(inputs.flip(3))) / 2
