"""The nouns of hashsvc as frozen dataclasses: no SQL, no torch, no gRPC."""
