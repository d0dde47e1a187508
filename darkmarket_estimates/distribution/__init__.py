"""Laws of a total: arrays in, a distribution or its moments out. Nothing here knows a table or a market."""
