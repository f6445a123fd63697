"""A door to digits, clothes, objects and sentences: is the right expert asked, is the answer right, what does it cost?

    python benchmarks/deploy/route.py CLOTHES-RUN CLOTHES CIFAR-RUN CIFAR10.npz TEXT-RUN SST2

The runs hold int8 students of the three sources. Every test picture goes as it is through the door, as the service does
it, to the best single model, and to all three that take pictures, of which the surest is believed; test sentences go to
the service itself. Then a store of 100 models has room for 10: answers a second of models that are open, and of models
that were closed meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1]))
from record import record
from starlette.testclient import TestClient

from edgekit.data import open_data
from edgekit.data.reading import STRICT
from edgekit.evaluation.classifier import Classifier
from edgekit.inputs.contract import InputContract
from edgekit.inputs.described import read_contract
from edgekit.routing.examples import Expert, ExpertPictures
from edgekit.routing.route import RouteOptions, route
from edgekit.service.pool import Pool
from edgekit.service.service import service_app
from edgekit.service.worker_process import Question
from edgekit.store.card import read_model
from edgekit.store.commands import AddOptions, StoreOptions, add
from edgekit.store.store import Store
from edgekit.tasks.classification import probabilities

FILE, TEXTS = "model.int8.tflite", "sentences"
SHARES = ("right_through_the_door", "right_of_those_answered", "right_by_asking_all", "right_by_its_expert")
MOST = 1000
MODELS, ROOM = 100, 10
CALLS = 200


def main(clothes: str, photos: str, objects: str, cifar: str, texts: str, reviews: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        where = StoreOptions(Path(scratch) / "store.db")
        for model, name in (("mnist-tiny", "digits"), (clothes, "clothes"), (objects, "objects"), (texts, TEXTS)):
            add(AddOptions((model,), name, where=where))
        sources = {"digits": "mnist", "clothes": photos, "objects": cifar}
        experts = tuple(f"{name}={source}" for name, source in sources.items())
        made = route(RouteOptions("door", (*experts, f"{TEXTS}={reviews}"), out=Path(scratch) / "gate", where=where))
        found, milliseconds = answers(where.path, sources, Path(scratch))
        found[TEXTS] = sentences(where.path, reviews)
        equal = {share: float(np.mean([one[share] for one in found.values()])) for share in SHARES}
        equal["right_by_the_best_single_model"] = max(one["right_by_its_expert"] for one in found.values()) / len(found)
        result = {
            "gate": made.to_dict() | {"store": "store.db"},
            "test": {**found, "all, in equal parts": equal},
            "milliseconds_in_a_worker": milliseconds,
            "store of 100 models with room for 10": asyncio.run(many(Path(scratch))),
        }
    print(json.dumps(result, indent=1))
    record(__file__, result, "CLOTHES-RUN CLOTHES CIFAR-RUN CIFAR10.npz TEXT-RUN SST2")


def sentences(path: Path, source: str) -> dict[str, float]:
    """Of test sentences: the share that is sent right, and answered right. Only their expert takes any."""
    with Store(path) as store, TestClient(service_app(store, 1 << 30), "http://localhost") as client:
        student = store.find(TEXTS).card["student"]
        data = open_data(source, read_contract(student["contract"]))
        headers = {"content-type": "text/plain; charset=utf-8"}
        said = [
            client.post("/models/door/predict", content=text.encode(), headers=headers).json()
            for text in data.test.images[:]
        ]
    assert data.test.labels is not None
    wanted = [data.classes[label] for label in data.test.labels]
    right = float(np.mean([one["guesses"][0]["label"] == want for one, want in zip(said, wanted, strict=True)]))
    return {
        "test_sentences": len(wanted),
        "sent_right": float(np.mean([one["expert"] == TEXTS for one in said])),
        **dict.fromkeys(SHARES, right),
    }


def answers(path: Path, sources: dict[str, str], scratch: Path) -> tuple[dict[str, Any], dict[str, float]]:
    """Of each source's test pictures: the share that is answered right. And what a model takes of one."""
    with Store(path) as store:
        door = store.find("door")
        experts = [Expert(store.find(name), source) for name, source in sources.items()]
        models = {}
        for entry in (door, *(expert.entry for expert in experts)):
            file = scratch / "opened" / entry.name / FILE
            file.parent.mkdir(parents=True)
            file.write_bytes(store.read(entry.sha256))
            models[entry.name] = Classifier(file, threads=1)
    found: dict[str, dict[str, float]] = {}
    spent: dict[str, list[float]] = {name: [] for name in models}
    for expert in experts:
        source = ExpertPictures(expert, STRICT, MOST, 1)
        _, labels, classes = source.split("test", expert.pictures)
        wanted = np.array([classes[label] for label in labels])

        def asked(name: str, contract: InputContract, source: ExpertPictures = source) -> tuple[Any, Any]:
            """Labels and their probabilities, of one model for all pictures."""
            pixels, model = source.split("test", contract)[0], models[name]
            begun = time.perf_counter()
            scores = model.scores(pixels)
            spent[name].append((time.perf_counter() - begun) / len(pixels))
            chances = probabilities(scores, model.output)
            return np.array(model.labels)[chances.argmax(1)], chances.max(1)

        chosen, sure = asked("door", InputContract.from_dict(door.card["student"]["contract"]))
        # A photo in which no digit stands out would be refused; here the model of digits has to say something.
        of_all = {one.name: asked(one.name, replace(one.pictures, domain="photo")) for one in experts}
        # Labels of two experts may be alike: an answer counts if it is the wanted one and of the wanted expert.
        right = {name: (said == wanted) & (name == expert.name) for name, (said, _) in of_all.items()}
        surest = np.array(list(of_all))[np.stack([chance for _, chance in of_all.values()]).argmax(0)]
        answered = sure >= door.card["route"]["threshold"]
        found[expert.name] = {
            "test_pictures": len(wanted),
            "sent_right": float((chosen == expert.name).mean()),
            "answered": float(answered.mean()),
            "right_through_the_door": float(np.mean(right[expert.name] & (chosen == expert.name))),
            "right_of_those_answered": float(
                (right[expert.name] & (chosen == expert.name) & answered).sum() / max(1, answered.sum())
            ),
            "right_by_asking_all": float(np.mean(right[expert.name] & (surest == expert.name))),
            "right_by_its_expert": float(right[expert.name].mean()),
        }
    for model in models.values():
        model.close()
    milliseconds = {name: round(1e3 * float(np.median(times)), 4) for name, times in spent.items()}
    return found, milliseconds


async def many(scratch: Path) -> dict[str, Any]:
    """Answers a second of a store's open models and of its closed ones."""
    from io import BytesIO

    from PIL import Image

    from edgekit.data.mnist import open_mnist
    from edgekit.evaluation.input_options import InputOptions

    read = read_model("mnist-tiny", InputOptions())
    stream = BytesIO()
    Image.fromarray(open_mnist().test.images[0][..., 0]).save(stream, "PNG")
    question = Question(stream.getvalue(), "image/png", 1)
    with Store(scratch / "many.db") as store:
        entries = [  # a byte behind a TFLite file is not looked at
            store.add(f"model-{number}", read.data + bytes([number]) * 4, read.card) for number in range(MODELS)
        ]
        probe = Pool(store, 1 << 30)
        await probe.predict(entries[0], question)
        each = probe.used_bytes
        await probe.close()
        pool = Pool(store, int(each * (ROOM + 0.5)))
        seconds: dict[str, list[float]] = {"closed": [], "open": []}
        for place in range(CALLS):
            begun = time.perf_counter()
            await pool.predict(entries[place % MODELS], question)
            seconds["closed"].append(time.perf_counter() - begun)
        opened = pool.opened
        for place in range(CALLS * 10):
            begun = time.perf_counter()
            await pool.predict(entries[(CALLS - 1 - place % (ROOM // 2)) % MODELS], question)
            seconds["open"].append(time.perf_counter() - begun)
        figures = {
            "worker_bytes": each,
            "memory_bytes": pool.memory_bytes,
            "most_open": len(pool.open_models),
            "opened_in_the_first_pass": opened,
            "opened_in_the_second": pool.opened - opened,
        }
        await pool.close()
    rates = {f"answers_a_second_{name}": round(len(found) / sum(found), 1) for name, found in seconds.items()}
    return {**figures, **rates}


if __name__ == "__main__":
    main(*sys.argv[1:])
