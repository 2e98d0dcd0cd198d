//! Which build this is.

/// Name of the service in metrics and build information.
pub(crate) const NAME: &str = env!("CARGO_PKG_NAME");

/// Version of the service.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
