"""Access tokens: fetching, sharing, renewing and storing them."""
