//! Page tokens (AIP-158): where the page before ended, bound to what was listed. They hold no secret and give no right,
//! so every replica reads what any of them wrote.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use user_application::Position;
use user_domain::UserId;
use uuid::Uuid;

/// The first byte of every token; another one if the form changes.
const VERSION: u8 = 1;
const HASH_BYTES: usize = 16;
const TOKEN_BYTES: usize = 1 + 8 + 16 + HASH_BYTES;

/// What a token is for, as a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arguments([u8; HASH_BYTES]);

/// Why a text is no token for these arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("must be a next_page_token of this method, or absent")]
    Malformed,
    #[error("belongs to a listing with another filter, order_by or show_deleted")]
    OtherArguments,
}

impl Arguments {
    /// Of a listing. The size of a page may change from page to page.
    pub(crate) fn of(filter: &str, order_by: &str, show_deleted: bool) -> Self {
        let mut hash = Sha256::new();
        for part in [filter, order_by] {
            // The length first, so that no two lists of parts look alike.
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        hash.update([u8::from(show_deleted)]);
        let mut arguments = [0; HASH_BYTES];
        arguments
            .iter_mut()
            .zip(hash.finalize())
            .for_each(|(to, from)| *to = from);
        Self(arguments)
    }
}

/// The token of a page that begins after this.
pub(crate) fn token(after: Position, arguments: Arguments) -> String {
    let since_epoch = after
        .created_at
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let millis = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
    let mut bytes = Vec::with_capacity(TOKEN_BYTES);
    bytes.push(VERSION);
    bytes.extend(millis.to_be_bytes());
    bytes.extend(after.id.as_uuid().into_bytes());
    bytes.extend(arguments.0);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// After what the page begins; nothing without a token.
pub(crate) fn position(token: &str, arguments: Arguments) -> Result<Option<Position>, TokenError> {
    if token.is_empty() {
        return Ok(None);
    }
    let bytes = URL_SAFE_NO_PAD
        .decode(token)
        .map_err(|_| TokenError::Malformed)?;
    let (after, bound_to) = read(&bytes).ok_or(TokenError::Malformed)?;
    if bound_to != arguments {
        return Err(TokenError::OtherArguments);
    }
    Ok(Some(after))
}

fn read(bytes: &[u8]) -> Option<(Position, Arguments)> {
    let (version, rest) = bytes.split_first()?;
    let (millis, rest) = rest.split_first_chunk()?;
    let (id, rest) = rest.split_first_chunk()?;
    let arguments = rest.try_into().ok()?;
    if *version != VERSION {
        return None;
    }
    let since_epoch = Duration::from_millis(u64::from_be_bytes(*millis));
    let position = Position {
        created_at: SystemTime::UNIX_EPOCH.checked_add(since_epoch)?,
        id: UserId::new(Uuid::from_bytes(*id)),
    };
    Some((position, Arguments(arguments)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_position() -> impl Strategy<Value = Position> {
        // Up to the year 9999.
        (0..253_402_300_800_000_u64, any::<u128>()).prop_map(|(millis, id)| Position {
            created_at: SystemTime::UNIX_EPOCH + Duration::from_millis(millis),
            id: UserId::new(Uuid::from_u128(id)),
        })
    }

    proptest! {
        #[test]
        fn a_token_leads_back_to_its_place(
            after in any_position(),
            filter in any::<String>(),
            order_by in any::<String>(),
            show_deleted in any::<bool>(),
        ) {
            let arguments = Arguments::of(&filter, &order_by, show_deleted);
            let token = token(after, arguments);
            prop_assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
            prop_assert_eq!(position(&token, arguments), Ok(Some(after)));
        }

        #[test]
        fn a_token_is_for_its_arguments_alone(
            after in any_position(),
            one in any::<(String, String, bool)>(),
            other in any::<(String, String, bool)>(),
        ) {
            prop_assume!(one != other);
            let token = token(after, Arguments::of(&one.0, &one.1, one.2));
            let others = Arguments::of(&other.0, &other.1, other.2);
            prop_assert_eq!(position(&token, others), Err(TokenError::OtherArguments));
        }

        #[test]
        fn a_token_that_was_tampered_with_is_refused_or_says_what_it_would_be_written_as(
            after in any_position(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            cut in 0..4_usize,
        ) {
            let arguments = Arguments::of("", "", false);
            let mut text = token(after, arguments).into_bytes();
            for (at, byte) in changes {
                let at = at.index(text.len());
                text[at] = byte;
            }
            text.truncate(text.len() - cut);
            let text = String::from_utf8_lossy(&text);
            if let Ok(Some(read)) = position(&text, arguments) {
                prop_assert_eq!(token(read, arguments), text);
            }
        }

        #[test]
        fn no_text_whatever_makes_reading_a_token_panic(text in any::<String>(), bytes in any::<Vec<u8>>()) {
            let arguments = Arguments::of("", "", false);
            let _ = position(&text, arguments);
            let _ = position(&URL_SAFE_NO_PAD.encode(bytes), arguments);
        }
    }

    #[test]
    fn arguments_that_look_alike_when_joined_are_different() {
        assert_ne!(
            Arguments::of("a", "b", false),
            Arguments::of("ab", "", false)
        );
    }

    #[test]
    fn a_token_of_another_version_or_length_is_malformed() {
        let arguments = Arguments::of("", "", false);
        let mut bytes = [0; TOKEN_BYTES];
        bytes[0] = VERSION + 1;
        for bytes in [&bytes[..], &[VERSION][..], &[VERSION; TOKEN_BYTES + 1][..]] {
            let token = URL_SAFE_NO_PAD.encode(bytes);
            assert_eq!(position(&token, arguments), Err(TokenError::Malformed));
        }
    }
}
