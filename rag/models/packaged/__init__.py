"""The packaged embedding models in ONNX Runtime."""
