"""The files that students of MNIST ship: accuracy on the 10,000 test images, drop, bytes, overhead, operators.

Those of photos are measured where they are trained: benchmarks/frontier.
"""

from __future__ import annotations

from record import record

from edgekit import catalog
from edgekit.evaluation.evaluate import EvaluateOptions, evaluate
from edgekit.evaluation.inspect import inspect_file


def main() -> None:
    results: dict[str, object] = {}
    for name in catalog.names("students"):
        files, accuracy, card = {}, {}, catalog.network_card("students", name)
        for path in card.model_files if card.data else ():
            facts = inspect_file(path)
            evaluation = evaluate(EvaluateOptions((str(path),))).evaluations[0].to_dict()
            accuracy[path.name] = evaluation["accuracy"]
            files[path.name] = {
                "test_accuracy": evaluation["accuracy"],
                "interval95": evaluation["interval"],
                "runtime": f"{evaluation['runtime']} {evaluation['version']}",
                "file_bytes": facts.contents.file_bytes,
                "weight_bytes": facts.contents.weight_bytes,
                "overhead_bytes": facts.contents.overhead_bytes,
                "operators": dict(facts.contents.operators),
                "transpose_operators": facts.contents.operators.get("TRANSPOSE", 0),
                "sha256": facts.sha256,
            }
        if {"model.onnx", "model.int8.tflite"} <= files.keys():
            drop = accuracy["model.onnx"] - accuracy["model.int8.tflite"]
            results[name] = {"drop_points": round(100 * drop, 4), "files": files}
    record(__file__, results)


if __name__ == "__main__":
    main()
