from .announcement import Announcement, Announcer, heard
from .breaker import Breakers
from .client import Client, connector, is_in_process
from .feed import Feed, Subscription, steady
from .keys import Keys, mark
from .question import Command, Question
from .redis import Store
from .replies import Pairs, pairs, text, texts
from .transaction import Reply, Transaction
from .versions import is_raised, is_same, is_version

__all__ = [
    "Announcement",
    "Announcer",
    "Breakers",
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
    "heard",
    "is_in_process",
    "is_raised",
    "is_same",
    "is_version",
    "mark",
    "pairs",
    "steady",
    "text",
    "texts",
]
