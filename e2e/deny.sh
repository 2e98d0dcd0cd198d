#!/usr/bin/env bash
# Dependencies against deny.toml: licences, duplicates, sources, and known vulnerabilities where their database can be had.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$(e2e/bed/lint.sh):$PATH

# An entry that no longer skips anything must go, so that the list stays true.
cargo deny --locked check -D unmatched-skip -D unnecessary-skip bans licenses sources

if refusal=$(GIT_TERMINAL_PROMPT=0 timeout 120 cargo deny fetch db 2>&1); then
  cargo deny --locked check advisories
else
  cat >&2 <<TEXT
======================================================================
ADVISORIES NOT CHECKED: the RustSec database could not be fetched.
Known vulnerabilities and yanked crates would go unnoticed by this run.
$(tail -n 3 <<<"$refusal")
======================================================================
TEXT
fi
