"""Area, delay and switching energy in the cells of a liberty file."""
