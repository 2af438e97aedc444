"""What each member of the family is measured by, one file a claim; ``models.py`` runs them."""
