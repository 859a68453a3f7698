"""Joins decisions with outcomes and says where the policy took the worse arm, what that cost, and by which evidence."""
