"""What connects gateways: an adapter a gateway."""
