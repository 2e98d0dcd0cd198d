//! Rules of deleted users.

use user_domain::{Email, EventKind, User, UserEvent};

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

/// In whatever case it is asked for, of a deleted user too; and once its time has come as long as its address is taken.
pub async fn who_has_an_address_is_who_a_write_would_run_into(storage: impl Storage) {
    let email = Email::parse("USER1@example.com").expect("valid address");
    let holder_at = async |now| {
        let holder = storage.holder_of(&email, now, write().deadline);
        holder.await.expect("the storage answers")
    };
    let (template, event) = new_user(2, email.as_str());
    assert_eq!(holder_at(template.created_at()).await, None);
    let (user, _) = create(&storage, 1).await;
    assert_eq!(holder_at(user.updated_at()).await, Some(user.id()));
    let (gone, deletion) = deleted(&user, 1);
    let stored = storage.update(gone.clone(), deletion, write()).await;
    stored.expect("deleted");
    assert_eq!(holder_at(gone.updated_at()).await, Some(user.id()));

    let then = gone.deletion().expect("deleted").purge_at;
    let holder = holder_at(then).await;
    let (name, email) = (template.name().clone(), template.email().clone());
    let (next, event) = User::create(template.id(), event.id(), name, email, then);
    match storage.create(next, event, None, write()).await {
        Ok(_) => assert_eq!(holder, None),
        Err(RepositoryError::EmailTaken) => assert_eq!(holder, Some(user.id())),
        Err(error) => panic!("{error:?}"),
    }
}
