#!/usr/bin/env bash
# Runs the simulation optimized, with assertions on, in a build of its own beside the others, and
# with some times as many seeds as the other tests: SIMULATION_SEEDS says how many.
# Fails too when no test is found: a filter that matches nothing would pass for ever.
set -euo pipefail
cd "$(dirname "$0")/../.."
export SIMULATION_SEEDS="${SIMULATION_SEEDS:-3}"
log=.build/simulation.log
mkdir -p .build
swift test -c release -Xswiftc -enable-testing -Xswiftc -assert-config -Xswiftc Debug \
    --scratch-path .build/optimized --filter 'Simulat|Symptom' 2>&1 | tee "$log"
if ! grep -q 'Test run with [1-9]' "$log"; then
    echo "simulation: no test has Simulation in its name" >&2
    exit 1
fi
