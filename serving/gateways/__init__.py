"""What gateways need that neither ask /predict nor speak System One: one module a gateway."""
