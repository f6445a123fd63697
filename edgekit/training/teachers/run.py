"""A run folder: the torch network that ``teach``, ``distill`` or ``shrink`` has left there, or its float model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekit.catalog import FLOAT_ONNX, resolve_model
from edgekit.errors import UsageError
from edgekit.inputs.contracts import Contract
from edgekit.training.runs import data_learned, open_run
from edgekit.training.teacher import Teacher, torch_forward
from edgekit.training.teachers import TeacherOptions, onnx


def takes(model: Any) -> bool:
    """True for the name of a folder."""
    return isinstance(model, str) and Path(model).is_dir()


def teacher(options: TeacherOptions, student: Contract) -> Teacher:
    """Its input is what the run's data were. Only a torch network has features to compare and channels to take out."""
    options.require_no_weights()
    if options.mean or options.std:
        raise UsageError(f"{options.model} is a run, which says what its input is; leave out --teacher-mean and -std.")
    folder = Path(options.model).resolve()
    run = open_run(folder)
    if run is None:
        path = resolve_model(options.model, FLOAT_ONNX)
        found = onnx.teacher(replace(options, model=str(path)), student)
    else:
        forward = torch_forward(run.network, folder.name)
        found = Teacher(folder.name, run.sha256, run.contract, forward, run.classes, run.network, run.structure)
    return replace(found, name=folder.name, learned=data_learned(folder))
