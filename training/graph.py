"""Builds ONNX graphs: the reduction of the inputs, linear maps and converted scikit-learn trees."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType

from contract.features import FEATURE_NAMES

OPSET = 17

Array = NDArray[Any]


@dataclass(frozen=True)
class Linear:
    """x @ weight + bias."""

    weight: Array
    bias: Array

    def __call__(self, x: Array) -> Array:
        """Return the map of rows x."""
        return x @ self.weight + self.bias


class Graph:
    """Collects nodes and constants of the graph."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: Any, dtype: Any = np.float32) -> str:
        """Add a constant; return its name."""
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype=dtype), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Add a node; return the name of its output."""
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def linear(self, x: str, map_: Linear, output: str) -> str:
        """Add x @ weight + bias; return the name of its output."""
        product = self.node("MatMul", [x, self.constant(f"{output}_w", map_.weight)], f"{output}_xw")
        return self.node("Add", [product, self.constant(f"{output}_b", map_.bias)], output)

    def tree(self, estimator: Any, name: str, width: int) -> str:
        """Add a converted estimator reading z; return the name of its output (probabilities of a classifier)."""
        classifier = hasattr(estimator, "predict_proba")
        options = {"options": {id(estimator): {"zipmap": False}}} if classifier else {}
        model = convert_sklearn(
            estimator,
            initial_types=[("X", FloatTensorType([None, width]))],
            target_opset={"": OPSET, "ai.onnx.ml": 3},
            **options,
        )
        graph = compose.add_prefix(model, f"{name}/").graph
        for node in graph.node:
            node.input[:] = ["z" if text == f"{name}/X" else text for text in node.input]
        self.nodes.extend(graph.node)
        self.constants.extend(graph.initializer)
        return str(graph.output[1 if classifier else 0].name)

    def model(self, dimension: int, outputs: list[onnx.ValueInfoProto]) -> onnx.ModelProto:
        """Return the checked model: (embeddings [n, 2 d], features [n, f]) -> outputs."""
        inputs = [
            helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["n", 2 * dimension]),
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", len(FEATURE_NAMES)]),
        ]
        graph = helper.make_graph(self.nodes, "thinkworth_heads", inputs, outputs, self.constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", 3)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=9, producer_name="thinkworth")
        onnx.checker.check_model(model)
        return model


@dataclass(frozen=True)
class Reduction:
    """What makes z, the input of every head: two principal-component maps and the task centroids (unit rows [t, d])."""

    dimension: int
    ask: Linear
    whole: Linear
    task_centroids: Array

    @property
    def width(self) -> int:
        """Columns of z."""
        return int(
            self.ask.weight.shape[1] + self.whole.weight.shape[1] + len(FEATURE_NAMES) + len(self.task_centroids)
        )

    def add_to(self, g: Graph) -> None:
        """Add the nodes from embeddings and features to `ask`, `task_similarity` and z."""
        d = self.dimension
        for name, start in (("ask", 0), ("whole", d)):
            ends = (("start", start), ("end", start + d), ("axis", 1))
            bounds = [g.constant(f"{name}_{end}", [value], np.int64) for end, value in ends]
            g.node("Slice", ["embeddings", *bounds], name)
        g.linear("ask", self.ask, "ask_reduced")
        g.linear("whole", self.whole, "whole_reduced")
        g.node("MatMul", ["ask", g.constant("task_centroids", self.task_centroids.T)], "task_similarity")
        g.node("Concat", ["ask_reduced", "whole_reduced", "features", "task_similarity"], "z", axis=1)

    def model(self) -> bytes:
        """Return a graph that gives z alone, float32 [n, width]."""
        g = Graph()
        self.add_to(g)
        output = helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", self.width])
        return bytes(g.model(self.dimension, [output]).SerializeToString())
