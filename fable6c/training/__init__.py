"""Training: configuration, network, optimizer, the run and its loop."""
