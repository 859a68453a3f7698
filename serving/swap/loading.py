"""Loads a bundle as it is served: verified, warmed, and checked by golden prompts."""

from pathlib import Path

from contract.bundle import Bundle
from contract.encoder import Encoder
from contract.locate import find
from contract.model_families import load_model_families
from contract.scorer import Scorer
from contract.settings import Settings
from serving.router import Router
from serving.swap.golden import check, load_golden


class Loader:
    """Loads bundles with an operator's settings.

    Raises:
        InvalidInput: golden_prompts or the file of model families is wrong.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._golden = load_golden(settings.golden_prompts)
        self._families = load_model_families()

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
        check(Router(scorer, self._families), self._golden)
        return Router(
            scorer, self._families, exploration=self._settings.exploration, remembers=self._settings.remembered_prompts
        )
