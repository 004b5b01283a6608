"""The pages in a real browser, against a stack started as a user starts it.

finding.py    which Chromium: CHROMIUM, the PATH, else one that a registry package ships
visiting.py   one visit: what the browser asked for and complained about, axe, pictures
house.py      what stands in the stack's database when the first page is opened
"""
