"""``flask jwt``: look, explain, act. Commands without business logic."""

from . import acting, keeping, looking, watching, why  # registers each command
from .group import jwt

__all__ = ["acting", "jwt", "keeping", "looking", "watching", "why"]
