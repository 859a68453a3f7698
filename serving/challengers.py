"""Loads the bundles that settings name as challengers."""

import logging
from collections.abc import Sequence
from pathlib import Path

from contract.bundle import Bundle
from contract.errors import ThinkworthError
from contract.resolve import resolved
from contract.scorer import Scorer
from serving.router import Router

logger = logging.getLogger("thinkworth")


def load_challengers(named: Sequence[str], champion: Router) -> list[Router]:
    """Return the routers of bundles beside a champion's; one that cannot be loaded is left out and logged: answers need none.

    Args:
        named: their folders, or addresses.
        champion: whose encoder, families and controls they share.
    """
    out = []
    for name in named:
        try:
            scorer = Scorer(Bundle(resolved(Path(name))), encoder=champion.scorer.encoder)
        except (ThinkworthError, OSError) as error:
            logger.error("no shadow of %s: %s", name, error)
            continue
        out.append(Router(scorer, champion.families, controls=champion.controls))
    return out
