"""The model: its file, and what a file is made of."""
