"""Logs -> labels -> split -> fit -> calibrate -> export -> evaluate -> register."""

import contract  # noqa: F401 - what it sets has to be set before onnxruntime is imported
