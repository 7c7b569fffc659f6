"""Instructions: the share of stories that have what was asked for. No model takes instructions yet: this task says so."""

from fable6c.evaluation.tasks import Asked

NAME, TITLE = "instructions", "Asking for a story"


def run(asked: Asked) -> dict:
    model = asked.predictor.model
    if model is None or not model.card.get("instructions"):
        return {"skipped": "the model's card does not say that it takes instructions"}
    return {"skipped": "the card says that the model takes instructions; this build of the suite does not know their form"}
