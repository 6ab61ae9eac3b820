"""conf/quickstart.sh, as `make run` starts it: it works, and leaves nothing behind.

Uses the ports a user would see. CASHEW names the program to run, as in the other tests.
"""

import ctypes
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import time

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = REPOSITORY / "conf/quickstart.sh"
BINARY = os.environ.get("CASHEW", ".build/release/cashew")
PROXY_PORT, STATS_PORT, REDIS_PORTS = 22121, 22222, (6391, 6392)
PORTS = (PROXY_PORT, STATS_PORT, *REDIS_PORTS)


@pytest.fixture(autouse=True)
def leaves_nothing(tmp_path):
    """Before each test the ports are free; after it they are again, and no file is left."""
    taken = [port for port in PORTS if is_open(port)]
    assert not taken, f"ports {taken} are in use on this machine"
    yield
    assert [port for port in PORTS if is_open(port)] == []
    assert list(tmp_path.iterdir()) == []


def is_open(port):
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def start(folder, binary=BINARY, before=None):
    """Starts the script as a terminal does: in a process group of its own, which may be interrupted
    even if these tests run in the background of a shell, where that is ignored."""

    def prepare():
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if before:
            before()

    return subprocess.Popen(
        [SCRIPT],
        env={**os.environ, "CASHEW": binary, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=prepare,
    )


def wait_until_shown(script):
    """Reads up to the last line of what it prints, or to its end."""
    lines = []
    for line in script.stdout:
        lines.append(line)
        if line.startswith("Ctrl-C"):
            break
    else:
        pytest.fail(f"ended early: {script.communicate()[1]}")
    return "".join(lines)


def finish(script, number=None):
    """Signals the whole group, as the terminal's Ctrl-C does, and returns what is left to read."""
    if number is not None:
        os.killpg(script.pid, number)
    output, errors = script.communicate(timeout=20)
    return script.returncode, errors


def redis_cli(port, *words):
    return subprocess.run(
        ["redis-cli", "-p", str(port), *words], capture_output=True, text=True, timeout=10
    ).stdout.strip()


def processes_mentioning(text):
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if text in (entry / "cmdline").read_bytes().decode(errors="replace"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def redis_on(port):
    return processes_mentioning(f"redis-server 127.0.0.1:{port}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_works_until_it_is_interrupted(tmp_path, number):
    script = start(tmp_path)
    try:
        shown = wait_until_shown(script)
        assert f"redis-cli -p {PROXY_PORT} set greeting hello" in shown
        assert redis_cli(PROXY_PORT, "set", "greeting", "hello") == "OK"
        assert redis_cli(PROXY_PORT, "get", "greeting") == "hello"
        assert redis_cli(PROXY_PORT, "mget", "greeting", "farewell") == "hello"
        held = [redis_cli(port, "exists", "greeting") for port in REDIS_PORTS]
        assert sorted(held) == ["0", "1"]
        data = re.search(r"data in (\S+)", shown).group(1)
        assert pathlib.Path(data).is_dir()
    finally:
        status, errors = finish(script, number)
    assert status == 0, errors
    assert [redis_on(port) for port in REDIS_PORTS] == [[], []]
    assert processes_mentioning("conf/quickstart") == []


@pytest.mark.parametrize("port", PORTS)
def test_taken_port_is_one_line(tmp_path, port):
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        status, errors = finish(start(tmp_path))
    assert status == 1
    assert errors == (
        f"quickstart: port {port} of 127.0.0.1 is taken: end what listens there first\n"
    )


def test_server_that_dies_is_named_and_ends_all(tmp_path):
    script = start(tmp_path)
    wait_until_shown(script)
    os.kill(redis_on(REDIS_PORTS[1])[0], signal.SIGKILL)
    status, errors = finish(script)
    assert status == 1
    assert (
        "quickstart: redis-server 6392 ended by itself, with status 137; the rest is ended too"
        in errors.splitlines()
    )
    assert redis_on(REDIS_PORTS[0]) == []


def test_proxy_that_does_not_start_is_named_and_ends_all(tmp_path):
    status, errors = finish(start(tmp_path, binary="/bin/false"))
    assert status == 1
    assert errors == (
        "quickstart: cashew ended by itself, with status 1; the rest is ended too\n"
    )


def test_children_die_with_a_script_that_is_killed(tmp_path):
    script = start(tmp_path)
    wait_until_shown(script)
    script.kill()
    script.communicate()
    deadline = time.monotonic() + 5
    while any(is_open(port) for port in PORTS) and time.monotonic() < deadline:
        time.sleep(0.05)
    for folder in tmp_path.iterdir():
        # Nobody is left to remove it; that is the one thing a kill leaves.
        subprocess.run(["rm", "-r", folder], check=True)


def refuse_io_uring():
    """Makes io_uring_setup fail with EPERM in this process and its children, as a container's
    seccomp profile does."""
    load_number, equals, refuse, allow = 0x20, 0x15, 0x00050001, 0x7FFF0000
    io_uring_setup = 425
    program = b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in [
            (load_number, 0, 0, 0),
            (equals, 0, 1, io_uring_setup),
            (0x06, 0, 0, refuse),
            (0x06, 0, 0, allow),
        ]
    )
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HP", 4, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, set_seccomp, filter_mode = 38, 22, 2
    assert libc.prctl(no_new_privileges, 1, 0, 0, 0) == 0
    assert libc.prctl(set_seccomp, filter_mode, header, 0, 0) == 0


def test_refused_io_uring_is_one_line(tmp_path):
    status, errors = finish(start(tmp_path, before=refuse_io_uring))
    assert status == 1
    assert errors == (
        "quickstart: io_uring is refused here: see the sysctl kernel.io_uring_disabled, "
        "or the seccomp profile of the container\n"
    )


def test_missing_compiler_is_one_line(tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ["bash", "dirname"]:
        (tools / name).symlink_to(f"/usr/bin/{name}")
    outcome = subprocess.run(
        [REPOSITORY / "Tests/Scripts/setup.sh", "run"],
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
    )
    for name in tools.iterdir():
        name.unlink()
    tools.rmdir()
    assert outcome.returncode == 1
    assert outcome.stderr == (
        "setup: no swift on PATH: install Swift 6.3 from "
        "https://www.swift.org/install/linux/ and try again\n"
    )
