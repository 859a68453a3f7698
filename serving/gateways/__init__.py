"""What connects gateways beyond /predict and System One: one module a gateway, or a package that may be copied to it."""
