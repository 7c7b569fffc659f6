"""Models whose stories have a known length, for the tests of the programs that tell them."""

from tiny_models import tiny_model


def ending_model():
    """Ends every story at once. All weights are 1 and all activations positive, so the largest scale has the largest logit."""
    model = tiny_model(dim=8, vocab=300)
    for tensor in model.tensors.values():
        getattr(tensor, "weight", tensor)[...] = 1
    model.tensors["head"].scale[:] = 0.5
    model.tensors["head"].scale[-1] = 1
    return model


def endless_model():
    """Never ends a story: the end mark's logit is always 0, far from the 40 largest. About one byte in seven makes no character."""
    model = tiny_model(dim=64, layers=4, hidden=128, vocab=1024)
    model.tensors["head"].scale[-1] = 0
    return model
