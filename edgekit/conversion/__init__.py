"""From a trained network to what runtimes open: torch or scikit-learn → ONNX → TFLite → C."""
