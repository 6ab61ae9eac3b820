#!/bin/sh
# Fuzzes the parsers with libFuzzer: Tests/Fuzz/run.sh [seconds], 60 for each by default.
#
# Starts from Tests/Fuzz/corpus, and leaves it as it is. An input that makes a parser trap is written
# to .build/fuzz/crash-…; it belongs into the corpus, with a test named for the symptom.
set -eu
cd "$(dirname "$0")/../.."

build=.build/fuzz
protocol=Sources/Proxy/Protocol
memory=Sources/Proxy/Memory
mkdir -p "$build"

echo '@_cdecl("LLVMFuzzerTestOneInput") public func nothing(_: UnsafePointer<UInt8>, _: Int) -> CInt { 0 }' \
    >"$build/probe.swift"
if ! swiftc -sanitize=fuzzer -parse-as-library "$build/probe.swift" -o "$build/probe" \
    2>"$build/probe.log"; then
    echo "skipped: this toolchain cannot build with -sanitize=fuzzer ($build/probe.log)"
    exit 0
fi

# fuzz NAME DICTIONARY FUZZER CORPUS CORPUS SOURCE...
fuzz() {
    name=$1 dictionary=$2 fuzzer=$3 requests=$4 replies=$5
    shift 5
    swiftc -swift-version 6 -package-name cashew -O -assert-config Debug -sanitize=fuzzer -parse-as-library \
        "$@" "$fuzzer" -o "$build/$name"
    mkdir -p "$build/found-$name"
    "$build/$name" -max_total_time="$seconds" -max_len=512 -dict="$dictionary" \
        -artifact_prefix="$build/" -print_final_stats=1 \
        "$build/found-$name" "$requests" "$replies"
}

seconds=${1:-60}
fuzz parsers Tests/Fuzz/resp.dict Tests/Fuzz/ParserFuzzer.swift \
    Tests/Fuzz/corpus/requests Tests/Fuzz/corpus/replies \
    "$protocol/RESPHeader.swift" "$protocol/RESPRequestParser.swift" \
    "$protocol/RESPReplyParser.swift" "$protocol/InlineWords.swift" "$protocol/Extent.swift" \
    "$protocol/InlineSignature.swift" "$protocol/Opening.swift" \
    "$protocol/ReplyOutcome.swift" "$memory"/Span+*.swift
fuzz memcache Tests/Fuzz/memcache.dict Tests/Fuzz/MemcacheFuzzer.swift \
    Tests/Fuzz/corpus/memcache-requests Tests/Fuzz/corpus/memcache-replies \
    "$protocol"/Memcache*.swift "$protocol/Base64Key.swift" "$protocol/Extent.swift" \
    "$protocol/ReplyOutcome.swift" "$protocol/Span+Search.swift" "$memory/Span+Words.swift" \
    "$memory/Span+Text.swift"
