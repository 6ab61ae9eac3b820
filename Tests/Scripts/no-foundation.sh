#!/usr/bin/env bash
# Fails if a program is linked with Foundation, which would triple its start-up time and memory.
#
#   no-foundation.sh PROGRAM
set -euo pipefail
libraries=$(ldd "$1")
if found=$(grep --ignore-case foundation <<<"$libraries"); then
    echo "$1 is linked with Foundation:" >&2
    echo "$found" >&2
    exit 1
fi
echo "no-foundation: $1 is not linked with it"
