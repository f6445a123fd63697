"""Published image classifiers as shapes, each after its paper and the reference implementation that it names.

A function returns its last feature maps (or nothing but layers) so that detectors can be built upon it.
"""

from __future__ import annotations

from latency.shapes import Map, Shapes

MOBILENET_V1 = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
MOBILENET_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
EFFICIENTNET = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
MNASNET = (
    (3, 24, 3, 2, 3),
    (3, 40, 3, 2, 5),
    (6, 80, 3, 2, 5),
    (6, 96, 2, 1, 3),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
PROXYLESS = (
    (((3, 5), (3, 3)), 32, 2),
    (((3, 7), (3, 3), (3, 5), (3, 5)), 40, 2),
    (((6, 7), (3, 5), (3, 5), (3, 5)), 80, 2),
    (((6, 5), (3, 5), (3, 5), (3, 5)), 96, 1),
    (((6, 7), (6, 7), (3, 7), (3, 7)), 192, 2),
    (((6, 7),), 320, 1),
)
GOOGLENET = (
    ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
)
CLASSES = 1000


def divisible(channels: float, by: int = 8) -> int:
    """The multiple of ``by`` nearest to ``channels``, never less than 90% of it (MobileNetV2's rule)."""
    rounded = max(by, int(channels + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * channels else rounded


def image(size: int) -> Map:
    """A square colour image."""
    return Map(size, size, 3)


def classify(net: Shapes, x: Map, classes: int = CLASSES) -> None:
    """Mean, fully connected layer, softmax."""
    net.dense(net.mean(x), classes)
    net.other(classes)


def mobilenet_v1(net: Shapes, width: float, size: int) -> list[Map]:
    """The trunk of Howard et al. 2017; the maps of stride 8, 16 and 32."""
    x = net.conv(image(size), divisible(32 * width), 3, 2)
    maps = [x]
    for channels, stride in MOBILENET_V1:
        if stride == 2:
            maps.append(x)
        x = net.separable(x, divisible(channels * width), 3, stride)
    return [*maps[-2:], x]


def inverted(net: Shapes, x: Map, factor: int, channels: int, window: int = 3, stride: int = 1) -> Map:
    """The inverted residual of Sandler et al. 2018."""
    y = x if factor == 1 else net.conv(x, x.channels * factor, 1)
    y = net.conv(net.depthwise(y, window, stride), channels, 1)
    return net.add(x, y) if stride == 1 and x == y else y


def mobilenet_v2(net: Shapes, width: float, size: int) -> list[Map]:
    """The trunk of Sandler et al. 2018: the expanded map of stride 16, and the last one."""
    x = net.conv(image(size), divisible(32 * width), 3, 2)
    expanded = x
    for factor, channels, repeats, stride in MOBILENET_V2:
        for number in range(repeats):
            step = stride if number == 0 else 1
            if step == 2:
                expanded = Map(x.height, x.width, x.channels * factor)
            x = inverted(net, x, factor, divisible(channels * width), 3, step)
    return [expanded, net.conv(x, divisible(1280 * max(1.0, width)), 1)]


def efficientnet_lite(net: Shapes, size: int, depth: float = 1.0) -> list[Map]:
    """The trunk of EfficientNet-Lite (no squeeze-and-excitation); the maps of stride 8, 16 and 32."""
    x = net.conv(image(size), 32, 3, 2)
    maps = []
    for stage, (factor, channels, repeats, stride, window) in enumerate(EFFICIENTNET):
        is_edge = stage in (0, len(EFFICIENTNET) - 1)  # the Lite variants do not scale the first and last stage
        for number in range(repeats if is_edge else -int(-repeats * depth // 1)):
            step = stride if number == 0 else 1
            if step == 2:
                maps.append(x)
            x = inverted(net, x, factor, channels, window, step)
    return [*maps[-2:], x]


def mnasnet(net: Shapes) -> None:
    """MnasNet-B1 of Tan et al. 2018."""
    x = net.separable(net.conv(image(224), 32, 3, 2), 16)
    for factor, channels, repeats, stride, window in MNASNET:
        for number in range(repeats):
            x = inverted(net, x, factor, channels, window, stride if number == 0 else 1)
    classify(net, net.conv(x, 1280, 1))


def proxylessnas(net: Shapes) -> None:
    """ProxylessNAS-Mobile of Cai et al. 2018."""
    x = net.separable(net.conv(image(224), 32, 3, 2), 16)
    for blocks, channels, stride in PROXYLESS:
        for number, (factor, window) in enumerate(blocks):
            x = inverted(net, x, factor, channels, window, stride if number == 0 else 1)
    classify(net, net.conv(x, 1280, 1))


def squeezenet(net: Shapes, size: int = 227, version: str = "1.1") -> list[Map]:
    """Iandola et al. 2016; the maps after the fifth and the last fire module."""
    is_old = version == "1.0"
    x = net.conv(image(size), 96 if is_old else 64, 7 if is_old else 3, 2, pad="valid")
    x = net.pool(x, 3, 2)
    maps = []
    for number, squeeze in enumerate((16, 16, 32, 32, 48, 48, 64, 64), start=2):
        if number in ((5, 9) if is_old else (4, 6)):
            maps.append(x)
            x = net.pool(x, 3, 2)
        s = net.conv(x, squeeze, 1)
        x = net.concat(net.conv(s, squeeze * 4, 1), net.conv(s, squeeze * 4, 3))
    return [*maps, x]


def squeezenet_classifier(net: Shapes, size: int = 227, version: str = "1.1") -> None:
    """SqueezeNet with its convolution of 1000 channels at the end."""
    net.mean(net.conv(squeezenet(net, size, version)[-1], CLASSES, 1))
    net.other(CLASSES)


def resnet18(net: Shapes) -> None:
    """He et al. 2015."""
    x = net.pool(net.conv(image(224), 64, 7, 2), 3, 2)
    for channels in (64, 128, 256, 512):
        for number in range(2):
            stride = 2 if number == 0 and channels > 64 else 1
            y = net.conv(net.conv(x, channels, 3, stride), channels, 3)
            x = net.add(net.conv(x, channels, 1, stride) if x != y else x, y)
    classify(net, x)


def vgg(net: Shapes, repeats: tuple[int, ...] = (2, 2, 3, 3, 3)) -> None:
    """Simonyan and Zisserman 2014; 16 layers unless told otherwise."""
    x = image(224)
    for channels, count in zip((64, 128, 256, 512, 512), repeats, strict=True):
        for _ in range(count):
            x = net.conv(x, channels, 3)
        x = net.pool(x, 2, 2)
    for outputs in (4096, 4096, CLASSES):
        x = net.dense(x, outputs)
    net.other(CLASSES)


def alexnet(net: Shapes) -> None:
    """Krizhevsky et al. 2012 in Caffe's form: two groups in three of the convolutions."""
    x = net.pool(net.conv(image(227), 96, 11, 4, pad="valid"), 3, 2, "valid")
    net.other(2 * 55 * 55 * 96 // 3)
    x = net.pool(net.conv(x, 256, 5, groups=2), 3, 2, "valid")
    x = net.conv(net.conv(net.conv(x, 384), 384, groups=2), 256, groups=2)
    x = net.pool(x, 3, 2, "valid")
    for outputs in (4096, 4096, CLASSES):
        x = net.dense(x, outputs)
    net.other(CLASSES)


def googlenet(net: Shapes) -> None:
    """Szegedy et al. 2014."""
    x = net.pool(net.conv(image(224), 64, 7, 2), 3, 2)
    x = net.pool(net.conv(net.conv(x, 64, 1), 192, 3), 3, 2)
    for number, stage in enumerate(GOOGLENET):
        x = net.pool(x, 3, 2) if number else x
        for one, reduce3, three, reduce5, five, pooled in stage:
            x = net.concat(
                net.conv(x, one, 1),
                net.conv(net.conv(x, reduce3, 1), three, 3),
                net.conv(net.conv(x, reduce5, 1), five, 5),
                net.conv(net.pool(x, 3, 1), pooled, 1),
            )
    classify(net, x)


def shufflenet_v1(net: Shapes) -> None:
    """Zhang et al. 2017 with three groups, as Caffe's widely used file has it."""
    x = net.pool(net.conv(image(224), 24, 3, 2), 3, 2)
    for channels, repeats in ((240, 4), (480, 8), (960, 4)):
        for number in range(repeats):
            made = channels if number else channels - x.channels
            y = net.move(net.conv(x, channels // 4, 1, groups=3))
            y = net.conv(net.depthwise(y, 3, 1 if number else 2), made, 1, groups=3)
            x = net.add(x, y) if number else net.concat(net.pool(x, 3, 2), y)
    classify(net, x)


def shufflenet_stage(net: Shapes, x: Map, channels: int, repeats: int) -> Map:
    """One stage of ShuffleNet v2: its first unit halves the image, the others work on half of the channels."""
    half = channels // 2
    for number in range(repeats):
        if number == 0:
            left = net.separable(x, half, 3, 2)
            right = net.separable(net.conv(x, half, 1), half, 3, 2)
        else:
            left = Map(x.height, x.width, half)
            right = net.separable(net.conv(left, half, 1), half)
        x = net.move(net.concat(left, right))
    return x


def shufflenet_v2(net: Shapes, width: tuple[int, int, int, int] = (116, 232, 464, 1024)) -> None:
    """Ma et al. 2018; its channels per stage say the width."""
    x = net.pool(net.conv(image(224), 24, 3, 2), 3, 2)
    for channels, repeats in zip(width, (4, 8, 4), strict=False):
        x = shufflenet_stage(net, x, channels, repeats)
    classify(net, net.conv(x, width[3], 1))


def regnet_y_400m(net: Shapes) -> None:
    """Radosavovic et al. 2020: grouped convolutions with squeeze-and-excitation."""
    x = net.conv(image(224), 32, 3, 2)
    for channels, repeats in ((48, 1), (104, 3), (208, 6), (440, 6)):
        for number in range(repeats):
            stride = 1 if number else 2
            squeezed = max(8, x.channels // 4)
            y = net.conv(net.conv(x, channels, 1), channels, 3, stride, groups=channels // 8)
            net.dense(net.dense(net.mean(y), squeezed), channels)
            y = net.conv(net.add(y), channels, 1)
            x = net.add(y, y if number else net.conv(x, channels, 1, stride))
    classify(net, x)


def densenet121(net: Shapes) -> None:
    """Huang et al. 2016; its activations stand before its convolutions, so none is fused."""
    x = net.pool(net.conv(image(224), 64, 7, 2), 3, 2)
    for number, repeats in enumerate((6, 12, 24, 16)):
        if number:
            x = net.pool(net.conv(net.activation(x), x.channels // 2, 1), 2, 2)
        for _ in range(repeats):
            x = net.concat(x, net.conv(net.conv(net.activation(x), 128, 1), 32, 3))
    classify(net, x)
