"""Modules that tests pack as somebody's project are no tests, and import each other by names of their own."""

collect_ignore = ["factors.py", "scaling.py"]
