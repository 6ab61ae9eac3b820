#!/usr/bin/env bash
# Fails if optimized code of the hot module counts references, checks exclusivity at run time,
# allocates, casts dynamically, calls through a witness or a closure, or copies something as big
# as the worker.
#
#   codegen-audit.sh [FOLDER]     the object files; default .build/release/Proxy.build
#   codegen-audit.sh --self-test  shows that each kind of finding is found
#
# Every function of the module is hot but for those named below. What the compiler makes beside
# them, such as specializations of the standard library and outlined copies, is hot when a hot
# function reaches it.
set -euo pipefail
cd "$(dirname "$0")/.."

# Functions that may do what hot code may not, as patterns of readable names. Each runs when
# the program starts or when a server joins or leaves, never for a request:
#   Topology.init, points(of:isLive:)   a new map from keys to servers, made beside the old one
#   Ketama, Continuum.init              its points
#   CommandTable.init                   the table of commands, once for each worker
#   Pool.init, Server.init              names, passwords and addresses of the configuration
#   Worker.init, UringRing.make,        tables and rings, reserved once for each worker
#     LogLimits.init
#   serve, openListeners, Thread        before the first worker runs, and after the last
#   SocketAddress                       names are looked up
#   adoptHealth                         new maps, when a server joins or leaves
#   PeerAddress.text                    words for the log, on the main thread
#   listenProblem, ListenPlace          whether the configuration can be listened on
#   MicroBenchmarks                     no part of the program's work
start_up='Proxy\.Topology\.init\('
start_up+='|static Proxy\.Topology\.points\('
start_up+='|static Proxy\.Ketama\.'
start_up+='|Proxy\.Continuum\.init\('
start_up+='|Proxy\.CommandTable\.init\('
start_up+='|Proxy\.(Pool|Server|Slab<.*>|MbufPool|UringRing|BufferRing|FixedBytes|SubmissionScratch|LogLimits)\.init\('
start_up+='|Proxy\):Config\.PoolConfiguration\.|Proxy\.Worker.*\.(init\(|start\(\)|deinit)|Proxy\.FixedArray.*\.deinit'
start_up+='|static Proxy\.(UringRing|Pool|SocketAddress|Sockets|Thread|Descriptors)\.'
start_up+='|Proxy\.(SocketAddress|NumberPipe|WorkerLimits|ServeError|SystemError\.text)'
start_up+='|Proxy\.Worker.*\.adoptHealth\('
start_up+='|Proxy\.(AddressEntry\.(init|lookUp)|AddressBook\.(init|answerQuestions))| of Config\.ServerAddress'
start_up+='|Proxy\.PeerAddress\.\(?text[. ]'
start_up+='|Proxy\.\(?(WorkerStart|CounterBoard|ProcessState|(Worker|Pool)Counters|EventPipe|Serving|Shared)'
start_up+='|Proxy\.(serve|\((openListeners|openListener) in|DescriptorBudget)|Configuration\.descriptorWarning'
start_up+='|listenProblem|Config\.Listen(Problem|Address)|Proxy\.ListenPlace'
start_up+='|closure #[0-9]+ .* in Proxy\.(serve|Thread)'
start_up+='|Proxy\.\(?(MicroBenchmarks|Thread)[. ]| value witness for '

# What hot code may not call. Calls of an address in a register appear as (indirect), and copies
# of 512 bytes or more as (copy): swiftc copies a noncopyable value to call a method of it that is
# not mutating from one that is.
banned='^swift_(retain|release|bridgeObject(Retain|Release)|unknownObject(Retain|Release)'
banned+='|beginAccess|allocObject|allocBox|slowAlloc|dynamicCast|isUniquelyReferenced'
banned+='|getWitnessTable|getAssociatedTypeWitness|getAssociatedConformanceWitness'
banned+='|conformsToProtocol)'
banned+='|^\((indirect|copy)\)$'

# Prints "function FUNCTION" for each that the object files define, and "FUNCTION CALLEE" for
# each that one refers to, in any way: an address that is taken may be called.
references() {
    { objdump --syms "$@"; objdump --disassemble --reloc --no-show-raw-insn "$@"; } | awk '
        function hex(digits, i, sum) {
            for (i = 1; i <= length(digits); i++) {
                sum = sum * 16 + index("0123456789abcdef", substr(digits, i, 1)) - 1
            }
            return sum
        }
        # Sizes, because what follows a function may be one without a name, such as a value
        # witness, which nobody calls by name either.
        / F \.text/ { size[$NF] = hex($(NF - ($(NF - 1) ~ /^\./ ? 2 : 1))); next }
        /^[0-9a-f]+ <.*>:$/ {
            if (resolved) print resolved
            resolved = ""
            name = substr($2, 2, length($2) - 3)
            end = hex($1) + size[name]
            print "function", name
            next
        }
        /^ *[0-9a-f]+:\t/ && size[name] && hex(substr($1, 1, length($1) - 1)) >= end {
            name = "(unnamed)"
        }
        # The third argument of a call, if it is a constant.
        /\tmov[lq]? +\$0x[0-9a-f]+,%[er]dx/ || /\tmov\t[wx]2, #0x[0-9a-f]+/ {
            constant = $0
            sub(/^.*[$#]0x/, "", constant)
            sub(/[^0-9a-f].*$/, "", constant)
            count = hex(constant)
            counted = NR
        }
        / R_[A-Z0-9_]+\t/ {
            # What the instruction seems to call is only where its empty address points.
            resolved = ""
            target = $NF
            sub(/[-+]0x[0-9a-f]+$/, "", target)
            print name, target
            if (target ~ /^mem(cpy|move)$/ && NR - counted < 12 && count >= 512) {
                print name, "(copy)"
            }
            next
        }
        # Through a table of addresses (%rip) a call is a direct one; a jump through a register
        # is a switch.
        /\tcallq? +\*/ && !/\(%rip\)/ { print name, "(indirect)" }
        /\tblr\t/ { print name, "(indirect)" }
        # Within a file the assembler resolves calls itself, where no relocation follows.
        { if (resolved) print resolved; resolved = "" }
        /\t(callq?|jmpq?|bl|b) +[0-9a-f]+ <[^+>]+>/ {
            target = $0
            gsub(/^.*<|>.*$/, "", target)
            resolved = name " " target
        }
        END { if (resolved) print resolved }
    ' | sort -u
}

# Reads the output of `references`, each function with its readable name after a tab. Walks from
# the hot functions, and prints what they reach that is banned.
judge() {
    awk -F '\t' -v banned="$banned" -v start_up="$start_up" '
        function is_ours(name) { return name ~ /^\$s(5Proxy|.*5ProxyE)/ }
        # Metadata and witness tables are made once, by whoever asks for them first.
        function is_metadata(name) { return name ~ /(M[a-z]|W[AILPTabdlrt]|w[a-z][a-z]+)$/ }
        # Copies and destructions of a type, put out of line: hot if something hot calls them.
        function is_outlined(name) { return name ~ /WO[a-z]$/ }
        function is_start_up(name, text) {
            text = readable[name]
            # The name of a specialized function comes after what it is specialized for.
            sub(/^.*> of /, "", text)
            return is_metadata(name) || text ~ start_up
        }
        $1 == "function" { readable[$2] = $3; next }
        { callees[$1] = callees[$1] $2 "\t" }
        END {
            for (name in readable) {
                if (!is_ours(name) || is_outlined(name)) continue
                if (is_start_up(name)) { exempt++; continue }
                queue[++last] = name
                path[name] = "    in " readable[name]
            }
            hot = last
            for (first = 1; first <= last; first++) {
                name = queue[first]
                count = split(callees[name], callee, "\t")
                for (i = 1; i < count; i++) {
                    target = callee[i]
                    if (target ~ banned) {
                        print target "\n" path[name]
                        findings++
                    } else if (target in readable && !(target in path) && !is_start_up(target)) {
                        queue[++last] = target
                        path[target] = "    in " readable[target] "\n" path[name]
                    }
                }
            }
            if (hot == 0) { print "codegen-audit: there is no function to audit"; exit 2 }
            if (findings) { print "codegen-audit: " findings " findings in hot code"; exit 1 }
            print "codegen-audit: " hot " hot functions are clean, " exempt + 0 " exempt"
        }
    '
}

audit() {
    local objects functions
    mapfile -t objects < <(find -L "$1" -maxdepth 1 -name '*.o' 2>/dev/null | sort)
    if [ ${#objects[@]} = 0 ]; then
        echo "codegen-audit: no object files in $1: make build first" >&2
        return 2
    fi
    local found
    found=$(references "${objects[@]}" | tr ' ' '\t')
    functions=$(grep -P '^function\t' <<<"$found")
    {
        paste <(echo "$functions") <(cut -f 2 <<<"$functions" | swift demangle -compact)
        grep -vP '^function\t' <<<"$found" || true
    } | judge
}

# --- self-test ------------------------------------------------------------------------------

compile() {
    rm -f "$folder"/*.o
    swiftc -O -wmo -parse-as-library -module-name Proxy -package-name audit -c \
        -o "$folder/Proxy.o" - 2>/dev/null
}

# expect WHAT SUBJECT: the audit of what was compiled last names WHAT, and fails.
expect() {
    local output status=0
    output=$(audit "$folder") || status=$?
    if [ $status = 0 ] || ! grep -qE "^$1" <<<"$output"; then
        printf 'codegen-audit: %s went unseen in %s:\n%s\n' "$1" "$2" "$output" >&2
        exit 1
    fi
}

self_test() {
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    if audit "$folder" 2>/dev/null; then
        echo "codegen-audit: missing object files went unseen" >&2
        exit 1
    fi
    compile <<'SWIFT'
package final class Box { package var value = 0; package var next: Box? }
package protocol Numbered { func number() -> Int }
package func keep(_ box: Box) -> Box? { box.next }
package func make() -> Box { Box() }
package func change(_ box: Box, _ body: (inout Int) -> Void) { body(&box.value) }
package func cast(_ value: Any) -> String? { value as? String }
package func grow(_ numbers: inout [Int]) { numbers.append(1) }
package func ask(_ value: any Numbered) -> Int { value.number() }
SWIFT
    expect swift_retain "a class"
    expect swift_allocObject "an instance that is made"
    expect swift_beginAccess "a property of a class"
    expect swift_dynamicCast "a cast"
    expect swift_isUniquelyReferenced "an array that grows"
    expect '\(indirect\)' "an existential"
    compile <<'SWIFT'
package struct Counts: ~Copyable {
    package var numbers = InlineArray<80, Int>(repeating: 0)
    @inline(never) package func sum() -> Int { numbers.indices.reduce(0) { $0 &+ numbers[$1] } }
    @inline(never) package mutating func add() { numbers[0] = sum() }
}
SWIFT
    expect '\(copy\)' "a method that is not mutating"
    compile <<'SWIFT'
package struct Slot<Element> { package var element: Element }
package func outlined(_ slots: [Slot<[Int]>]) -> [[Int]] { slots.map { $0.element } }
SWIFT
    expect swift_ "a specialization of the standard library"
    compile <<'SWIFT'
package enum CommandTable {}
package struct Count { package var value = 0 }
extension Count { package mutating func add(_ other: Int) { value &+= other } }
package struct Topology {
    package let sum: Int
    package init(count: Int) {
        let squares = (0..<count).map { $0 &* $0 }
        sum = squares.reversed().reduce(0, &-) &+ squares.count
    }
}
SWIFT
    audit "$folder" >/dev/null || {
        echo "codegen-audit: code that is clean, or for start-up, was refused" >&2
        audit "$folder" >&2
        exit 1
    }
    echo "codegen-audit: finds what it should"
}

case "${1:-}" in
--self-test) self_test ;;
*) audit "${1:-.build/release/Proxy.build}" ;;
esac
