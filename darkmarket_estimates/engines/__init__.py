"""Where the table lives. An engine knows how to check a listing table, clean it, convert it and total it."""
