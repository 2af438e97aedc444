"""The command line: verbs for a person, over a store in this process or over a server (``--server``)."""
