//! The contract of a publisher.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use serde_json::Value;
use support::Sink;
use user_adapter_stdout::JsonLines;
use user_application::OutboxRecord;
use user_application::testkit::publisher::{Destination, unwritable};
use user_domain::EventId;

user_application::publisher_contract!(Lines(Sink::default()));

struct Lines(Sink);

impl Lines {
    /// Events of the lines that are dead letters, or of those that are not. A line that was torn is no event.
    fn events(&self, dead: bool) -> Vec<EventId> {
        let text = self.0.text();
        let lines = text.lines().map(serde_json::from_str::<Value>);
        lines
            .filter_map(Result::ok)
            .filter(|line| line.get("deadletterreason").is_some() == dead)
            .map(|line| EventId::new(line["id"].as_str().unwrap().parse().unwrap()))
            .collect()
    }
}

impl Destination for Lines {
    type Publisher = JsonLines<Sink>;

    fn publisher(&self) -> Self::Publisher {
        JsonLines::new(self.0.clone())
    }

    fn within(&self) -> Duration {
        Duration::from_secs(5)
    }

    async fn published(&self) -> Vec<EventId> {
        self.events(false)
    }

    async fn dead_letters(&self) -> Vec<EventId> {
        self.events(true)
    }

    fn poison(&self) -> Vec<OutboxRecord> {
        vec![unwritable(1)]
    }

    async fn goes_away(&self) {
        self.0.set_closed(true);
    }

    async fn comes_back(&self) {
        self.0.set_closed(false);
    }

    async fn pause(&self) {
        tokio::task::yield_now().await;
    }
}
