//! How many passes speak to a Kafka at the same time: one that is dead holds up each of them.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Permits to speak to a Kafka.
pub(crate) struct Permits {
    most: usize,
    /// The brokers of each that is held.
    held: Mutex<Vec<String>>,
}

/// Held for as long as Kafka is spoken to.
pub(crate) struct Permit<'a> {
    permits: &'a Permits,
    servers: String,
}

/// Why Kafka is not spoken to now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Busy {
    /// As many passes speak to this cluster as may to one, so that it may be dead.
    Cluster,
    /// Others are in the way: they hold all permits, or not all resources are known yet.
    Others,
}

impl Permits {
    /// Half of the passes at most speak to a Kafka, and the others go on.
    pub(crate) fn of(concurrency: u16) -> Self {
        Self {
            most: usize::from(concurrency / 2).max(1),
            held: Mutex::default(),
        }
    }

    /// A permit for the cluster of these brokers, unless it would be the last one and the cluster has others.
    pub(crate) fn take(&self, servers: &str) -> Result<Permit<'_>, Busy> {
        let mut held = self.lock();
        let same = held.iter().filter(|other| is_same(other, servers));
        if same.count() >= self.most.saturating_sub(1).max(1) {
            return Err(Busy::Cluster);
        }
        if held.len() >= self.most {
            return Err(Busy::Others);
        }
        held.push(servers.to_owned());
        Ok(Permit {
            permits: self,
            servers: servers.to_owned(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut held = self.permits.lock();
        if let Some(at) = held.iter().position(|servers| *servers == self.servers) {
            held.swap_remove(at);
        }
    }
}

/// Whether two lists name a broker in common, by which they mean the same cluster.
fn is_same(servers: &str, others: &str) -> bool {
    let mut servers = servers.split(',');
    servers.any(|server| {
        let mut others = others.split(',');
        others.any(|other| other.eq_ignore_ascii_case(server))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many permits there are for these brokers, and why there is no further one.
    fn left(permits: &Permits, servers: &str) -> (usize, Busy) {
        let mut held = Vec::new();
        loop {
            match permits.take(servers) {
                Ok(permit) => held.push(permit),
                Err(busy) => return (held.len(), busy),
            }
        }
    }

    #[test]
    fn a_dead_kafka_leaves_permits_to_other_clusters() {
        let permits = Permits::of(8);
        assert_eq!(left(&permits, "dead:9092"), (3, Busy::Cluster));
        let held = [(); 3].map(|()| permits.take("dead:9092,dead-too:9092").unwrap());
        assert_eq!(left(&permits, "DEAD:9092,third:9092"), (0, Busy::Cluster));
        assert_eq!(left(&permits, "other:9092"), (1, Busy::Others));
        drop(held);
        assert_eq!(left(&permits, "other:9092"), (3, Busy::Cluster));
    }

    #[test]
    fn one_pass_may_always_speak_to_a_kafka_and_half_of_them_at_most() {
        for (concurrency, all, of_one) in [(1, 1, 1), (2, 1, 1), (4, 2, 1), (8, 4, 3)] {
            let permits = Permits::of(concurrency);
            assert_eq!(left(&permits, "kafka:9092").0, of_one, "{concurrency}");
            let servers: Vec<String> = (0..9)
                .map(|number| format!("kafka-{number}:9092"))
                .collect();
            let each: Vec<_> = servers
                .iter()
                .map(|servers| permits.take(servers))
                .collect();
            let taken = each.iter().filter(|permit| permit.is_ok());
            assert_eq!(taken.count(), all, "{concurrency}");
        }
    }
}
