"""Published detectors as shapes: trunks of ``classifiers`` with the pyramids and heads of the reference models."""

from __future__ import annotations

from latency.classifiers import (
    efficientnet_lite,
    image,
    inverted,
    mobilenet_v1,
    mobilenet_v2,
    shufflenet_stage,
    squeezenet,
)
from latency.shapes import Map, Shapes

COCO = 90
EDGETPU = (
    (8, 32, 4, 2, False),
    (8, 48, 4, 2, False),
    (8, 96, 4, 2, True),
    (8, 96, 4, 1, True),
    (8, 160, 4, 2, True),
    (8, 192, 1, 1, True),
)


def efficientdet_lite(net: Shapes, size: int, channels: int, repeats: int, depth: float = 1.0) -> None:
    """EfficientDet-Lite (Tan et al. 2019): five levels fused both ways ``repeats`` times, separable heads."""
    trunk = efficientnet_lite(net, size, depth)
    levels = [net.conv(x, channels, 1) for x in trunk]
    for _ in range(2):
        top = levels[-1] if len(levels) > 3 else net.conv(trunk[-1], channels, 1)
        levels.append(net.pool(top, 3, 2))
    for _ in range(repeats):
        for level in reversed(levels[:-1]):
            net.resize(level, level.height, level.width)
            net.separable(net.add(level, level), channels)
        for number, level in enumerate(levels[1:], start=1):
            net.pool(levels[number - 1], 3, 2)
            is_inner = number < len(levels) - 1
            net.separable(net.add(*[level] * (3 if is_inner else 2)), channels)
    for x in levels:
        for outputs in (9 * COCO, 9 * 4):
            y = x
            for _ in range(3):
                y = net.separable(y, channels)
            net.separable(y, outputs)
    _detections(net, 9 * sum(x.positions for x in levels), COCO)


def _detections(net: Shapes, boxes: int, classes: int) -> None:
    """Boxes and scores of all levels put together, a sigmoid, and the sorting out of what overlaps."""
    net.move(Map(1, boxes, classes))
    net.move(Map(1, boxes, 4))
    net.other(boxes * classes)
    net.sort(boxes * classes)


def _ssd_heads(net: Shapes, maps: list[Map], classes: int, is_separable: bool, window: int) -> None:
    boxes = 0
    for number, x in enumerate(maps):
        count = 3 if number == 0 else 6
        boxes += count * x.positions
        for outputs in (4 * count, (classes + 1) * count):
            if is_separable:
                net.separable(x, outputs)
            else:
                net.conv(x, outputs, window)
    _detections(net, boxes, classes + 1)


def _ssd_extras(net: Shapes, x: Map, channels: tuple[int, ...], is_separable: bool) -> list[Map]:
    maps = []
    for count in channels:
        x = net.conv(x, count // 2, 1)
        x = net.separable(x, count, 3, 2) if is_separable else net.conv(x, count, 3, 2)
        maps.append(x)
    return maps


def ssd_mobilenet_v1(net: Shapes, width: float = 1.0, classes: int = COCO) -> None:
    """SSD with 300×300 pixels on MobileNet v1, of TensorFlow's detection zoo (and of Caffe with 20 classes)."""
    _, middle, last = mobilenet_v1(net, width, 300)
    extras = _ssd_extras(net, last, (512, 256, 256, 128), is_separable=False)
    _ssd_heads(net, [middle, last, *extras], classes, is_separable=False, window=1)


def ssd_mobilenet_v2(net: Shapes, is_lite: bool) -> None:
    """SSD or SSDLite with 300×300 pixels on MobileNet v2, of TensorFlow's detection zoo."""
    expanded, last = mobilenet_v2(net, 1.0, 300)
    extras = _ssd_extras(net, last, (512, 256, 256, 128), is_lite)
    _ssd_heads(net, [expanded, last, *extras], COCO, is_lite, window=3)


def ssdlite_mobilenet_edgetpu(net: Shapes) -> None:
    """SSDLite with 320×320 pixels on MobileNet-EdgeTPU, whose early blocks are full convolutions."""
    x = net.conv(image(320), 32, 3, 2)
    x = inverted(net, x, 1, 16)
    maps = []
    for factor, channels, repeats, stride, is_depthwise in EDGETPU:
        for number in range(repeats):
            step = stride if number == 0 else 1
            wider = factor if number == 0 else factor // 2
            if step == 2 and is_depthwise:
                maps.append(Map(x.height, x.width, x.channels * wider))
            if is_depthwise:
                x = inverted(net, x, wider, channels, 5 if channels == 160 else 3, step)
            else:
                y = net.conv(net.conv(x, x.channels * wider, 3, step), channels, 1)
                x = net.add(x, y) if x == y else y
    last = net.conv(x, 1280, 1)
    extras = _ssd_extras(net, last, (512, 256, 256, 128), is_separable=True)
    _ssd_heads(net, [maps[-1], last, *extras], COCO, is_separable=True, window=3)


def ssd_mobilenet_v1_fpn(net: Shapes) -> None:
    """SSD with 640×640 pixels on MobileNet v1 and a feature pyramid with shared heads of 256 channels."""
    maps = [net.conv(x, 256, 1) for x in mobilenet_v1(net, 1.0, 640)]
    for x in maps[:2]:
        net.resize(x, x.height, x.width)
        net.conv(net.add(x, x), 256, 3)
    for _ in range(2):
        maps.append(net.conv(maps[-1], 256, 3, 2))
    boxes = 0
    for x in maps:
        boxes += 6 * x.positions
        for outputs in (6 * 4, 6 * (COCO + 1)):
            y = x
            for _ in range(4):
                y = net.conv(y, 256, 3)
            net.conv(y, outputs, 3)
    _detections(net, boxes, COCO + 1)


def squeezenet_ssd(net: Shapes) -> None:
    """SSD with 300×300 pixels on SqueezeNet, of Caffe, 20 classes."""
    maps = squeezenet(net, 300)
    extras = _ssd_extras(net, maps[-1], (512, 256, 256, 128), is_separable=False)
    _ssd_heads(net, [maps[0], maps[-1], *extras], 20, is_separable=False, window=3)


def nanodet_m(net: Shapes) -> None:
    """NanoDet-m with 320×320 pixels: ShuffleNet v2, a pyramid by addition, separable heads of 96 channels."""
    x = net.pool(net.conv(image(320), 24, 3, 2), 3, 2)
    maps = []
    for channels, repeats in ((116, 4), (232, 8), (464, 4)):
        x = shufflenet_stage(net, x, channels, repeats)
        maps.append(x)
    levels = [net.conv(x, 96, 1) for x in maps]
    for x in (levels[1], levels[0], levels[1], levels[2]):
        net.add(net.resize(x, x.height, x.width), x)
    for x in levels:
        y = net.separable(net.separable(x, 96), 96)
        net.conv(y, 80 + 32, 1)
        net.other(x.positions * (80 + 32))


def blazeface(net: Shapes) -> None:
    """BlazeFace's short-range form with 128×128 pixels (Bazarevsky et al. 2019)."""
    x = net.conv(image(128), 24, 5, 2)
    maps = []
    for channels, stride in (
        (24, 1),
        (28, 1),
        (32, 2),
        (36, 1),
        (42, 1),
        (48, 2),
        (56, 1),
        (64, 1),
        (72, 1),
        (80, 1),
        (88, 1),
    ):
        x = net.activation(net.add(net.separable(x, channels, 3, stride)))
    maps.append(x)
    for number in range(5):
        x = net.activation(net.add(net.separable(x, 96, 3, 1 if number else 2)))
    maps.append(x)
    for y, count in zip(maps, (2, 6), strict=True):
        net.conv(y, count, 1)
        net.conv(y, count * 16, 1)
