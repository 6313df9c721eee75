"""The conditions that a run must meet to become the champion."""

from typing import TYPE_CHECKING

from pipeline.comparison import answers
from pipeline.core.config import Promotion
from pipeline.core.errors import UserError

if TYPE_CHECKING:
    from pipeline.runs.lookup import Lookup
    from pipeline.runs.run_info import RunOrModel


def reasons_against(lookup: "Lookup", run: "RunOrModel", champion: "RunOrModel | None", gate: Promotion) -> list[str]:
    """The reasons not to promote the run; an empty list if it passes."""
    if run.is_sweep:
        return ["it is a sweep: name one of its runs"]
    if run.status != "FINISHED":
        return [f"it is {run.status}, not FINISHED"]
    if "test/error" not in run.metrics or not run.test_digest:
        return ["it has not been evaluated: put its settings into conf/ and run `dvc repro`, then promote that run"]
    reasons = []
    accuracy = 1 - run.metrics["test/error"]
    if accuracy < gate.min_accuracy:
        reasons.append(f"its test accuracy is {accuracy:.2%}, and promotion.min_accuracy is {gate.min_accuracy:.2%}")
    if champion is not None and (worse := _worse_than(champion, run, lookup, gate.significance)):
        reasons.append(worse)
    return reasons


def _worse_than(champion: "RunOrModel", run: "RunOrModel", lookup: "Lookup", significance: float) -> str:
    """Why the run is worse than the champion, or cannot be compared with it; empty if neither holds."""
    if champion.run is None:
        return f"the run of the champion, {champion.word}, is gone: nothing to compare with"
    if run.test_digest != champion.test_digest:
        digests = f"({run.test_digest}) than the champion ({champion.test_digest or 'not evaluated'})"
        return f"it was evaluated on other test data {digests}, so neither is known to be better"
    old, new = (answers.evaluated(lookup, each) for each in (champion, run))
    if old is None or new is None:
        missing = champion if old is None else run
        return f"it cannot be compared with the champion: run {missing.id} has no {answers.FILE}"
    try:
        test = answers.paired_test(old, new)
    except UserError as error:
        return f"it cannot be compared with the champion: {error}"
    if test.only_second <= test.only_first or test.p_value >= significance:
        return ""
    counts = f"{test.only_second} test images are wrong that were right, {test.only_first} right that were wrong"
    return f"it is significantly worse than the champion, run {champion.id}: {counts} (p = {test.p_value:.3g})"
