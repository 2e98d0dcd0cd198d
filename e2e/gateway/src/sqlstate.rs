//! What `PostgreSQL` and `DocumentDB` call an error, in MongoDB's numbers.

use crate::failure::{Code, Failure};

/// `DocumentDB`'s own states with what MongoDB calls them. What is not here is an internal error that names its state.
const STATES: &[(&str, Code)] = &[
    ("M0001", Code::BAD_VALUE),
    ("M0002", Code(5, "GraphContainsCycle")),
    ("M0003", Code::FAILED_TO_PARSE),
    ("M0004", Code::TYPE_MISMATCH),
    ("M0005", Code(15, "Overflow")),
    ("M0006", Code(20, "IllegalOperation")),
    ("M0008", Code::NAMESPACE_NOT_FOUND),
    ("M0009", Code(27, "IndexNotFound")),
    ("M000A", Code(28, "PathNotViable")),
    ("M000C", Code(34, "CannotBackfillArray")),
    ("M000D", Code(40, "ConflictingUpdateOperators")),
    ("M000E", Code::CURSOR_NOT_FOUND),
    ("M000F", Code(48, "NamespaceExists")),
    ("M000G", Code(52, "DollarPrefixedFieldName")),
    ("M000H", Code(53, "CanNotBeTypeArray")),
    ("M000I", Code(54, "NotSingleValueField")),
    ("M000J", Code(56, "EmptyFieldName")),
    ("M000K", Code(57, "DottedFieldName")),
    ("M000M", Code(66, "ImmutableField")),
    ("M000N", Code(67, "CannotCreateIndex")),
    ("M000O", Code(68, "IndexAlreadyExists")),
    ("M000P", Code::INVALID_OPTIONS),
    ("M000Q", Code::INVALID_NAMESPACE),
    ("M000R", Code(85, "IndexOptionsConflict")),
    ("M000S", Code(86, "IndexKeySpecsConflict")),
    ("M000T", Code(111, "NotExactValueField")),
    ("M000U", Code(115, "CommandNotSupported")),
    ("M000W", Code(146, "ExceededMemoryLimit")),
    ("M0010", Code(167, "OptionNotSupportedOnView")),
    ("M0012", Code(197, "InvalidIndexSpecificationOption")),
    ("M0013", Code(224, "QueryFeatureNotAllowed")),
    ("M0015", Code(241, "ConversionFailure")),
    ("M0016", Code::NOT_IN_TRANSACTION),
    ("M0017", Code(276, "IndexBuildAborted")),
    ("M0018", Code(291, "UnableToFindIndex")),
    ("M001B", Code(10334, "BSONObjectTooLarge")),
    ("M001C", Code::DUPLICATE_KEY),
    ("M00CO", Code::DOCUMENT_FAILED_VALIDATION),
    // PostgreSQL's own.
    ("23505", Code::DUPLICATE_KEY),
    ("40001", Code::WRITE_CONFLICT),
    ("40P01", Code::WRITE_CONFLICT),
    ("55P03", Code::WRITE_CONFLICT),
    ("57014", Code::MAX_TIME_EXPIRED),
    ("25P02", Code::NO_SUCH_TRANSACTION),
    ("0A000", Code(115, "CommandNotSupported")),
    ("42501", Code(13, "Unauthorized")),
];

/// What MongoDB calls a state.
pub(crate) fn code(state: &str) -> Option<Code> {
    let named = STATES.iter().find(|(name, _)| *name == state);
    // A server that goes away, or has no connection left.
    let gone = ["08", "57P", "53"].iter().any(|s| state.starts_with(s));
    named
        .map(|(_, code)| *code)
        .or_else(|| gone.then_some(Code::HOST_UNREACHABLE))
}

/// The state in a write error, where `DocumentDB` packs it into the number: six bits a letter, the first in the lowest.
pub(crate) fn unpack(number: i32) -> Option<String> {
    let number = u32::try_from(number).ok()?;
    (0..5_u32)
        .map(|place| {
            let letter = u8::try_from((number >> (6 * place)) & 0x3f).ok()? + b'0';
            letter.is_ascii_alphanumeric().then(|| char::from(letter))
        })
        .collect()
}

/// What MongoDB would answer. Details and hints stay behind: they hold values.
pub(crate) fn failure(error: &tokio_postgres::Error) -> Failure {
    let Some(database) = error.as_db_error() else {
        return Failure::new(Code::HOST_UNREACHABLE, "the connection to the engine broke");
    };
    let state = database.code().code();
    match code(state) {
        Some(code) if state.starts_with('M') => Failure::new(code, database.message()),
        Some(Code::DUPLICATE_KEY) => {
            let index = database.constraint().unwrap_or("unknown");
            Failure::new(
                Code::DUPLICATE_KEY,
                format!("E11000 duplicate key error, constraint: {index}"),
            )
        }
        Some(code) => Failure::new(code, format!("{} (SQLSTATE {state})", code.1)),
        None => Failure::new(
            Code::INTERNAL_ERROR,
            format!("SQLSTATE {state}: {}", database.message()),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_state_is_unpacked() {
        assert_eq!(unpack(319_029_277).as_deref(), Some("M001C"));
        assert_eq!(unpack(16_777_245).as_deref(), Some("M0001"));
        assert_eq!(unpack(0x1f4c_001d).as_deref(), Some("M00CO"));
    }

    #[test]
    fn a_number_that_is_no_state_stays_one() {
        assert_eq!(unpack(-1), None);
        assert_eq!(unpack(11_000).and_then(|state| code(&state)), None);
    }

    #[test]
    fn states_are_listed_once() {
        let mut names: Vec<_> = STATES.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), STATES.len());
    }

    #[test]
    fn conflicts_and_lost_servers_are_told_apart() {
        assert_eq!(code("40001"), Some(Code::WRITE_CONFLICT));
        assert_eq!(code("55P03"), Some(Code::WRITE_CONFLICT));
        assert_eq!(code("57P01"), Some(Code::HOST_UNREACHABLE));
        assert_eq!(code("XX000"), None);
    }
}
