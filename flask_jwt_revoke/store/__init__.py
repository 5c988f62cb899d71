from .client import Client, connector
from .keys import Keys, mark
from .redis import Store
from .replies import Pairs, pairs, text
from .transaction import Command, Reply, Transaction

__all__ = [
    "Client",
    "Command",
    "Keys",
    "Pairs",
    "Reply",
    "Store",
    "Transaction",
    "connector",
    "mark",
    "pairs",
    "text",
]
