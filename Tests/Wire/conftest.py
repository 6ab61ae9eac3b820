"""Replays the wire cases in a process of its own while the other tests run.

The replay mostly waits, and has ports of its own (21000-21199), so it costs the other tests little;
only its result is looked at by test_wire.py, which comes last.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
BINARY = REPOSITORY / os.environ.get("CASHEW", ".build/release/cashew")
ONLY = os.environ.get("CASHEW_WIRE_ONLY", "")
FAILURE = re.compile(r"FAIL \[(\w+)\] ([^:]+): (.*)")


class Replay:
    """A running replay of the cases whose names contain `only`."""

    def __init__(self, only):
        self.folder = tempfile.TemporaryDirectory(prefix="wire-replay-")
        self.output = Path(self.folder.name, "output")
        command = [sys.executable, HERE / "wire_replay.py", HERE / "wire-cases.json", BINARY]
        command += ["--only", only, "--list-failures", "100000"]
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TMPDIR": self.folder.name},
                start_new_session=True,
            )

    def failures(self):
        """Waits for the end; the failed cases as {name: (verdict, what was wrong)}."""
        self.process.wait()
        output = self.output.read_text("latin-1")
        self.folder.cleanup()
        complete = re.search(r"^\d+ passed, \d+ failed$", output, re.M)
        assert complete, f"the replay broke off:\n{output[-4000:]}"
        return {m[2]: (m[1], m[0]) for m in map(FAILURE.match, output.splitlines()) if m}

    def stop(self):
        """Ends it early, with all that it has started."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait()
        self.folder.cleanup()


def pytest_collection_finish(session):
    wanted = any(HERE in item.path.parents for item in session.items)
    if wanted and not session.config.option.collectonly and BINARY.exists():
        session.config.wire_replay = Replay(ONLY)


def pytest_unconfigure(config):
    if running := getattr(config, "wire_replay", None):
        running.stop()


@pytest.fixture(scope="session")
def outcome(pytestconfig):
    """The failed cases as {name: (verdict, what was wrong)}.

    What failed beside the other tests, and is few, gets another try alone: the replay tells a
    waiting proxy from a slow one by the clock.
    """
    running = getattr(pytestconfig, "wire_replay", None)
    assert running is not None, f"{BINARY} does not exist: build it first"
    failed = running.failures()
    if len(failed) <= 10:
        # A name may be the beginning of others: those are replayed too, and do not count.
        again = {name: Replay(name).failures().get(name) for name in failed}
        failed = {name: failure for name, failure in again.items() if failure}
    return failed
