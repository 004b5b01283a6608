"""HTTP endpoints of sources, served on the edge's event loop without Django's views.

accepting.py  a request's way, from its body to the answer
facts.py      what is known of the source that a key leads to
store.py      writes what is accepted
answers.py    waits for what a component answers by itself
"""
