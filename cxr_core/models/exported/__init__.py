"""Networks exported for ONNX Runtime and OpenVINO, which compute the same numbers faster on a CPU."""
