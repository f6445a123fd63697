"""``edgekit teach`` and ``distill``: training, which needs torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgekit.cli.options import Batch, CardsData, Epochs, Json, Out, Rate, Recipe, Resume, Seed, floats
from edgekit.cli.result import finish

train = typer.Typer()


@train.command()
def teach(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A teacher of the catalog.")] = "mnist-cnn",
    data: CardsData = None,
    out: Out = None,
    recipe: Recipe = "full",
    init: Annotated[
        Path | None, typer.Option("--init", metavar="FILE", help="Weights to start from, as the recipe 'refine' does.")
    ] = None,
    epochs: Epochs = None,
    batch_size: Batch = None,
    learning_rate: Rate = None,
    seed: Seed = None,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Train a teacher from its card."""
    from edgekit import catalog
    from edgekit.training import teach as verb

    card = catalog.network_card("teachers", name)
    chosen = card.recipe(recipe).override(epochs=epochs, batch_size=batch_size, learning_rate=learning_rate)
    options = verb.TeachOptions(
        name=name,
        recipe=chosen,
        folder=out or Path("runs") / name,
        source=data or "",
        initial=init,
        seed=card.seed if seed is None else seed,
        resume=resume,
    )
    finish(verb, verb.teach(options), json)


@train.command()
def distill(
    student: Annotated[str, typer.Option("--student", metavar="NAME", help="A student of the catalog.")] = "mnist-tiny",
    teacher: Annotated[
        str | None,
        typer.Option("--teacher", help="A card's name, FILE.onnx, FILE.pt2 or module:factory. [default: the card's]"),
    ] = None,
    teacher_weights: Annotated[
        Path | None, typer.Option("--teacher-weights", metavar="FILE", help="safetensors or state dict of the teacher.")
    ] = None,
    teacher_mean: Annotated[
        str, typer.Option("--teacher-mean", help="Per-channel mean of the teacher's input, as in 0.49,0.48,0.45.")
    ] = "",
    teacher_std: Annotated[
        str, typer.Option("--teacher-std", help="Per-channel standard deviation of the teacher's input.")
    ] = "",
    data: CardsData = None,
    out: Out = None,
    recipe: Recipe = "full",
    epochs: Epochs = None,
    batch_size: Batch = None,
    learning_rate: Rate = None,
    temperature: Annotated[float | None, typer.Option("--temperature", help="Override T of the soft answers.")] = None,
    mix: Annotated[
        float | None, typer.Option("--mix", help="Override the weight of the teacher's answers, 0 to 1.")
    ] = None,
    seed: Seed = None,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Distill a teacher into a student, ending in a float ONNX file."""
    from edgekit import catalog
    from edgekit.errors import UsageError
    from edgekit.training import distill as verb
    from edgekit.training.teacher import TeacherOptions

    card = catalog.network_card("students", student)
    chosen = card.recipe(recipe).override(
        epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, temperature=temperature, mix=mix
    )
    name = teacher or card.teacher
    if not name:
        raise UsageError(f"The student {student} has no teacher of its own; name one with --teacher.")
    if not (data or card.data):
        raise UsageError(f"The student {student} has no data of its own; name a source with --data.")
    options = verb.DistillOptions(
        student=student,
        teacher=TeacherOptions(
            name, teacher_weights, floats("--teacher-mean", teacher_mean), floats("--teacher-std", teacher_std)
        ),
        recipe=chosen,
        folder=out or Path("runs") / student,
        source=data or "",
        seed=card.seed if seed is None else seed,
        resume=resume,
    )
    finish(verb, verb.distill(options), json)
