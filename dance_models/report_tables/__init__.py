"""The tables of the reports, from the long score tables: one class, and a file for each kind."""
