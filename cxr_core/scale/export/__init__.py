"""Exports networks for ONNX Runtime and OpenVINO, checks them on films, and installs those that answer the same."""
