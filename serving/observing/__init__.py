"""What those who run the service see of it: metrics, traces, and a line a decision.

A request leaves a `Trail`: the times of its steps, and what was decided. When its answer is on its way the `Observer` of the process turns that into
metrics, spans and lines, so none of them stands between a caller and an answer. Nothing here holds a prompt.
"""
