//! What the producer tells about itself, for metrics.

use std::time::Duration;

use rdkafka::statistics::Statistics;

/// Hears how publishing goes. Called from the producer's own thread: must not block.
pub trait ProducerObserver: Send + Sync + 'static {
    /// The brokers have acknowledged an event of this type, so long after it was handed over.
    fn delivered(&self, event_type: &'static str, took: Duration) {
        let _ = (event_type, took);
    }

    /// A record was not acknowledged; a word of [`FAILURES`](crate::FAILURES) says why.
    fn failed(&self, class: &'static str) {
        let _ = class;
    }

    /// Every ten seconds.
    fn statistics(&self, statistics: &ProducerStatistics) {
        let _ = statistics;
    }

    /// The producer had broken down for good, for this reason, and another has taken its place.
    fn replaced(&self, reason: &str) {
        let _ = reason;
    }

    /// The files with credentials have changed; whether they are in force.
    fn reloaded(&self, in_force: bool) {
        let _ = in_force;
    }
}

/// Hears nothing.
impl ProducerObserver for () {}

/// The state of the producer at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProducerStatistics {
    /// Records in the queue or in flight.
    pub queued: u64,
    /// Their bytes.
    pub queued_bytes: u64,
    /// Records of a batch, on average since the last report; nothing without a batch.
    pub records_per_batch: Option<f64>,
    /// Bytes of a batch, likewise, compressed.
    pub bytes_per_batch: Option<f64>,
    /// The brokers that are known.
    pub brokers: Vec<BrokerStatistics>,
}

/// The state of a connection at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerStatistics {
    /// Which broker, by its number.
    pub id: i32,
    /// Whether there is a connection.
    pub connected: bool,
    /// Round trip time, on average since the last report; nothing without a request.
    pub round_trip: Option<Duration>,
    /// Requests that were not sent for an error, so far.
    pub transmit_errors: u64,
    /// Requests sent again, so far.
    pub retries: u64,
    /// Requests not answered in time, so far.
    pub timeouts: u64,
}

impl From<&Statistics> for ProducerStatistics {
    fn from(statistics: &Statistics) -> Self {
        let mut brokers: Vec<_> = statistics
            .brokers
            .values()
            // Those we begin with have no number until they have told it.
            .filter(|broker| broker.nodeid >= 0)
            .map(|broker| BrokerStatistics {
                id: broker.nodeid,
                connected: broker.state == "UP",
                round_trip: broker
                    .rtt
                    .as_ref()
                    .filter(|window| window.cnt > 0)
                    .and_then(|window| u64::try_from(window.avg).ok())
                    .map(Duration::from_micros),
                transmit_errors: broker.txerrs,
                retries: broker.txretries,
                timeouts: broker.req_timeouts,
            })
            .collect();
        brokers.sort_by_key(|broker| broker.id);
        let topics = || statistics.topics.values();
        Self {
            queued: statistics.msg_cnt,
            queued_bytes: statistics.msg_size,
            records_per_batch: mean(topics().map(|topic| (topic.batchcnt.sum, topic.batchcnt.cnt))),
            bytes_per_batch: mean(topics().map(|topic| (topic.batchsize.sum, topic.batchsize.cnt))),
            brokers,
        }
    }
}

/// The mean over windows, each with its sum and count.
#[allow(
    clippy::cast_precision_loss,
    reason = "sums over ten seconds are far below 2^52"
)]
fn mean(windows: impl Iterator<Item = (i64, i64)>) -> Option<f64> {
    let (sum, count) = windows.fold((0_i64, 0_i64), |(sums, counts), (sum, count)| {
        (sums.saturating_add(sum), counts.saturating_add(count))
    });
    (count > 0).then(|| sum as f64 / count as f64)
}

#[cfg(test)]
mod tests {
    use rdkafka::statistics::{Broker, Topic, Window};

    use super::*;

    #[test]
    fn means_are_over_all_topics_and_brokers_are_those_with_a_number() {
        let window = |sum, cnt| Window {
            sum,
            cnt,
            avg: sum / cnt,
            ..Window::default()
        };
        let mut statistics = Statistics {
            msg_cnt: 3,
            msg_size: 600,
            ..Statistics::default()
        };
        for (name, batches) in [("a", window(30, 3)), ("b", window(10, 1))] {
            let topic = Topic {
                batchcnt: batches,
                ..Topic::default()
            };
            statistics.topics.insert(name.to_owned(), topic);
        }
        for nodeid in [-1, 2] {
            let broker = Broker {
                nodeid,
                state: "UP".to_owned(),
                rtt: Some(window(3000, 2)),
                txerrs: 4,
                ..Broker::default()
            };
            statistics.brokers.insert(nodeid.to_string(), broker);
        }
        let seen = ProducerStatistics::from(&statistics);
        assert_eq!((seen.queued, seen.queued_bytes), (3, 600));
        assert_eq!(seen.records_per_batch, Some(10.0));
        assert_eq!(seen.bytes_per_batch, None);
        assert_eq!(
            seen.brokers,
            [BrokerStatistics {
                id: 2,
                connected: true,
                round_trip: Some(Duration::from_micros(1500)),
                transmit_errors: 4,
                ..BrokerStatistics::default()
            }]
        );
    }
}
