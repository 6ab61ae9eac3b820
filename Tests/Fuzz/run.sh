#!/bin/sh
# Fuzzes the parsers with libFuzzer: Tests/Fuzz/run.sh [seconds], 60 by default.
#
# Starts from Tests/Fuzz/corpus, and leaves it as it is. An input that makes a parser trap is written
# to .build/fuzz/crash-…; it belongs into the corpus, with a test named for the symptom.
set -eu
cd "$(dirname "$0")/../.."

build=.build/fuzz
protocol=Sources/Proxy/Protocol
memory=Sources/Proxy/Memory
mkdir -p "$build/found"

echo '@_cdecl("LLVMFuzzerTestOneInput") public func nothing(_: UnsafePointer<UInt8>, _: Int) -> CInt { 0 }' \
    >"$build/probe.swift"
if ! swiftc -sanitize=fuzzer -parse-as-library "$build/probe.swift" -o "$build/probe" \
    2>"$build/probe.log"; then
    echo "skipped: this toolchain cannot build with -sanitize=fuzzer ($build/probe.log)"
    exit 0
fi

swiftc -swift-version 6 -O -assert-config Debug -sanitize=fuzzer -parse-as-library \
    "$protocol/RESPHeader.swift" "$protocol/RESPRequestParser.swift" \
    "$protocol/RESPReplyParser.swift" "$protocol/InlineWords.swift" "$memory/Span+Load.swift" \
    Tests/Fuzz/ParserFuzzer.swift -o "$build/parsers"

"$build/parsers" -max_total_time="${1:-60}" -max_len=512 -dict=Tests/Fuzz/resp.dict \
    -artifact_prefix="$build/" -print_final_stats=1 \
    "$build/found" Tests/Fuzz/corpus/requests Tests/Fuzz/corpus/replies
