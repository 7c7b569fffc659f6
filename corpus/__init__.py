"""Where training text comes from: the source list, its builders, and the seeded story generator (`synth`)."""
