"""System One, the protocol by which gateways ask a decision model typed questions about a state: `POST /v1/systemone`."""
