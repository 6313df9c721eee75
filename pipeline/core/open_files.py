"""The limit of open files: 256 on macOS, and often 1024 on Linux."""

import resource

from pipeline.core.errors import UserError

NEEDED = 64  # a sweep of any size keeps about 25 files open, and one that logs to a server up to 20 connections
ENOUGH = 1024  # pools of processes need more


def raise_limit() -> None:
    """Raise the soft limit, as far as the hard limit allows, so that sweeps and pools of processes do not reach it.

    Raises:
        UserError: the hard limit is too low for any training.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if allowed < NEEDED:
        raise UserError(
            f"only {hard} files may be open at a time (`ulimit -Hn`), and {NEEDED} are needed: raise the limit with "
            f"`ulimit -n {ENOUGH}`, or ask the administrator of this machine to"
        )
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
