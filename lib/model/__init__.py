"""Networks, trained and exported to ONNX, and models that people bring."""
