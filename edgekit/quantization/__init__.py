"""Float ONNX to int8: calibration, the LiteRT 8-bit specification, QDQ form and the ``quantize`` verb."""
