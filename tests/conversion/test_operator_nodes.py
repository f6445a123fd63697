"""Which ONNX node each operator of a .tflite file belongs to."""

from pathlib import Path

from edgekit.artifact import Metadata
from edgekit.conversion.tflite.lower_model import lower, operator_nodes
from edgekit.graph.isolated import open_prepared
from edgekit.modelfiles.session import vet

STUDENT = Path(__file__).parents[2] / "students" / "mnist-tiny" / "model.onnx"


def test_each_operator_is_named_by_what_its_node_makes(tmp_path: Path) -> None:
    model = open_prepared(STUDENT)
    nodes = operator_nodes(model)
    (tmp_path / "model.tflite").write_bytes(lower(model, Metadata()))
    assert len(nodes) == sum(vet(tmp_path / "model.tflite").operators.values())
    made = [name for node in model.graph.node for name in node.output]
    assert [made.index(name) for name in nodes] == sorted(made.index(name) for name in nodes)
    assert nodes[-1] == model.graph.output[0].name
