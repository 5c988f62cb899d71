from .breaker import Breaker
from .client import Client, connector, is_in_process
from .feed import Feed, Subscription, steady
from .keys import Keys, mark
from .question import Command, Question
from .redis import Store
from .replies import Pairs, pairs, text, texts
from .transaction import Reply, Transaction

__all__ = [
    "Breaker",
    "Client",
    "Command",
    "Feed",
    "Keys",
    "Pairs",
    "Question",
    "Reply",
    "Store",
    "Subscription",
    "Transaction",
    "connector",
    "is_in_process",
    "mark",
    "pairs",
    "steady",
    "text",
    "texts",
]
