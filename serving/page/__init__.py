"""The audit page: what is recorded, what the last audit found, and what reviewers say of it, as HTML."""
