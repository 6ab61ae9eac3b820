#!/usr/bin/env bash
# Builds cashew for ThreadSanitizer, in a build of its own beside the others, and runs the tests
# of several workers with it. Fails when it reports a race. Says so, and succeeds, where this
# compiler has no ThreadSanitizer.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=.build/tsan
reports=$build/reports
mkdir -p "$reports"

works_here() {
    local probe=$build/probe
    echo 'print("ready")' >"$probe.swift"
    swiftc -sanitize=thread "$probe.swift" -o "$probe" >/dev/null 2>&1 &&
        [ "$("$probe" 2>/dev/null)" = ready ]
}

if ! works_here; then
    echo "thread-sanitizer: skipped, this compiler or machine cannot run ThreadSanitizer"
    exit 0
fi
swift build -c release --sanitize=thread --scratch-path "$build" --product cashew
rm -f "$reports"/*
# The status of the process stays its own, so that a test fails for what it tests.
TSAN_OPTIONS="log_path=$PWD/$reports/race exitcode=0" CASHEW=$build/release/cashew \
    .build/venv/bin/pytest -p no:cacheprovider -q Tests/Integration/test_workers.py
if compgen -G "$reports/race.*" >/dev/null; then
    cat "$reports"/race.*
    echo "thread-sanitizer: the reports above are in $reports" >&2
    exit 1
fi
echo "thread-sanitizer: clean"
