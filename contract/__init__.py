"""The shared vocabulary of training and serving: records, features, the ask, policy, bundle, scorer."""
