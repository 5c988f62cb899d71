from .client import Client, check_client, check_url, connect
from .keys import Keys
from .redis import Pairs, Reply, Store, Transaction, pairs_of

__all__ = [
    "Client",
    "Keys",
    "Pairs",
    "Reply",
    "Store",
    "Transaction",
    "check_client",
    "check_url",
    "connect",
    "pairs_of",
]
