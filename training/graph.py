"""Builds ONNX graphs: constants, nodes, linear maps and converted scikit-learn trees."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType

from contract.features import WIDTH
from contract.scorer import TARGET_WIDTH

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


@dataclass(frozen=True)
class Network:
    """One hidden layer: out(max(hidden(x), 0))."""

    hidden: Linear
    out: Linear

    def __call__(self, x: Array) -> Array:
        """Return the map of rows x."""
        return self.out(np.maximum(self.hidden(x), 0.0))


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

    def network(self, x: str, network: Network, output: str) -> str:
        """Add a network; return the name of its output."""
        hidden = self.node("Relu", [self.linear(x, network.hidden, f"{output}_hidden")], f"{output}_relu")
        return self.linear(hidden, network.out, output)

    def flat(self, column: str, output: str) -> str:
        """Add the vector [n] of a column [n, 1]; return its name."""
        if "flat_shape" not in {constant.name for constant in self.constants}:
            self.constant("flat_shape", [-1], np.int64)
        return self.node("Reshape", [column, "flat_shape"], output)

    def column(self, flat: str, output: str) -> str:
        """Add the column [n, 1] of a vector [n]; return its name."""
        if "column_shape" not in {constant.name for constant in self.constants}:
            self.constant("column_shape", [-1, 1], np.int64)
        return self.node("Reshape", [flat, "column_shape"], output)

    def columns_of(self, x: str, start: int, end: int, output: str) -> str:
        """Add the columns of x from start to before end; return the name of their node."""
        ends = (("start", start), ("end", end), ("axis", 1))
        return self.node("Slice", [x, *(self.constant(f"{output}_{name}", [v], np.int64) for name, v in ends)], output)

    def interp(self, column: str, x: Sequence[float], y: Sequence[float], output: str) -> str:
        """Add numpy.interp(column, x, y) of a column [n, 1]: a sum of hinges at the knots, flat beyond them; return its name."""
        slopes = np.r_[0.0, np.diff(y) / np.diff(x), 0.0]
        hinges = self.node("Sub", [column, self.constant(f"{output}_knots", [x])], f"{output}_beyond")
        turns = Linear(np.diff(slopes)[:, None], np.array([y[0]]))
        return self.linear(self.node("Relu", [hinges], f"{output}_hinges"), turns, output)

    def of_family(self, values: Array, name: str) -> str:
        """Add the mean of the families' values [t, k] under p_family; return the name of its output [n, k]."""
        return self.node("MatMul", ["p_family", self.constant(f"{name}_of_families", values)], f"{name}_of_family")

    def mixing_weight(self, logit: Linear, name: str, share: str | None = None) -> None:
        """Add the weight of logs, `NAME_weight` [n, 1], times `share` [n, 1] where given, and that of the prior, its rest to 1."""
        odds = self.linear("u", logit, f"{name}_logit")
        weight = self.node("Sigmoid", [odds], f"{name}_weight" if share is None else f"{name}_alone")
        if share is not None:
            weight = self.node("Mul", [weight, share], f"{name}_weight")
        self.node("Sub", [self.constant(f"{name}_one", 1.0), weight], f"{name}_rest")

    def mix(self, logs: str, prior: str, weight: str, output: str) -> str:
        """Add weight * logs + (1 - weight) * prior; return its name."""
        parts = [
            self.node("Mul", [value, f"{weight}_{side}"], f"{output}/{side}")
            for value, side in ((logs, "weight"), (prior, "rest"))
        ]
        return self.node("Add", parts, output)

    def tree(self, estimator: Any, name: str, reads: str, width: int) -> str:
        """Add a converted estimator reading `reads` [n, width]; return the name of its output (probabilities of a classifier)."""
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
            node.input[:] = [reads if text == f"{name}/X" else text for text in node.input]
        self.nodes.extend(graph.node)
        self.constants.extend(graph.initializer)
        return str(graph.output[1 if classifier else 0].name)

    def model(self, dimension: int, outputs: list[onnx.ValueInfoProto]) -> onnx.ModelProto:
        """Return the checked model: (embeddings [n, 2 d], features and words [n, f + w], target [n, 3]) -> outputs."""
        inputs = [
            helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["n", 2 * dimension]),
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", WIDTH]),
            helper.make_tensor_value_info("target", TensorProto.FLOAT, ["n", TARGET_WIDTH]),
        ]
        graph = helper.make_graph(self.nodes, "thinkworth_heads", inputs, outputs, self.constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", 3)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=9, producer_name="thinkworth")
        onnx.checker.check_model(model)
        return model
