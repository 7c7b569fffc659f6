"""Text on its way into training: read, learn a vocabulary, tokenize, hand out windows."""
