"""The tables of README.md and docs/COMPATIBILITY.md list what the program has, and nothing else."""

import os
import pathlib
import re
import subprocess

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BINARY = REPOSITORY / os.environ.get("CASHEW", ".build/release/cashew")

# How docs/COMPATIBILITY.md calls what `RedisCommands.swift` calls by another name.
HANDLINGS = {"placeholder": "any server"}


def text(path):
    return (REPOSITORY / path).read_text()


def rows(document, header):
    """The rows of the Markdown table with this header, each a list of its cells."""
    lines = iter(document.splitlines())
    assert any(line.startswith(header) for line in lines), f"no table {header}"
    next(lines)
    found = []
    for line in lines:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return found


def names(cell):
    return re.findall(r"`([^`]+)`", cell)


def known_commands():
    """Name to handling, as the table of the program has it; subcommands are not in the document."""
    table = text("Sources/Proxy/Protocol/RedisCommands.swift").split('"""')[1]
    commands = {}
    for line in table.strip().splitlines():
        name, _, handling, split, *_ = line.split()
        if "|" not in name:
            handling = "split" if handling == "forward" and split != "-" else handling
            commands[name] = HANDLINGS.get(handling, handling)
    return commands


def test_every_command_is_listed_once_with_its_handling():
    document = rows(text("docs/COMPATIBILITY.md"), "| handling | commands |")
    listed = [(name, handling) for handling, cell, *_ in document for name in names(cell)]
    assert sorted(listed) == sorted(known_commands().items())


def test_every_refused_command_is_listed_with_what_clients_read():
    table = text("Sources/Proxy/Protocol/RedisCommands.swift").split('"""')[1]
    words = re.findall(r"^ +([^| ]+) +\S+ refused +(\w+)", table, re.MULTILINE)
    row = text("Sources/Proxy/Protocol/CommandRow.swift")
    cases = dict(re.findall(r'isKeyword\("(\w+)"\)\)?(?: \{)?\n +self = \.(\w+)', row))
    source = text("Sources/Proxy/Protocol/Refusal.swift")
    reasons = dict(re.findall(r'case \.(\w+): "(.+)"', source))
    wanted = {name: f"stays: {reasons[cases[word.upper()]]}" for name, word in words}
    assert len(set(wanted.values())) == 4 and "blpop" in wanted
    document = rows(text("docs/COMPATIBILITY.md"), "| handling | commands |")
    listed = {
        name: cell for handling, commands, _, cell in document if handling == "refused"
        for name in names(commands)
    }
    assert listed == wanted


def test_every_directive_is_listed_once():
    source = text("Sources/Config/Directive.swift")
    cases = re.findall(r"^    case (\w+)(?: = \"(\w+)\")?$", source, re.MULTILINE)
    directives = sorted(raw or name for name, raw in cases)
    assert "listen" in directives
    for path, header in [
        ("README.md", "| key | value |"),
        ("docs/COMPATIBILITY.md", "| key | Cashew |"),
    ]:
        listed = [name for first, *_ in rows(text(path), header) for name in names(first)]
        assert sorted(listed) == directives, path
    manual = text("docs/cashew.8")
    manual = manual[manual.index(".SH CONFIGURATION"):manual.index(".SH SIGNALS")]
    assert sorted(re.findall(r"^\.TP\n\.B (\w+)$", manual, re.MULTILINE)) == directives


def test_the_flags_of_the_help_are_listed():
    shown = subprocess.run([BINARY, "-h"], stderr=subprocess.PIPE, text=True, check=True).stderr
    flags = set(re.findall(r"--[a-z-]+", shown))
    assert "--conf-file" in flags
    listed = {flag for first, *_ in rows(text("README.md"), "| flag | default |")
              for flag in re.findall(r"--[a-z-]+", first)}
    assert listed == flags


def test_every_statistic_is_listed():
    described = subprocess.run([BINARY, "-D"], stderr=subprocess.PIPE, text=True, check=True).stderr
    fields = set(re.findall(r"^  (\w+) ", described, re.MULTILINE))
    assert "fragments" in fields
    document = rows(text("docs/COMPATIBILITY.md"), "| field | Cashew |")
    assert fields <= {name for first, *_ in document for name in names(first)}
