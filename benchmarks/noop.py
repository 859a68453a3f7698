"""A BentoML service that does nothing, as thinkworth's is configured: what an endpoint costs without us."""

import bentoml


@bentoml.service(name="noop", traffic={"timeout": 30}, logging={"access": {"enabled": False}})
class Noop:
    """An endpoint that answers the same whatever it is sent."""

    @bentoml.api(route="/predict")
    async def predict(self) -> dict[str, bool]:
        """Answer."""
        return {"ok": True}
