from .allowlist import Allowlist
from .base import Strategy, entry_verdict, shared_question, shared_verdict, whole
from .blacklist import Blacklist
from .version import Version

NAMED: dict[str, Strategy] = {
    "blacklist": Blacklist(),
    "allowlist": Allowlist(),
    "version": Version(),
}

__all__ = [
    "NAMED",
    "Allowlist",
    "Blacklist",
    "Strategy",
    "Version",
    "entry_verdict",
    "shared_question",
    "shared_verdict",
    "whole",
]
