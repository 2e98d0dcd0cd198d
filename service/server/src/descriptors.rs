//! File descriptors, of which each connection takes one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use user_settings::{Settings, Storage};

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

/// `most` connections, or as many as descriptors are left for.
pub(crate) fn for_connections(most: usize, settings: &Settings) -> usize {
    let database = match settings.storage {
        Storage::Memory => 0,
        Storage::Mongodb => u64::from(settings.mongodb.max_pool_size),
    };
    let Some(limit) = getrlimit(Resource::Nofile).current else {
        return most;
    };
    let left = limit.saturating_sub(RESERVED + database).max(1);
    usize::try_from(left).map_or(most, |left| left.min(most))
}
