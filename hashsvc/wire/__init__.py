"""Domain nouns to messages of hashsvc.v1 and back: the one piece that server and client share.

``read_*`` functions make a noun of a message and raise InvalidArgument naming the field by its path in the request;
``write_*`` functions make a message of a noun.
"""
