"""How others call the grader."""
