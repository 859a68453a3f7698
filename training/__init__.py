"""Logs -> labels -> split -> fit -> calibrate -> export -> evaluate -> register."""
