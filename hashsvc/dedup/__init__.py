"""Dedup: which items of a collection are near-duplicates of others, decided so that each drop can be explained."""
