"""Joins decisions with outcomes and finds misroutes (nothing here yet: the decision store comes first)."""
