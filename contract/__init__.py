"""The shared vocabulary of training and serving: records, features, the ask, policy, bundle, scorer."""

import os

# onnxruntime, from 1.32 on also on Linux, reports to its makers and keeps a device's id; set before it is imported, which all do after this
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
