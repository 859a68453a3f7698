"""Dialects for a request of `/predict`: its provider, its model and its caps, under a profile."""

from contract.caps import Caps, cap_of
from contract.controls import Controls
from contract.profiles import Profile
from contract.records import Arm
from serving.dialects import translated
from serving.dialects.asking import Told
from serving.schemas import PredictRequest


def of_request(
    request: PredictRequest, controls: Controls, profile: Profile, caps: Caps, arm: Arm, budget: int
) -> Told:
    """Return what an arm with a budget is in the parameters of a request's provider; null where it names none."""
    if request.provider is None:
        return Told(None)
    return translated(
        request.provider, request.model, controls, arm, budget, cap=cap_of(profile, caps).tokens,
        max_output_tokens=request.max_output_tokens,
    )  # fmt: skip


def both_arms(request: PredictRequest, controls: Controls, profile: Profile, caps: Caps, budget: int) -> bool:
    """Return whether nothing is known that keeps a request's model from doing either arm, over the provider that it names."""
    accepts = controls.of(request.model, request.provider)
    if accepts is not None and accepts.thinking != "optional":
        return False
    return all(of_request(request, controls, profile, caps, arm, budget).enforced for arm in Arm)
