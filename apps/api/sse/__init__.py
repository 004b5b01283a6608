"""Live streams of a source's events.

streams.py  the view, and the streams that the edge serves
hub.py      one reader of Redis, which feeds them all
client.py   the queue of one reader
"""
