"""Keys and error texts for pools of two servers: s0 misbehaves, s1 is a real redis-server."""

from resp import Error
from shards import key_on

BAD, GOOD = key_on(0, 2, "bad"), key_on(1, 2, "good")
REFUSED = Error("ERR Connection refused")
TIMED_OUT = Error("ERR Connection timed out")
RESET = Error("ERR Connection reset by peer")
ENDED = Error("ERR unknown")
INVALID = Error("ERR Invalid argument")
BROKEN_PIPE = Error("ERR Broken pipe")
