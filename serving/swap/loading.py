"""Loads a bundle as it is served: verified, warmed, and checked by golden prompts."""

from pathlib import Path

from contract.bundle import Bundle
from contract.controls import load_controls
from contract.encoder import Encoder
from contract.locate import find
from contract.model_families import load_model_families
from contract.scorer import Scorer
from contract.settings import Settings
from serving.conversations import Conversations
from serving.router import Router
from serving.swap.golden import check, load_golden


class Loader:
    """Loads bundles with an operator's settings.

    Raises:
        InvalidInput: golden_prompts, or a file of what is known of models, is wrong.
    """

    def __init__(self, settings: Settings, conversations: Conversations | None = None) -> None:
        """Take settings, and what remembers conversations whichever bundle answers; none are where not given."""
        self._settings, self._conversations = settings, conversations
        self._golden = load_golden(settings.golden_prompts)
        self._families, self._controls = load_model_families(), load_controls()

    def load(self, folder: Path, served: Router | None = None) -> Router:
        """Return a router of the bundle in a folder; the encoder of what is served is shared where it is the one that the bundle needs.

        Raises:
            BundleMissing, BundleMismatch, BundleTooNew: it cannot be served, or a golden prompt says that it should not be.
        """
        bundle = Bundle(folder)
        encoder = served.scorer.encoder if served else None
        if encoder is None or encoder.sha256 != bundle.manifest.encoder.sha256:
            encoder = Encoder(find("models/encoder"))
        scorer = Scorer(bundle, encoder=encoder)
        router = Router(
            scorer, self._families, controls=self._controls, exploration=self._settings.exploration,
            conversations=self._conversations, remembers=self._settings.remembered_prompts,
        )  # fmt: skip
        check(router.unexplored(), self._golden)
        return router
