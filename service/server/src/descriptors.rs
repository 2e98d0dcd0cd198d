//! File descriptors, of which each connection takes one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is left for everything but the gRPC port and the database: the admin port, which probes have to reach whatever
/// clients do, brokers and files.
const RESERVED: u64 = 128;

/// Takes as many as this process may have: what it is given at first is about 1,024 under many runtimes, for programs that
/// are older than the means to wait for more.
pub(crate) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    // With fewer, fewer connections are taken.
    let _ = setrlimit(Resource::Nofile, raised);
}

/// `most` connections, or as many as descriptors are left for beside `database` connections.
pub(crate) fn for_connections(most: usize, database: usize) -> usize {
    let Some(limit) = getrlimit(Resource::Nofile).current else {
        return most;
    };
    let left = left(limit, u64::try_from(database).unwrap_or(u64::MAX));
    usize::try_from(left).map_or(most, |left| left.min(most))
}

/// The pools of the database are rarely all full, so no more than half of what is free is kept for them.
fn left(limit: u64, database: u64) -> u64 {
    let free = limit.saturating_sub(RESERVED);
    free.saturating_sub(database.min(free / 2)).max(1)
}

#[cfg(test)]
mod tests {
    use super::left;

    #[test]
    fn what_the_database_may_take_is_kept_for_it_up_to_a_half() {
        assert_eq!(left(1_048_576, 198), 1_048_576 - 128 - 198);
        assert_eq!(left(1024, 198), 1024 - 128 - 198);
        assert_eq!(left(1024, 3006), (1024 - 128) / 2);
        assert_eq!(left(256, 198), (256 - 128) / 2);
        assert_eq!(left(64, 0), 1);
    }
}
