// Vega-Lite with Vega's interpreter in place of its compiler, which makes functions of strings and so needs 'unsafe-eval'.
import { View, parse } from "vega";
import { expressionInterpreter } from "vega-interpreter";
import { compile } from "vega-lite";

// Draws a Vega-Lite specification into an element; gives the view, whose finalize() takes it away.
globalThis.drawChart = (element, specification, config) => {
  const { spec } = compile(specification, { config });
  const view = new View(parse(spec, null, { ast: true }), {
    renderer: "svg", container: element, hover: true, expr: expressionInterpreter,
  });
  return view.runAsync().then(() => view);
};
