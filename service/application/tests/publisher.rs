//! The publisher that stands in for all others in tests passes their contract.

use user_application::testkit::Recorder;

user_application::publisher_contract!(Recorder::default());
