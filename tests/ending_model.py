"""A model that ends every story at once, for the tests of what a program does then."""

from tiny_models import tiny_model


def ending_model():
    """All weights are 1 and all activations positive, so the largest logit is that of the largest scale: the end mark's."""
    model = tiny_model(dim=8, vocab=300)
    for tensor in model.tensors.values():
        getattr(tensor, "weight", tensor)[...] = 1
    model.tensors["head"].scale[:] = 0.5
    model.tensors["head"].scale[-1] = 1
    return model
