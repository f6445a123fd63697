"""From a trained network to the files that runtimes open: torch → ONNX → TFLite."""
