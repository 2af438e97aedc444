"""Messages and services of hashsvc.v1, generated from protos/ by ``make proto``; never edited."""
