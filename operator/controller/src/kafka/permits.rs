//! How many passes speak to a Kafka at the same time: one that is dead holds up each of them.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Permits to speak to a Kafka.
pub(crate) struct Permits {
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The brokers of each that is held.
    held: Vec<String>,
    /// The brokers that did not answer the last time.
    silent: BTreeSet<String>,
}

/// Held for as long as Kafka is spoken to.
pub(crate) struct Permit<'a> {
    permits: &'a Permits,
    servers: String,
}

/// Why Kafka is not spoken to now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Busy {
    /// As many passes wait for this cluster, which did not answer the last time, as may for one.
    Cluster,
    /// Others are in the way: they hold all permits, or not all resources are known yet.
    Others,
}

impl Permits {
    /// Half of the passes at most speak to a Kafka, and the others go on.
    pub(crate) fn of(concurrency: u16) -> Self {
        Self {
            most: usize::from(concurrency / 2).max(1),
            state: Mutex::default(),
        }
    }

    /// A permit for the cluster of these brokers; the last one only if they answered the last time.
    pub(crate) fn take(&self, servers: &str) -> Result<Permit<'_>, Busy> {
        let mut state = self.lock();
        let is_silent = state.silent.iter().any(|other| is_same(other, servers));
        let same = state.held.iter().filter(|other| is_same(other, servers));
        if is_silent && same.count() >= self.most.saturating_sub(1).max(1) {
            return Err(Busy::Cluster);
        }
        if state.held.len() >= self.most {
            return Err(Busy::Others);
        }
        state.held.push(servers.to_owned());
        Ok(Permit {
            permits: self,
            servers: servers.to_owned(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// Whether these brokers answered.
    pub(crate) fn answered(&self, answered: bool) {
        let silent = &mut self.permits.lock().silent;
        if answered {
            silent.retain(|servers| !is_same(servers, &self.servers));
        } else {
            silent.insert(self.servers.clone());
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let held = &mut self.permits.lock().held;
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

    /// Permits of so many passes, of which some wait for brokers that do not answer.
    fn silent(concurrency: u16, servers: &str) -> Permits {
        let permits = Permits::of(concurrency);
        permits.take(servers).unwrap().answered(false);
        permits
    }

    #[test]
    fn a_dead_kafka_leaves_permits_to_other_clusters() {
        let permits = silent(8, "dead:9092");
        assert_eq!(left(&permits, "dead:9092"), (3, Busy::Cluster));
        let held = [(); 3].map(|()| permits.take("dead:9092,dead-too:9092").unwrap());
        assert_eq!(left(&permits, "DEAD:9092,third:9092"), (0, Busy::Cluster));
        assert_eq!(left(&permits, "other:9092"), (1, Busy::Others));
        drop(held);
        assert_eq!(left(&permits, "other:9092"), (4, Busy::Others));
    }

    #[test]
    fn a_kafka_that_answers_again_has_all_permits_again() {
        let permits = silent(8, "kafka:9092");
        permits
            .take("other:9092,KAFKA:9092")
            .unwrap()
            .answered(true);
        assert_eq!(left(&permits, "kafka:9092"), (4, Busy::Others));
    }

    #[test]
    fn one_pass_may_always_speak_to_a_kafka_and_half_of_them_at_most() {
        for (concurrency, all, of_silent) in [(1, 1, 1), (2, 1, 1), (4, 2, 1), (8, 4, 3)] {
            let permits = Permits::of(concurrency);
            assert_eq!(left(&permits, "kafka:9092").0, all, "{concurrency}");
            let permits = silent(concurrency, "kafka:9092");
            assert_eq!(left(&permits, "kafka:9092").0, of_silent, "{concurrency}");
        }
    }
}
