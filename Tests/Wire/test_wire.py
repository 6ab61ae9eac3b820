"""Every wire case of wire-cases.json against the proxy: what nutcracker answers, or better.

CASHEW_WIRE_ONLY picks cases by a part of their names (all unless it says otherwise). Cases of
the verdicts must and should were captured from nutcracker; those called improve say what it does
wrong and what is right.
"""

import json
import os
from pathlib import Path

import pytest

ONLY = os.environ.get("CASHEW_WIRE_ONLY", "")
pytestmark = pytest.mark.timeout(600)

# Cases that the proxy answers differently on purpose, with the reason.
DIFFERS = {
    "redis/forwarded/exists": "keys on two servers are split and summed, not counted on the first",
    "redis/cmd/quit": "says +OK before it closes, as redis/quit_lower wants",
    "redis/arity/quit/with_arg": "the same",
    "redis/conns/two_round_robin": "a client's requests stay on one connection, in their order",
    "redis/conns/preconnect_then_three": "the same",
    "memcache/closed/unsupported_ms_a_1": "waits for the data block, as memcached does",
    "memcache/reply/multiget_servererr": "passes the server's own error, not another",
    # What is no reply to a get is the reply to something else: the next one would be too.
    "memcache/reply/pass_num": "a number is no reply to a get: the connection fails",
    "memcache/reply/pass_exists": "the same of EXISTS",
    "memcache/reply/pass_version": "the same of VERSION",
    "memcache/reply/pass_error": "the same of ERROR, as all that is forwarded is a command",
    "memcache/reply/pass_clienterr": "the same of CLIENT_ERROR, as the line was checked before",
    "memcache/bare_lf_is_part_of_key": "a line ends at LF, as for memcached",
    "memcache/lf_inside_key_forwarded": "so the LF ends one command, and another follows",
    # memcached 1.6.45 takes a line that begins with blanks for no command, and data for the next.
    "memcache/forwarded/set_verbatim": "blanks before the name are left out",
    "memcache/forwarded/get_multi_same_server": "the same; all else goes out as it came",
    "memcache/reply/pass_valerr": "a value for a key that was not asked is passed to nobody",
}

# Cases of the verdict improve that are not better yet, with the reason.
KNOWN = {}


def report(failed):
    return f"{len(failed)} cases fail:\n" + "\n".join(text for _, text in failed.values())


def test_what_nutcracker_does_right(outcome):
    failed = {
        name: (verdict, text)
        for name, (verdict, text) in outcome.items()
        if verdict in ("must", "should") and name not in DIFFERS
    }
    assert not failed, report(failed)


def test_what_nutcracker_does_wrong(outcome):
    failed = {
        name: (verdict, text)
        for name, (verdict, text) in outcome.items()
        if verdict == "improve" and name not in KNOWN and name not in DIFFERS
    }
    assert not failed, report(failed)


@pytest.mark.parametrize("name", [n for n in (*DIFFERS, *KNOWN) if ONLY in n])
def test_exception_is_needed(outcome, name):
    """A case that passes, or is no case any more, must leave the list."""
    cases = json.loads(Path(__file__).with_name("wire-cases.json").read_text())["cases"]
    assert name in {case["name"] for case in cases}
    assert name in outcome
