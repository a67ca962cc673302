"""What lm-evaluation-harness writes: its files, their rows, and what we make of them."""
