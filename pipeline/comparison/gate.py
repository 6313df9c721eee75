"""What a run must show to become the champion."""

from typing import TYPE_CHECKING

from pipeline.comparison import answers
from pipeline.core.config import Promotion
from pipeline.core.errors import UserError
from pipeline.evaluation.predictions import Predictions
from pipeline.evaluation.stats import McNemar

if TYPE_CHECKING:
    from pipeline.runs.lookup import Lookup
    from pipeline.runs.run_info import Subject


def reasons(lookup: "Lookup", run: "Subject", champion: "Subject | None", asked: Promotion) -> list[str]:
    """Why the run is not to be promoted; none where it passes."""
    if run.is_sweep:
        return ["it is a sweep: name one of its runs"]
    if run.status != "FINISHED":
        return [f"it is {run.status}, not FINISHED"]
    if "test/error" not in run.metrics or not run.test_digest:
        return ["it has not been evaluated: put its settings into conf/ and run `dvc repro`, then promote that run"]
    found = []
    accuracy = 1 - run.metrics["test/error"]
    if accuracy < asked.min_accuracy:
        found.append(f"its test accuracy is {accuracy:.2%}, and promotion.min_accuracy is {asked.min_accuracy:.2%}")
    if champion is not None and (worse := _worse(lookup, run, champion, asked.significance)):
        found.append(worse)
    return found


def _worse(lookup: "Lookup", run: "Subject", champion: "Subject", significance: float) -> str:
    """Why it cannot be said that the run is no worse than the champion; empty where it can."""
    if champion.run is None:
        return f"the run of the champion, {champion.word}, is gone: nothing to compare with"
    if run.test_digest != champion.test_digest:
        told = f"({run.test_digest}) than the champion ({champion.test_digest or 'not evaluated'})"
        return f"it was evaluated on other test data {told}, so neither is known to be better"
    try:
        test = paired(lookup, run, champion)
    except UserError as error:
        return f"it cannot be held against the champion: {error}"
    if test.only_second <= test.only_first or test.p_value >= significance:
        return ""
    found = f"{test.only_second} test images are wrong that were right, {test.only_first} right that were wrong"
    return f"it is significantly worse than the champion, run {champion.id}: {found} (p = {test.p_value:.3g})"


def paired(lookup: "Lookup", run: "Subject", champion: "Subject") -> McNemar:
    """McNemar's test with the champion as the first one, on the predictions that both were evaluated with.

    Raises:
        UserError: a run has no predictions, or they are of other images.
    """
    kept = []
    for subject in (champion, run):
        assert subject.run is not None
        path = lookup.artifact(subject.run, answers.FILE)
        if path is None:
            raise UserError(f"run {subject.id} has no {answers.FILE}")
        kept.append(Predictions.read(path))
    return answers.paired(*kept)
