"""The heatmap methods that can be asked for. Imports nothing, so that a page can list them at once."""

EXACT = "evidence"

# key -> what people call it; all but the first come from pytorch-grad-cam and have no unit.
METHODS: dict[str, str] = {
    EXACT: "Evidence (exact, in logits)",
    "gradcam": "Grad-CAM",
    "gradcam++": "Grad-CAM++",
    "hirescam": "HiResCAM",
    "eigencam": "EigenCAM",
    "layercam": "LayerCAM",
}
