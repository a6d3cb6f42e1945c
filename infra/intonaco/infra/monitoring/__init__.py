"""What became of predictions: accuracy as labels arrive, drift, alerts."""
