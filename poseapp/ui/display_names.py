"""What models and precisions are called in the window, in the order of its lists."""

from __future__ import annotations

from poseapp.engine.store import StoredModel
from poseapp.ui.catalogue_names import catalogue_purpose, catalogue_title

# The key of the command line, and the name in the window.
PRECISION_NAMES = {"auto": "Automatic", "fp32": "FP32", "fp16": "FP16", "int8": "INT8"}

# The models that ship, in the order of the list; published ones are in catalogue_names.py, others go by their own names.
MODEL_TITLES = {
    "hourglass-t": "Fast",
    "hourglass-s": "Balanced",
    "hourglass-l": "Accurate",
    "hrnet-s": "HRNet",
    "openpose-s": "Many people",
}
MODEL_PURPOSES = {
    "hourglass-t": "For old laptops and batteries",
    "hourglass-s": "For most computers",
    "hourglass-l": "For fast computers and graphics cards",
    "hrnet-s": "Another kind of network, to compare with",
    "openpose-s": "Quick for crowds, less exact",
}


def model_title(name: str) -> str:
    """What the model called *name* is called in the window."""
    return MODEL_TITLES.get(name) or catalogue_title(name)


def model_purpose(name: str) -> str:
    """What the model called *name* is good for, or ""."""
    return MODEL_PURPOSES.get(name) or catalogue_purpose(name)


def in_order(models: list[StoredModel]) -> list[StoredModel]:
    """*models* as the window lists them: from fast to accurate, and then the others as they come."""
    titles = list(MODEL_TITLES)
    return sorted(models, key=lambda model: titles.index(model.name) if model.name in titles else len(titles))
