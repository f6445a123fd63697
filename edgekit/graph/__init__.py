"""The ONNX side: opening files, preparing float graphs, reading graphs for lowering."""
