//! Who is connected, where whoever comes next finds room whatever others hold.

use std::net::IpAddr;

use tokio::task::AbortHandle;

/// The connections of a listener.
#[derive(Debug)]
pub(crate) struct Peers {
    most: usize,
    /// In the order in which they came.
    connections: Vec<(IpAddr, AbortHandle)>,
}

impl Peers {
    /// Nobody yet; fewer connections than `most`, so that there is always room for one.
    pub(crate) const fn new(most: usize) -> Self {
        Self {
            most,
            connections: Vec::new(),
        }
    }

    /// Counts one more. If there are too many, the oldest of the address that has most ends: a limit for each address
    /// would shut out those that share one, behind NAT or a proxy.
    pub(crate) fn joined(&mut self, peer: IpAddr, connection: AbortHandle) {
        self.connections
            .retain(|(_, connection)| !connection.is_finished());
        self.connections.push((peer, connection));
        if self.connections.len() >= self.most
            && let Some(at) = self.first_of_most()
        {
            let (_, connection) = self.connections.remove(at);
            connection.abort();
        }
    }

    fn first_of_most(&self) -> Option<usize> {
        let connections = self.connections.iter().enumerate();
        // The last of equals is taken.
        let newest_first = connections.rev();
        let most = newest_first.max_by_key(|(_, (peer, _))| self.of(*peer));
        most.map(|(at, _)| at)
    }

    fn of(&self, peer: IpAddr) -> usize {
        let peers = self.connections.iter().map(|(peer, _)| *peer);
        peers.filter(|other| *other == peer).count()
    }
}
