"""The parts of the evaluation report: figures on tables of predictions beside outcomes, and the forms that people read."""
