"""Who reads what when something is refused: the client in its reply, the operator in the log."""

import re
import time

import pytest

from fakes import echo
from launch import AnyClient, Program, lines_of, pool, wait_until
from ports import HOST, free_port
from resp import Client, Error
from shards import key_on

pytestmark = pytest.mark.beyond

STOPS = "it would stop a connection that clients share"
CHANGES = "it would change a connection that clients share"
ONE_OF_MANY = "it would reach one server of many"
ABOUT_SERVER = "it is about a server, or moves keys away from where they hash"
REASONS = {
    "BLPOP k 0": STOPS, "wait 1 0": STOPS, "SUBSCRIBE c": CHANGES, "HELLO 3": CHANGES,
    "CLIENT SETNAME x": CHANGES, "KEYS *": ONE_OF_MANY, "INFO server": ONE_OF_MANY,
    "SCRIPT LOAD x": ONE_OF_MANY, "CONFIG GET save": ABOUT_SERVER, "MEMORY DOCTOR": ABOUT_SERVER,
    "MOVE k 1": ABOUT_SERVER,
}


# Commands


@pytest.mark.parametrize("line, reason", REASONS.items())
def test_a_refused_command_is_told_why(client, line, reason):
    name, *arguments = line.split()
    listed = "".join(f"'{argument}' " for argument in arguments)
    start = f"ERR unknown command '{name}', with args beginning with: {listed}"
    got = client.call(*line.split())
    assert got == Error(f"{start}: not supported through the proxy, {reason}")


@pytest.mark.parametrize("name", ["info", "INFO", "Info"])
def test_info_alone_gets_what_node_redis_compares_with(client, name):
    """Versions 2 and 3 take this for "ready", and anything else for a fault."""
    assert client.call(name) == Error(f"ERR unknown command '{name}'")


@pytest.mark.parametrize(
    "request_line",
    ["NONSENSE", "NONSENSE a b", "GET\0 k", "OBJECT nonsense k", "xinfo nonsense k", "COMMAND x"])
def test_what_redis_does_not_know_gets_its_words_alone(client, shards, request_line):
    wording = shards[0].call(*request_line.split(" "))
    assert wording.text.startswith("ERR unknown ")
    assert client.call(*request_line.split(" ")) == wording


@pytest.mark.parametrize(
    "library, line, pattern",
    [
        ("Lettuce", "HELLO 3", r"^ERR.*unknown"),
        ("Jedis", "HELLO 3", r"ERR .*unknown command"),
        ("rueidis", "HELLO 3", r"unknown command 'HELLO'"),
        ("Envoy's tests", "FOO", r"ERR unknown command 'FOO', with args beginning with: $"),
        ("redis-py", "EXEC", r"ERR EXEC without MULTI$"),
    ],
    ids=lambda value: value if " " not in value else None)
def test_what_libraries_look_for_is_there(client, library, line, pattern):
    assert re.search(pattern, client.call(*line.split()).text)


def start(tmp_path, servers, *arguments, **directives):
    address = free_port()
    yaml = pool("alpha", f"{HOST}:{address}", servers, **directives)
    return Program(tmp_path / "explained", yaml, address, *arguments)


def lines(program, word):
    return [line for line in program.log_path.read_text().splitlines() if word in line]


def test_refused_commands_are_logged_at_info_within_limits(tmp_path, shards):
    with start(tmp_path, lines_of([shards[0].port]), "-v", "6") as program:
        with AnyClient(program.address) as client:
            client.pipeline([("BLPOP", "secret-key", "0")] * 500)
            assert wait_until(lambda: len(lines(program, "refused '")) >= 100)
            first = lines(program, "refused '")
            assert 100 <= len(first) <= 200, "more than 100 a second"
            assert re.search(
                rf"info pool 'alpha' refused 'blpop' of a client \({HOST}:\d+\): {STOPS}$",
                first[0])
            time.sleep(1.1)
            client.pipeline([("non\nsense", "x"), ("MEMORY", "DOCTOR")])
            wait_until(lambda: len(lines(program, "refused '")) == len(first) + 2)
            odd, doctor = lines(program, "refused '")[len(first):]
            assert re.search(
                r"refused 'non\\x0asense' of a client .*: redis does not know it either "
                r"\(and \d+ times more since the last line\)$", odd)
            assert "refused 'memory|doctor' of a client" in doctor
        assert "secret-key" not in program.log_path.read_text()


def test_refused_commands_are_not_logged_by_default(tmp_path, shards):
    with start(tmp_path, lines_of([shards[0].port])) as program:
        with AnyClient(program.address) as client:
            assert isinstance(client.call("BLPOP", "k", "0"), Error)
        assert [line for line in lines(program, "refused") if " notice " not in line] == []


def test_a_client_closed_for_client_reply_is_logged(tmp_path, shards):
    with start(tmp_path, lines_of([shards[0].port])) as program:
        with AnyClient(program.address) as client:
            client.send("CLIENT", "REPLY", "OFF")
            client.rest()
        assert wait_until(lambda: lines(program, "that asked for no replies"))


# Greetings


def greeter(*replies, then=echo):
    """A server that answers the proxy's own requests with these bytes, or closes at None."""

    def script(connection):
        for reply in replies:
            if connection.request() is None:
                return
            if reply is None:
                return connection.fin()
            connection.send(reply)
        then(connection)

    return script


PASSWORD = "pass-word"
WRONG = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
# What the server says, what the client reads of it, and what the log.
REFUSALS = {
    "password": (
        (WRONG,), "refused AUTH",
        "refused AUTH: WRONGPASS invalid username-password pair or user is disabled."),
    "database": (
        (b"+OK\r\n", b"-ERR DB index is out of range\r\n"), "refused SELECT",
        "refused SELECT 7: ERR DB index is out of range"),
    "no AUTH": (
        (f"-ERR unknown command 'AUTH', with args beginning with: '{PASSWORD}' \r\n".encode(),),
        "refused AUTH", "refused AUTH: ERR unknown command 'AUTH'"),
    "no AUTH, in other words": (
        (f"-what is {PASSWORD}, {PASSWORD}?\r\n".encode(),), "refused AUTH",
        "refused AUTH: what is ***, ***?"),
    "loading": (
        (b"-LOADING Redis is loading the dataset in memory\r\n",), "refused AUTH",
        "refused AUTH: LOADING Redis is loading the dataset in memory"),
    "long": ((b"-" + b"x" * 2000 + b"\r\n",), "refused AUTH", "refused AUTH: " + "x" * 120),
    "end": (
        (None,), "did not answer AUTH: it closed the connection",
        "failed before it answered AUTH: it closed the connection"),
    "later end": (
        (b"+OK\r\n", None), "did not answer SELECT: it closed the connection",
        "failed before it answered SELECT: it closed the connection"),
    "garbage": (
        (b"?\r\n",), "did not answer AUTH: Invalid argument",
        "sent what is no reply to what it was asked: the connection ends, and all requests on it fail"),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refused_greeting_is_explained(start_fake, shards, tmp_path, kind):
    replies, told, logged = REFUSALS[kind]
    bad = f"{HOST}:{start_fake(greeter(*replies)).port}:1 shard1"
    good = f"{HOST}:{start_fake(greeter(b'+OK', b'+OK')).port}:1 shard2"
    with start(tmp_path, [bad, good], redis_auth=PASSWORD, redis_db=7) as program:
        with AnyClient(program.address) as client:
            assert client.call("AUTH", PASSWORD) == "OK"
            wanted = Error(f"ERR server shard1 {told}")
            key = key_on(0, 2)
            assert client.pipeline([("GET", key)] * 3) == [wanted] * 3
            assert client.call("GET", key) == wanted
        line = wait_until(lambda: lines(program, "'shard1'"))[0]
        port = bad.split(":")[1]
        assert line.endswith(f"pool 'alpha' server 'shard1' ({HOST}:{port}) {logged}"), line
        assert PASSWORD not in program.log_path.read_text()


def test_a_greeting_that_is_never_answered_times_out_and_says_so(start_fake, tmp_path):
    silent = start_fake(lambda connection: connection.wait_for_close())
    with start(tmp_path, lines_of([silent.port]), redis_db=7, timeout=200) as program:
        with AnyClient(program.address) as client:
            told = Error("ERR server s0 did not answer SELECT: Connection timed out")
            assert client.call("GET", "k") == told
        assert wait_until(
            lambda: lines(program, "failed before it answered SELECT: Connection timed out"))


def test_a_part_whose_server_refuses_the_greeting_says_so(start_fake, tmp_path, shards):
    """And one request's refusal does not touch those of other servers."""
    bad = start_fake(greeter(WRONG)).port
    servers = lines_of([bad, shards[1].port])
    with start(tmp_path, servers, redis_auth=PASSWORD) as program:
        with AnyClient(program.address) as client:
            assert client.call("AUTH", PASSWORD) == "OK"
            one, two = key_on(0, 2), key_on(1, 2)
            told = Error("ERR server s0 refused AUTH")
            requests = [("MSET", one, "1", two, "2"), ("MGET", one, two), ("GET", two)]
            assert client.pipeline(requests) == [told, told, b"2"]


def test_the_first_words_of_a_real_server(shards, tmp_path):
    """Redis 7 without a password takes any, and says so; database 99 it has not."""
    with start(tmp_path, lines_of([shards[0].port]), redis_auth=PASSWORD, redis_db=99) as program:
        with Client(program.address) as client:
            assert client.call("AUTH", PASSWORD) == "OK"
            assert client.call("GET", "k") == Error("ERR server s0 refused SELECT")
        assert wait_until(lambda: lines(program, "refused SELECT 99: ERR DB index is out of range"))
