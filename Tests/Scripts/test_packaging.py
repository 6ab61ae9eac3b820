"""make install, make deb, and what is in the package: it installs, starts, and comes off again.

Nothing of this machine is changed: packages go into a root of their own. CASHEW names the
program to package, as in the other tests.
"""

import gzip
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PACKAGING = REPOSITORY / "conf/packaging"
BINARY = pathlib.Path(os.environ.get("CASHEW", REPOSITORY / ".build/release/cashew")).resolve()
PROGRAM, UNIT = "usr/sbin/cashew", "usr/lib/systemd/system/cashew.service"


def run(*command, check=True, **options):
    return subprocess.run(
        [str(word) for word in command], check=check, capture_output=True, text=True,
        timeout=60, **options)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    path = run(PACKAGING / "make-deb.sh", BINARY, folder).stdout.strip()
    assert [str(file) for file in folder.iterdir()] == [path]
    return path


@pytest.fixture
def root(tmp_path):
    """A folder for dpkg to take for the whole system."""
    for name in ["etc", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers"]:
        (tmp_path / "root" / name).mkdir(parents=True)
    (tmp_path / "root/var/lib/dpkg/status").touch()
    return tmp_path / "root"


def dpkg(root, *arguments):
    """The maintainer scripts run outside of the root, which has no shell."""
    if os.geteuid() != 0:
        pytest.skip("dpkg changes nothing, not even a folder, without root")
    return run(
        "dpkg", f"--root={root}", "--log=/dev/null", "--force-depends",
        "--force-script-chrootless", "--force-confdef", "--force-confold", *arguments)


class Proxy:
    """A program that serves one pool on a port of its own, and a service manager that listens."""

    def __init__(self, program, configuration, folder, *arguments, manager=None, wrapper=()):
        self.port, text = free_port(), configuration.read_text()
        file = folder / "started.yml"
        file.write_text(text.replace("127.0.0.1:22121", f"127.0.0.1:{self.port}"))
        assert file.read_text() != text
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.settimeout(10)
        name = manager or str(folder / "manager")
        self.manager.bind(name.replace("@", "\0"))
        self.process = subprocess.Popen(
            [*wrapper, program, "-c", file, "-a", "127.0.0.1", "-s", str(free_port()), *arguments],
            env={**os.environ, "NOTIFY_SOCKET": name}, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()
        self.manager.close()

    def told(self):
        return self.manager.recv(1024).decode()

    def ping(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as client:
            client.sendall(b"*1\r\n$4\r\nPING\r\n")
            return client.recv(64)

    def stop(self, process_id=None):
        os.kill(process_id or self.process.pid, signal.SIGTERM)
        assert self.told() == "STOPPING=1"
        _, errors = self.process.communicate(timeout=10)
        assert self.process.returncode == 0, errors


def test_package_says_what_it_needs(package):
    def field(name):
        return run("dpkg-deb", "--field", package, name).stdout.strip()

    version = run(BINARY, "-V").stderr.split()[2].removeprefix("cashew-")
    assert field("Package") == "cashew"
    assert field("Version") == version
    assert field("Architecture") == run("dpkg", "--print-architecture").stdout.strip()
    needed = {entry.split()[0] for entry in field("Depends").split(", ")}
    assert {"libc6", "liburing2", "libyaml-0-2"} <= needed
    assert needed <= {"libc6", "liburing2", "libyaml-0-2", "libgcc-s1", "libstdc++6", "procps"}
    assert int(field("Installed-Size")) > 1000


def test_package_holds_what_belongs_to_it(package, tmp_path):
    lines = run("dpkg-deb", "--contents", package).stdout.splitlines()
    entries = [(line.split()[0], line.split()[1], line.split()[5]) for line in lines]
    assert {owner for _, owner, _ in entries} == {"root/root"}
    files = {name: mode for mode, _, name in entries if not name.endswith("/")}
    assert files == {
        "./etc/cashew/cashew.yml": "-rw-r--r--",
        "./etc/default/cashew": "-rw-r--r--",
        "./etc/logrotate.d/cashew": "-rw-r--r--",
        f"./{UNIT}": "-rw-r--r--",
        "./usr/lib/sysusers.d/cashew.conf": "-rw-r--r--",
        f"./{PROGRAM}": "-rwxr-xr-x",
        **{
            f"./usr/share/doc/cashew/{name}": "-rw-r--r--" for name in [
                "COMPATIBILITY.md", "README.md", "copyright", "deployment.md",
                "examples/haproxy.cfg", "examples/nutcracker.leaf.yml",
                "examples/nutcracker.root.yml", "examples/nutcracker.yml"]
        },
        "./usr/share/man/man8/cashew.8.gz": "-rw-r--r--",
    }
    run("dpkg-deb", "--control", package, tmp_path)
    conffiles = (tmp_path / "conffiles").read_text().split()
    assert conffiles == [name[1:] for name in sorted(files) if name.startswith("./etc")]
    sums = (tmp_path / "md5sums").read_text().splitlines()
    assert sorted(f"./{line.split()[1]}" for line in sums) == [
        name for name in sorted(files) if name.startswith("./usr")]


def test_same_program_gives_the_same_package(package, tmp_path):
    again = run(PACKAGING / "make-deb.sh", BINARY, tmp_path).stdout.strip()
    assert pathlib.Path(again).read_bytes() == pathlib.Path(package).read_bytes()


def test_installed_program_serves(package, root, tmp_path):
    if os.geteuid() == 0:
        dpkg(root, "--install", package)
        assert "install ok installed" in run("dpkg", f"--root={root}", "-s", "cashew").stdout
        assert re.search("^cashew:", (root / "etc/passwd").read_text(), re.MULTILINE)
    else:
        run("dpkg-deb", "--extract", package, root)
    configuration = root / "etc/cashew/cashew.yml"
    run(root / PROGRAM, "-t", "-c", configuration)
    with Proxy(root / PROGRAM, configuration, tmp_path) as proxy:
        assert proxy.told() == "READY=1"
        assert proxy.ping() == b"+PONG\r\n"
        proxy.stop()


def test_changed_configuration_survives_all_but_a_purge(package, root):
    dpkg(root, "--install", package)
    configuration = root / "etc/cashew/cashew.yml"
    configuration.write_text("changed: true\n")
    dpkg(root, "--install", package)
    assert configuration.read_text() == "changed: true\n"
    (root / "var/log/cashew").mkdir(parents=True)
    dpkg(root, "--remove", "cashew")
    assert configuration.exists()
    assert not (root / PROGRAM).exists()
    dpkg(root, "--purge", "cashew")
    assert not configuration.exists()
    assert not (root / "var/log/cashew").exists()


def test_configuration_with_a_password_is_for_the_service_alone(package, root):
    dpkg(root, "--install", package)
    configuration = root / "etc/cashew/cashew.yml"
    assert configuration.stat().st_mode & 0o777 == 0o644
    text = configuration.read_text()
    configuration.write_text(text.replace("redis: true", "redis: true\n  redis_auth: secret"))
    dpkg(root, "--install", package)
    group = re.search(r"^cashew:[^:]*:(\d+):", (root / "etc/group").read_text(), re.MULTILINE)
    status = configuration.stat()
    assert (status.st_mode & 0o777, status.st_uid) == (0o640, 0)
    assert status.st_gid == int(group[1])


def files_of(folder):
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*")
                  if file.is_symlink() or not file.is_dir())


@pytest.mark.parametrize("changed", [False, True])
def test_uninstall_removes_what_install_made_and_nothing_else(tmp_path, changed):
    environment = {**os.environ, "DESTDIR": str(tmp_path), "NUTCRACKER_LINK": "yes"}
    others = ["var/log/cashew/cashew.log", "usr/local/sbin/other", "etc/cashew/mine.yml"]
    for name in others if changed else []:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    run(PACKAGING / "install.sh", BINARY, env=environment)
    assert "usr/local/sbin/nutcracker" in files_of(tmp_path)
    if changed:
        (tmp_path / "etc/cashew/cashew.yml").write_text("changed: true\n")
    said = run(PACKAGING / "uninstall.sh", env=environment).stderr
    kept = [*others, "etc/cashew/cashew.yml"] if changed else []
    assert files_of(tmp_path) == sorted(kept)
    assert ("cashew.yml was changed, and stays" in said) == changed
    assert (tmp_path / "etc/cashew").exists() == changed


def test_install_without_sysusers_says_what_to_make_by_hand(tmp_path):
    """Without a user, and with a path that has nothing of systemd."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ["bash", "dirname", "install", "sed", "env"]:
        (tools / tool).symlink_to(shutil.which(tool))
    # Nobody is known to this one.
    (tools / "getent").write_text("#!/bin/sh\nexit 2\n")
    (tools / "getent").chmod(0o755)
    script = (PACKAGING / "install.sh").read_text().replace(
        "$(dirname \"$0\")", str(PACKAGING)).replace(" /etc/", f" {tmp_path}/etc/")
    (tmp_path / "install.sh").write_text(script)
    said = run(
        tools / "bash", tmp_path / "install.sh", BINARY,
        env={"PATH": str(tools), "PREFIX": str(tmp_path / "usr")}).stderr
    assert "there is no systemd-sysusers" in said
    assert "useradd --system --user-group" in said and "cashew" in said


def test_service_is_started_again_for_ever():
    unit = (PACKAGING / "cashew.service").read_text()
    head, service = unit.split("[Service]")
    assert "StartLimitIntervalSec=0" in head.splitlines()
    assert {"Restart=on-failure", "RestartSec=1"} <= set(service.splitlines())


def test_link_takes_the_place_of_nutcracker_and_gives_it_back(package, root):
    """The commands of cashew(8)."""
    dpkg(root, "--install", package)
    original = root / "usr/sbin/nutcracker"
    original.write_text("the original")
    divert = ["dpkg-divert", f"--root={root}", "--rename"]
    run(*divert, "--add", "/usr/sbin/nutcracker")
    original.symlink_to("cashew")
    assert "default: /etc/nutcracker/nutcracker.yml" in run(original, "-h").stderr
    original.unlink()
    run(*divert, "--remove", "/usr/sbin/nutcracker")
    assert original.read_text() == "the original"


@pytest.mark.parametrize("manager", ["path", "abstract"])
def test_service_manager_is_told(tmp_path, manager):
    name = f"@cashew-test-{os.getpid()}" if manager == "abstract" else None
    with Proxy(BINARY, PACKAGING / "cashew.yml", tmp_path, manager=name) as proxy:
        assert proxy.told() == "READY=1"
        # Ready means that nobody has to try twice.
        assert proxy.ping() == b"+PONG\r\n"
        proxy.stop()


def test_service_manager_hears_nothing_of_a_failed_start(tmp_path):
    with Proxy(BINARY, PACKAGING / "cashew.yml", tmp_path, "-c", "/nonexistent") as proxy:
        assert proxy.process.wait(timeout=10) == 1
        proxy.manager.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.told()


@pytest.mark.parametrize("name", ["", "/nonexistent/socket", "/" + 200 * "x"])
def test_service_manager_that_is_not_there_is_no_hindrance(tmp_path, name):
    outcome = run(
        BINARY, "-c", "/nonexistent", check=False, env={**os.environ, "NOTIFY_SOCKET": name})
    assert outcome.returncode == 1
    with Proxy(BINARY, PACKAGING / "cashew.yml", tmp_path) as proxy:
        assert proxy.told() == "READY=1"
        proxy.manager.close()
        os.unlink(tmp_path / "manager")
        proxy.process.terminate()
        assert proxy.process.wait(timeout=10) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("workers", [1, 4])
def test_needs_no_privilege(workers):
    """As the unit starts it: a user without capabilities, here with 256 KiB for each worker, and some."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        program = shutil.copy(BINARY, folder)
        previous = os.umask(0)
        try:
            folder.chmod(0o755)
            # The kernel counts for all of a user, and takes its time to forget rings that ended.
            wrapper = [
                "prlimit", f"--memlock={(workers + 8) * 256 * 1024}", "setpriv", "--reuid=65534",
                "--regid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all",
                "--no-new-privs",
            ]
            with Proxy(
                program, PACKAGING / "cashew.yml", folder, f"--workers={workers}",
                wrapper=wrapper,
            ) as proxy:
                assert proxy.told() == "READY=1"
                status = pathlib.Path(f"/proc/{proxy.process.pid}/status").read_text()
                assert re.search(r"^Uid:\t65534\t65534", status, re.MULTILINE)
                assert re.search("^CapBnd:\t0+$", status, re.MULTILINE)
                assert proxy.ping() == b"+PONG\r\n"
                proxy.stop()
        finally:
            os.umask(previous)


def unit_settings():
    lines = (PACKAGING / "cashew.service").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_unit_is_understood(tmp_path):
    unit = tmp_path / "cashew.service"
    text = (PACKAGING / "cashew.service").read_text()
    unit.write_text(text.replace("@SBINDIR@/cashew", str(BINARY)))
    outcome = run("systemd-analyze", "verify", "--man=no", unit, check=False)
    assert "cashew.service" not in outcome.stderr
    score = run("systemd-analyze", "security", "--offline=yes", "--no-pager", unit).stdout
    exposure = float(re.search(r"exposure level for cashew.service: ([0-9.]+)", score).group(1))
    assert exposure <= 2


def allowed_system_calls():
    """The names that SystemCallFilter= lets through, groups resolved."""
    known, group = {}, None
    for line in run("systemd-analyze", "syscall-filter", "--no-pager").stdout.splitlines():
        if line.startswith("@"):
            group = known.setdefault(line.strip(), [])
        elif group is not None and line.startswith("    ") and "#" not in line:
            group.append(line.strip())

    def resolve(name):
        if not name.startswith("@"):
            return {name}
        return set().union(*(resolve(member) for member in known[name]))

    names = unit_settings()["SystemCallFilter"].split()
    # systemd allows these, whatever the list says, so that a program can be started and end.
    return set().union(*(resolve(name) for name in names), {"execve", "exit", "exit_group"})


@pytest.mark.skipif(
    not (shutil.which("strace") and shutil.which("systemd-analyze")),
    reason="strace or systemd is not installed")
def test_unit_allows_what_the_program_does(tmp_path):
    """System calls from start to end, with a reload and a rotated log between."""
    trace, log = tmp_path / "trace", tmp_path / "log"
    with Proxy(
        BINARY, PACKAGING / "cashew.yml", tmp_path, "-o", log,
        wrapper=["strace", "-f", "-o", trace],
    ) as proxy:
        assert proxy.told() == "READY=1"
        assert proxy.ping() == b"+PONG\r\n"
        started = int(re.search(r"on pid (\d+)", log.read_text()).group(1))
        log.rename(tmp_path / "old")
        os.kill(started, signal.SIGHUP)
        proxy.stop(started)
    assert log.exists()
    calls = re.findall(r"^\d+ +(\w+)\((.*)$", trace.read_text(), re.MULTILINE)
    names = {name for name, _ in calls}
    assert "io_uring_enter" in names
    assert names - allowed_system_calls() == set()
    # MemoryDenyWriteExecute= refuses these.
    assert [call for call in calls if "PROT_WRITE|PROT_EXEC" in call[1]] == []
    assert [call for call in calls if call[0] == "mprotect" and "PROT_EXEC" in call[1]] == []
    families = {call[1].split(",")[0] for call in calls if call[0] == "socket"}
    assert families <= set(unit_settings()["RestrictAddressFamilies"].split())


@pytest.mark.skipif(not shutil.which("logrotate"), reason="logrotate is not installed")
def test_log_rotation_is_understood(tmp_path):
    rule = tmp_path / "rule"
    shutil.copy(PACKAGING / "cashew.logrotate", rule)
    outcome = run("logrotate", "--debug", "--state", tmp_path / "state", rule, check=False)
    assert outcome.returncode == 0
    assert "error" not in outcome.stderr


@pytest.mark.skipif(not shutil.which("man"), reason="man-db is not installed")
def test_manual_renders_without_a_warning():
    page = REPOSITORY / "docs/cashew.8"
    outcome = run("man", "--warnings", "-l", page, env={**os.environ, "MANWIDTH": "80"})
    assert outcome.stderr == ""
    for option in re.findall(r"^ +-?\w?,? *(--[a-z-]+)", run(BINARY, "-h").stderr, re.MULTILINE):
        assert option in outcome.stdout


def make_install(root, *settings, check=True):
    return run(
        "make", "--no-print-directory", "-C", REPOSITORY, "install", f"DESTDIR={root}",
        f"RELEASE={BINARY}", *settings, check=check)


def test_installs_below_a_prefix(tmp_path):
    make_install(tmp_path)
    files = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    assert files == {
        "etc/cashew/cashew.yml", "etc/default/cashew", "etc/logrotate.d/cashew",
        "usr/local/lib/systemd/system/cashew.service", "usr/local/lib/sysusers.d/cashew.conf",
        "usr/local/sbin/cashew", "usr/local/share/man/man8/cashew.8",
    }
    unit = (tmp_path / "usr/local/lib/systemd/system/cashew.service").read_text()
    assert "\nExecStart=/usr/local/sbin/cashew $DAEMON_OPTS\n" in unit
    assert "@" not in unit.replace("@system-service", "")


def test_installs_again_around_what_was_changed(tmp_path):
    make_install(tmp_path, "PREFIX=/usr")
    (tmp_path / "etc/cashew/cashew.yml").write_text("changed: true\n")
    (tmp_path / PROGRAM).write_text("old")
    make_install(tmp_path, "PREFIX=/usr")
    assert (tmp_path / "etc/cashew/cashew.yml").read_text() == "changed: true\n"
    assert (tmp_path / PROGRAM).read_bytes() == BINARY.read_bytes()
    assert not (tmp_path / "usr/sbin/nutcracker").exists()


def test_installs_the_old_name_if_asked(tmp_path):
    for _ in range(2):
        make_install(tmp_path, "PREFIX=/usr", "NUTCRACKER_LINK=yes")
        assert os.readlink(tmp_path / "usr/sbin/nutcracker") == "cashew"
    assert run(tmp_path / "usr/sbin/nutcracker", "-h").stderr.count("nutcracker.yml") == 1


def test_original_is_not_overwritten(tmp_path):
    (tmp_path / "usr/sbin").mkdir(parents=True)
    (tmp_path / "usr/sbin/nutcracker").write_text("the original")
    outcome = make_install(tmp_path, "PREFIX=/usr", "NUTCRACKER_LINK=yes", check=False)
    assert outcome.returncode != 0
    assert "is a program: move it away first" in outcome.stderr
    assert (tmp_path / "usr/sbin/nutcracker").read_text() == "the original"


def test_program_that_is_not_built_is_one_line(tmp_path):
    missing = tmp_path / "missing"
    outcome = run(PACKAGING / "install.sh", missing, check=False)
    assert outcome.returncode == 1
    assert outcome.stderr == f"install: no program at {missing}: run `make build` first\n"


def test_manual_in_the_package_is_the_one_in_docs(package, tmp_path):
    run("dpkg-deb", "--extract", package, tmp_path)
    page = gzip.decompress((tmp_path / "usr/share/man/man8/cashew.8.gz").read_bytes())
    assert page == (REPOSITORY / "docs/cashew.8").read_bytes()
