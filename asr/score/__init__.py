"""Error rates with the statistics that say how far to trust them."""
