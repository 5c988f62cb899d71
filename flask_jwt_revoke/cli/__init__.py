"""``flask jwt``: look, explain, act. Commands without business logic."""

from . import acting, examining, keeping, looking, watching, why  # registers each command
from .group import jwt

__all__ = ["acting", "examining", "jwt", "keeping", "looking", "watching", "why"]
