"""The pages: sign in, register, one's devices, another password, and those for operators.

They need no JavaScript.
"""

from __future__ import annotations

from flask import Blueprint

from . import context, devices, entrance, operators, origin, password, refusals, words

blueprint = Blueprint("pages", __name__)
for room in (entrance, devices, password, operators, refusals, origin, words, context):
    room.add_to(blueprint)

#: The endpoints that take a password, and how each learns whose.
GUARDED = {
    "pages.sign_in": entrance.asked_name,
    "pages.register": entrance.asked_name,
    "pages.change_password": password.asked_name,
}
