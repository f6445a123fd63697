"""The networks of the published latency rows by name, rebuilt from their papers as shapes."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, partial

from latency import classifiers, detectors
from latency.shapes import Shapes

from edgekit.devices.latency.workload import Workload
from edgekit.errors import UnknownNameError

MOBILENET = re.compile(r"mobilenet-v([12])-([\d.]+)-(\d+)$")
IMAGENET = 1001
"""Classes of TensorFlow's classifiers, which have one for the background."""


def _mobilenet(net: Shapes, version: int, width: float, size: int) -> None:
    trunk = classifiers.mobilenet_v1 if version == 1 else classifiers.mobilenet_v2
    classifiers.classify(net, trunk(net, width, size)[-1], IMAGENET)


BUILDERS: dict[str, tuple[str, Callable[[Shapes], object]]] = {
    "squeezenet-1.0": ("squeezenet", partial(classifiers.squeezenet_classifier, size=224, version="1.0")),
    "squeezenet-1.1": ("squeezenet", classifiers.squeezenet_classifier),
    "mnasnet": ("mnasnet", classifiers.mnasnet),
    "proxylessnas": ("proxylessnas", classifiers.proxylessnas),
    "resnet-18": ("resnet", classifiers.resnet18),
    "vgg-16": ("vgg", classifiers.vgg),
    "vgg-19": ("vgg", partial(classifiers.vgg, repeats=(2, 2, 4, 4, 4))),
    "alexnet": ("alexnet", classifiers.alexnet),
    "googlenet": ("googlenet", classifiers.googlenet),
    "shufflenet-v1": ("shufflenet", classifiers.shufflenet_v1),
    "shufflenet-v2": ("shufflenet", classifiers.shufflenet_v2),
    "regnety-400m": ("regnet", classifiers.regnet_y_400m),
    "densenet-121": ("densenet", classifiers.densenet121),
    "efficientdet-lite0": ("efficientdet", partial(detectors.efficientdet_lite, size=320, channels=64, repeats=3)),
    "efficientdet-lite1": (
        "efficientdet",
        partial(detectors.efficientdet_lite, size=384, channels=88, repeats=4, depth=1.1),
    ),
    "ssd-mobilenet-v1-0.75": ("ssd-mobilenet-v1", partial(detectors.ssd_mobilenet_v1, width=0.75)),
    "ssd-mobilenet-v1-voc": ("ssd-mobilenet-v1", partial(detectors.ssd_mobilenet_v1, classes=20)),
    "ssd-mobilenet-v2": ("ssd-mobilenet-v2", partial(detectors.ssd_mobilenet_v2, is_lite=False)),
    "ssdlite-mobilenet-v2": ("ssd-mobilenet-v2", partial(detectors.ssd_mobilenet_v2, is_lite=True)),
    "ssdlite-mobilenet-edgetpu": ("mobilenet-edgetpu", detectors.ssdlite_mobilenet_edgetpu),
    "ssd-mobilenet-v1-fpn": ("ssd-mobilenet-v1-fpn", detectors.ssd_mobilenet_v1_fpn),
    "squeezenet-ssd": ("squeezenet", detectors.squeezenet_ssd),
    "nanodet-m": ("nanodet", detectors.nanodet_m),
    "blazeface": ("blazeface", detectors.blazeface),
}
"""Name → (family, what appends its layers). Two networks of one family are never on two sides of a held-out test."""


def network_family(name: str) -> str:
    """The family that a network belongs to.

    Raises:
        UnknownNameError: it is not one that can be rebuilt.
    """
    found = MOBILENET.match(name)
    if found:
        return f"mobilenet-v{found[1]}"
    if name not in BUILDERS:
        raise UnknownNameError("published network", name, BUILDERS)
    return BUILDERS[name][0]


@cache
def rebuild(name: str, precision: str = "float32") -> Workload:
    """The workload of a published network: ``mobilenet-v1-0.25-128`` (width, pixels) or a key of ``BUILDERS``.

    Raises:
        UnknownNameError: it is not one that can be rebuilt.
    """
    net = Shapes()
    describe(net, name)
    return net.workload(precision)


def describe(net: Shapes, name: str) -> None:
    """Append the layers of a published network.

    Raises:
        UnknownNameError: it is not one that can be rebuilt.
    """
    found = MOBILENET.match(name)
    if found:
        _mobilenet(net, int(found[1]), float(found[2]), int(found[3]))
    elif name in BUILDERS:
        BUILDERS[name][1](net)
    else:
        raise UnknownNameError("published network", name, BUILDERS)
