//! Rules of the lease.

use std::time::Duration;

use uuid::Uuid;

use super::Storage;
use crate::RelayId;

const LONG: Duration = Duration::from_secs(60);

fn holder(number: u128) -> RelayId {
    RelayId(Uuid::from_u128(number))
}

/// The second is refused while the first has it; the first may renew it in its epoch.
pub async fn the_lease_has_one_holder_at_a_time(storage: impl Storage) {
    let first = storage.claim(holder(1), LONG).await.expect("works");
    assert!(first.is_some());
    assert_eq!(storage.claim(holder(2), LONG).await.expect("works"), None);
    assert_eq!(storage.claim(holder(1), LONG).await.expect("works"), first);
}

/// The next holder begins a new epoch; who has no lease gives none back.
pub async fn a_lease_given_back_is_free_at_once(storage: impl Storage) {
    let first = storage.claim(holder(1), LONG).await.expect("works");
    storage.release(holder(2)).await.expect("no effect");
    assert_eq!(storage.claim(holder(2), LONG).await.expect("works"), None);
    storage.release(holder(1)).await.expect("given back");
    let second = storage.claim(holder(2), LONG).await.expect("works");
    assert!(second > first, "{second:?} after {first:?}");
}
