//! An event as the bytes of a record.

use std::time::{Duration, SystemTime};

use prost::Message as _;
use prost_types::Timestamp;
use user_domain::{EventKind, UserEvent};
use user_proto::user::events::v1::{UserCreated, UserDeleted, UserUpdated};

use crate::Framing;

/// The last second of the year 9999: `google.protobuf.Timestamp` and RFC 3339 end there.
const LAST_SECOND: u64 = 253_402_300_799;

/// Why an event cannot be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A time before 1970 or after 9999.
    #[error("a time of the event is before 1970 or after 9999")]
    Time,
    /// An event of a deletion whose user is not deleted.
    #[error("the event does not say when the user was deleted")]
    Deletion,
}

/// The value of the record for this event.
pub(crate) fn value(event: &UserEvent, framing: &Framing) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = Vec::with_capacity(512);
    if let Framing::Prefix(ids) = framing {
        bytes.extend_from_slice(&ids.of(event.kind()).prefix());
    }
    let user = event.user();
    let user_id = user.id().to_string();
    let name = user.name().as_str().to_owned();
    let email = user.email().as_str().to_owned();
    let create_time = Some(timestamp(user.created_at())?);
    let update_time = Some(timestamp(user.updated_at())?);
    let version = user.version().get();
    match event.kind() {
        EventKind::Created => UserCreated {
            user_id,
            name,
            email,
            create_time,
            update_time,
            version,
        }
        .encode_raw(&mut bytes),
        EventKind::Updated => UserUpdated {
            user_id,
            name,
            email,
            create_time,
            update_time,
            version,
        }
        .encode_raw(&mut bytes),
        EventKind::Deleted => {
            let deletion = user.deletion().ok_or(EncodeError::Deletion)?;
            UserDeleted {
                user_id,
                delete_time: Some(timestamp(deletion.deleted_at)?),
                purge_time: Some(timestamp(deletion.purge_at)?),
                version,
            }
            .encode_raw(&mut bytes);
        }
    }
    Ok(bytes)
}

/// Since the epoch, if the time is one that can be written down.
pub(crate) fn since_epoch(time: SystemTime) -> Result<Duration, EncodeError> {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .ok()
        .filter(|since| since.as_secs() <= LAST_SECOND)
        .ok_or(EncodeError::Time)
}

fn timestamp(time: SystemTime) -> Result<Timestamp, EncodeError> {
    let since = since_epoch(time)?;
    Ok(Timestamp {
        seconds: i64::try_from(since.as_secs()).map_err(|_| EncodeError::Time)?,
        nanos: i32::try_from(since.subsec_nanos()).map_err(|_| EncodeError::Time)?,
    })
}

#[cfg(test)]
mod tests {
    use user_application::testkit::{new_user, renamed};
    use user_domain::{EventId, User};

    use super::*;
    use crate::{PerEvent, SchemaId};

    fn ids() -> PerEvent<SchemaId> {
        let mut number = 6;
        PerEvent::from_fn(|_| {
            number += 1;
            SchemaId { number, guid: None }
        })
    }

    #[test]
    fn the_value_is_the_whole_state_as_protobuf() {
        let (user, _) = new_user(3, "ada@example.com");
        let (_, event) = renamed(&user, 4);
        let bytes = value(&event, &Framing::Bare).unwrap();
        let message = UserUpdated::decode(bytes.as_slice()).unwrap();
        let time = |millis: i32| {
            Some(Timestamp {
                seconds: 0,
                nanos: millis * 1_000_000,
            })
        };
        assert_eq!(message.user_id, user.id().to_string());
        assert_eq!(message.name, "Renamed 4");
        assert_eq!(message.email, "ada@example.com");
        assert_eq!(message.create_time, time(3));
        assert_eq!(message.update_time, time(4));
        assert_eq!(message.version, 2);
    }

    #[test]
    fn what_is_told_of_a_deletion_is_no_personal_data() {
        let (user, _) = new_user(3, "ada@example.com");
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(4);
        let event_id = EventId::new(uuid::Uuid::from_u128(9));
        let (_, event) = user
            .delete(Duration::from_secs(60), event_id, now)
            .expect("not deleted");
        let bytes = value(&event, &Framing::Bare).unwrap();
        let message = UserDeleted::decode(bytes.as_slice()).unwrap();
        let time = |seconds| {
            Some(Timestamp {
                seconds,
                nanos: 4_000_000,
            })
        };
        let expected = UserDeleted {
            user_id: user.id().to_string(),
            delete_time: time(0),
            purge_time: time(60),
            version: 2,
        };
        assert_eq!(message, expected);
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("ada@") && !text.contains("User 3"), "{text}");
    }

    #[test]
    fn the_bytes_of_a_framed_event_are_these() {
        let (_, event) = new_user(1, "a@example.com");
        let framed = value(&event, &Framing::Prefix(ids())).unwrap();
        let mut golden = vec![0, 0, 0, 0, 7, 0];
        for (tag, text) in [
            (0x0a, "00000000-0000-0000-0000-000100000001"),
            (0x12, "User 1"),
            (0x1a, "a@example.com"),
        ] {
            golden.extend([tag, u8::try_from(text.len()).unwrap()]);
            golden.extend_from_slice(text.as_bytes());
        }
        // One millisecond, as nanoseconds in a varint, twice; then version 1.
        let time = [4, 0x10, 0xc0, 0x84, 0x3d];
        golden.push(0x22);
        golden.extend(time);
        golden.push(0x2a);
        golden.extend(time);
        golden.extend([0x30, 1]);
        assert_eq!(framed, golden);
        let bare = value(&event, &Framing::Header(ids())).unwrap();
        assert_eq!(bare, golden[6..]);
    }

    #[test]
    fn a_time_that_cannot_be_written_down_is_an_error() {
        let (user, event) = new_user(1, "a@example.com");
        for time in [
            SystemTime::UNIX_EPOCH - Duration::from_millis(1),
            SystemTime::UNIX_EPOCH + Duration::from_secs(LAST_SECOND + 1),
        ] {
            let user = User::restore(
                user.id(),
                user.name().clone(),
                user.email().clone(),
                time,
                time,
                user.version(),
                None,
            );
            let event = UserEvent::restore(EventId::new(event.id().as_uuid()), event.kind(), user);
            assert_eq!(value(&event, &Framing::Bare), Err(EncodeError::Time));
        }
    }
}
