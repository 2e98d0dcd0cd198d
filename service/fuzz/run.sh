#!/usr/bin/env bash
# Looks for inputs that make a target fail, guided by the code that they reach: service/fuzz/run.sh [TARGET…]
# FUZZ_SECONDS for each target, 30 unless told otherwise. What was found goes on where it was, in the cache.
set -Eeuo pipefail
exec 3>&2
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=/dev/null
. ../../e2e/bed/lib.sh

FUZZ=$CACHE/fuzz
# With these, rustc counts edges and comparisons where libFuzzer looks for them. They are what cargo-fuzz sets, without the
# sanitizer, which alone needs a nightly compiler and would find what safe code cannot do.
COVERAGE=(
  -C passes=sancov-module
  -C llvm-args=-sanitizer-coverage-level=4
  -C llvm-args=-sanitizer-coverage-inline-8bit-counters
  -C llvm-args=-sanitizer-coverage-pc-table
  -C llvm-args=-sanitizer-coverage-trace-compares
)

# For a target that is named, so that build scripts and macros are those of other builds, without the flags.
compile() {
  HOST=$(rustc --print host-tuple)
  RUSTFLAGS="${COVERAGE[*]}" CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_OPT_LEVEL=1 \
    cargo build --locked --target "$HOST" -p user-fuzz --features libfuzzer --bins
}

# It reads the seeds, and writes what reaches more to the first folder.
run() { # run TARGET
  mkdir -p "$FUZZ/$1"
  "$CARGO_TARGET_DIR/$HOST/debug/fuzz-${1//_/-}" -max_total_time="${FUZZ_SECONDS:-30}" -timeout=10 -rss_limit_mb=1024 \
    -artifact_prefix="$FUZZ/failed-$1-" -print_final_stats=1 "$FUZZ/$1" "seeds/$1"
}

explain_failure() {
  local status=$?
  report_failure
  [[ $status -eq 0 || -z ${TARGET:-} ]] && return
  say "what failed is $FUZZ/failed-$TARGET-…; put it into service/fuzz/seeds/$TARGET, and cargo test -p user-fuzz fails"
}

trap explain_failure EXIT
mkdir -p "$CACHE/logs" "$FUZZ"
step "fuzz: compiling" compile
(($#)) || set -- seeds/*
for target; do
  TARGET=${target##*/}
  step "fuzz $TARGET" run "$TARGET"
  say "$(grep -E '^#[0-9]+\s+DONE' "$CURRENT_LOG")"
done
