"""The command line: parse, call the rows above, print."""
