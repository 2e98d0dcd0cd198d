//! Rules of deleted users.

use user_domain::{EventKind, UserEvent};

use super::{MANY, Storage, create, pending};
use crate::RepositoryError;
use crate::testkit::{deleted, new_user, undeleted, write};

async fn events(storage: &impl Storage) -> Vec<UserEvent> {
    let records = storage.pending(MANY, &[]).await.expect("outbox works");
    records.into_iter().map(|record| record.event).collect()
}

/// A deletion is stored as any change, times and event included.
pub async fn a_deleted_user_is_found_as_deleted(storage: impl Storage) {
    let (user, _) = create(&storage, 1).await;
    let (next, event) = deleted(&user, 1);
    let stored = storage.update(next.clone(), event.clone(), write()).await;
    assert_eq!(stored.expect("deleted"), next);
    let found = storage.get(user.id(), write().deadline).await;
    assert_eq!(found.expect("found"), next);
    let last = events(&storage).await.pop().expect("an event");
    assert_eq!((last.kind(), &last), (EventKind::Deleted, &event));
}

/// Nothing can stand against its return.
pub async fn the_address_of_a_deleted_user_stays_taken(storage: impl Storage) {
    let (user, _) = create(&storage, 1).await;
    let (next, event) = deleted(&user, 1);
    let stored = storage.update(next, event, write()).await;
    stored.expect("deleted");
    let (other, event) = new_user(2, "USER1@example.com");
    let refused = storage.create(other, event, None, write()).await;
    assert!(
        matches!(refused, Err(RepositoryError::EmailTaken)),
        "{refused:?}"
    );
}

/// And no trace of the deletion is left on it.
pub async fn an_undeleted_user_is_found_as_it_was(storage: impl Storage) {
    let (user, _) = create(&storage, 1).await;
    let (gone, event) = deleted(&user, 1);
    let stored = storage.update(gone.clone(), event, write()).await;
    stored.expect("deleted");
    let (back, event) = undeleted(&gone, 2);
    let stored = storage.update(back.clone(), event.clone(), write()).await;
    assert_eq!(stored.expect("undeleted"), back);
    let found = storage.get(user.id(), write().deadline).await;
    assert_eq!(found.expect("found"), back);
    assert_eq!(events(&storage).await.pop(), Some(event));
    assert_eq!(pending(&storage).await.len(), 3);
}
