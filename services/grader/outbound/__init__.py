"""How the grader calls others."""
