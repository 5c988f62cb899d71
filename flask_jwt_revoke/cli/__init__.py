"""``flask jwt``: look, explain, act. Commands without business logic."""

from . import acting, auditing, examining, keeping, looking, watching, why  # registers each command
from .group import jwt

__all__ = ["acting", "auditing", "examining", "jwt", "keeping", "looking", "watching", "why"]
