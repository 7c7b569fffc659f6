"""The scout: a predictor that counts and mixes, without backpropagation."""
