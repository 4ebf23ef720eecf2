"""Support of the tests. Imports no test module.

kinds: the marker of each test. skips: the reasons for skipped tests. chromium: the browser.
"""
