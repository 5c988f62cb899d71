"""The view that each contender serves."""

PATH = "/view"
BODY = b'{"user":"alice"}\n'
