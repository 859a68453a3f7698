"""Answers requests: use, maybe or avoid, and a thinking budget."""
