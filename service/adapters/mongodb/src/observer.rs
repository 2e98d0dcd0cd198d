//! What the driver tells about itself, for metrics.

use std::sync::Arc;
use std::time::Duration;

use mongodb::TopologyType;
use mongodb::event::EventHandler;
use mongodb::event::cmap::{CmapEvent, ConnectionCheckoutFailedReason};
use mongodb::event::sdam::SdamEvent;
use mongodb::options::ClientOptions;

/// Hears how the connections are. Called by whoever uses one: must not block.
pub trait StorageObserver: Send + Sync + 'static {
    /// Something became of a connection.
    fn connection(&self, event: ConnectionEvent) {
        let _ = event;
    }

    /// There is a server that takes writes now, or none any more.
    fn writable(&self, is_writable: bool) {
        let _ = is_writable;
    }
}

/// Hears nothing.
impl StorageObserver for () {}

/// What becomes of connections, of all servers together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// One more is there, or about to be.
    Opened,
    /// One less.
    Closed,
    /// A call waits for one.
    Awaited,
    /// It got one, after so long.
    Taken(Duration),
    /// It got none, because there was none in time if so, or else because none could be made.
    Refused {
        /// Whether it waited for too long.
        is_timeout: bool,
    },
    /// It gave it back.
    Returned,
}

/// Has the driver tell an observer.
pub(crate) fn hear(client: &mut ClientOptions, observer: impl StorageObserver) {
    let observer = Arc::new(observer);
    let pools = Arc::clone(&observer);
    client.cmap_event_handler = Some(EventHandler::callback(move |event| {
        if let Some(event) = of_connection(&event) {
            pools.connection(event);
        }
    }));
    client.sdam_event_handler = Some(EventHandler::callback(move |event| {
        if let SdamEvent::TopologyDescriptionChanged(change) = event {
            let is_writable = change.new_description.has_writable_server();
            // It is not known any more at the end alone, when nobody looks.
            let is_over = change.new_description.topology_type() == TopologyType::Unknown;
            if !is_over && change.previous_description.has_writable_server() != is_writable {
                observer.writable(is_writable);
            }
        }
    }));
}

fn of_connection(event: &CmapEvent) -> Option<ConnectionEvent> {
    match event {
        CmapEvent::ConnectionCreated(_) => Some(ConnectionEvent::Opened),
        CmapEvent::ConnectionClosed(_) => Some(ConnectionEvent::Closed),
        CmapEvent::ConnectionCheckoutStarted(_) => Some(ConnectionEvent::Awaited),
        CmapEvent::ConnectionCheckedOut(taken) => Some(ConnectionEvent::Taken(taken.duration)),
        CmapEvent::ConnectionCheckoutFailed(failed) => Some(ConnectionEvent::Refused {
            is_timeout: failed.reason == ConnectionCheckoutFailedReason::Timeout,
        }),
        CmapEvent::ConnectionCheckedIn(_) => Some(ConnectionEvent::Returned),
        _ => None,
    }
}
