//! How many threads answer calls: as many as there is processor time for.

use std::num::NonZero;
use std::{fs, thread};

/// The number of threads, and what it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Workers {
    pub(crate) threads: usize,
    /// `cpu quota` if the cgroup gives this process less than the processors that it may run on, as Kubernetes does by a
    /// limit; `cpus` otherwise.
    pub(crate) source: &'static str,
}

impl Workers {
    /// For this process. More threads than its quota lets run would only be throttled together, in the middle of calls.
    pub(crate) fn for_this_process() -> Self {
        // The standard library counts the processors and reads the quota, of both versions of cgroups, rounded down.
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self::of(threads, &status)
    }

    fn of(threads: usize, status: &str) -> Self {
        let is_limited = processors(status).is_some_and(|processors| threads < processors);
        Self {
            threads,
            source: if is_limited { "cpu quota" } else { "cpus" },
        }
    }
}

/// How many processors a process may run on, by its status in `/proc`: the length of a list such as `0-3,8`.
fn processors(status: &str) -> Option<usize> {
    let ranges = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let lengths = ranges.trim().split(',').map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        last.checked_sub(first)?.checked_add(1)
    });
    lengths.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quota_is_the_source_where_it_is_less_than_the_processors() {
        for (list, threads, source) in [
            ("0", 1, "cpus"),
            ("0-1", 2, "cpus"),
            ("0-1", 1, "cpu quota"),
            ("0-3,8,10-11", 7, "cpus"),
            ("0-3,8,10-11", 6, "cpu quota"),
            ("unreadable", 2, "cpus"),
        ] {
            let status = format!("Name:\tuser-service\nCpus_allowed_list:\t{list}\nThreads:\t3\n");
            assert_eq!(Workers::of(threads, &status), Workers { threads, source });
        }
    }
}
