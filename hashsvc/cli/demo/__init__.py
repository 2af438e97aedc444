"""The demo: from files to answers over the wire, on texts and images that every installation already has."""
