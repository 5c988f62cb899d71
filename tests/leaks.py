"""What a test has printed, logged and stored shows no token and no key (promise 12)."""

from __future__ import annotations

import re

import redis

SECRET = "a secret of the tests, long enough for HS512: 64 bytes are needed."
TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")

# Looks at each key and value there is, and answers the keys of those that show a token or a secret.
_SEARCH = """
local found = {}
local function search(key, text)
    if string.find(text, 'eyJ[%w_-]+%.[%w_-]+%.') or string.find(text, ARGV[1], 1, true) then
        found[#found + 1] = key
    end
end
local readers = {
    string = {'GET'}, hash = {'HGETALL'}, zset = {'ZRANGE', '0', '-1'}, set = {'SMEMBERS'},
    list = {'LRANGE', '0', '-1'}, stream = {'XRANGE', '-', '+'},
}
local function walk(key, value)
    if type(value) == 'table' then
        for _, one in ipairs(value) do walk(key, one) end
    elseif type(value) == 'string' then
        search(key, value)
    end
end
for _, key in ipairs(redis.call('KEYS', '*')) do
    search(key, key)
    local name, from, to = unpack(readers[redis.call('TYPE', key).ok] or {'EXISTS'})
    walk(key, from and redis.call(name, key, from, to) or redis.call(name, key))
end
return found
"""


def shown_in(text: str) -> list[str]:
    """The tokens in it, and the tests' key."""
    return [*TOKEN.findall(text), *([SECRET] if SECRET in text else [])]


def stored_in(client: redis.Redis) -> list[bytes]:
    """The keys that hold a token or the tests' key, or whose names do."""
    return list(client.eval(_SEARCH, 0, SECRET))
