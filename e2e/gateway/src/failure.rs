//! What a command is answered when it fails.

use bson::{Bson, Document, RawDocumentBuf, doc};

/// A number of MongoDB with its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) i32, pub(crate) &'static str);

impl Code {
    pub(crate) const INTERNAL_ERROR: Self = Self(1, "InternalError");
    pub(crate) const BAD_VALUE: Self = Self(2, "BadValue");
    pub(crate) const HOST_UNREACHABLE: Self = Self(6, "HostUnreachable");
    pub(crate) const FAILED_TO_PARSE: Self = Self(9, "FailedToParse");
    pub(crate) const TYPE_MISMATCH: Self = Self(14, "TypeMismatch");
    pub(crate) const NAMESPACE_NOT_FOUND: Self = Self(26, "NamespaceNotFound");
    pub(crate) const CURSOR_NOT_FOUND: Self = Self(43, "CursorNotFound");
    pub(crate) const MAX_TIME_EXPIRED: Self = Self(50, "MaxTimeMSExpired");
    pub(crate) const COMMAND_NOT_FOUND: Self = Self(59, "CommandNotFound");
    pub(crate) const INVALID_OPTIONS: Self = Self(72, "InvalidOptions");
    pub(crate) const INVALID_NAMESPACE: Self = Self(73, "InvalidNamespace");
    pub(crate) const WRITE_CONFLICT: Self = Self(112, "WriteConflict");
    pub(crate) const CONFLICTING_OPERATION: Self = Self(117, "ConflictingOperationInProgress");
    pub(crate) const DOCUMENT_FAILED_VALIDATION: Self = Self(121, "DocumentFailedValidation");
    pub(crate) const TRANSACTION_TOO_OLD: Self = Self(225, "TransactionTooOld");
    pub(crate) const NO_SUCH_TRANSACTION: Self = Self(251, "NoSuchTransaction");
    pub(crate) const TRANSACTION_COMMITTED: Self = Self(256, "TransactionCommitted");
    pub(crate) const NOT_IN_TRANSACTION: Self = Self(263, "OperationNotSupportedInTransaction");
    pub(crate) const TEMPORARILY_UNAVAILABLE: Self = Self(365, "TemporarilyUnavailable");
    pub(crate) const DUPLICATE_KEY: Self = Self(11000, "DuplicateKey");
}

/// The whole transaction may be tried again.
pub(crate) const TRANSIENT: &str = "TransientTransactionError";
/// Whether it was committed is not known; the commit may be tried again.
pub(crate) const UNKNOWN_COMMIT: &str = "UnknownTransactionCommitResult";
/// The write may be tried again.
pub(crate) const RETRYABLE_WRITE: &str = "RetryableWriteError";

/// A failed command.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Failure {
    /// The number and name.
    pub(crate) code: Code,
    /// For people. It never holds what users stored.
    pub(crate) message: String,
    /// What may be done about it.
    pub(crate) labels: Vec<&'static str>,
}

impl Failure {
    /// A failure without labels.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            labels: Vec::new(),
        }
    }

    /// Adds a label, once.
    pub(crate) fn label(mut self, label: &'static str) -> Self {
        if !self.labels.contains(&label) {
            self.labels.push(label);
        }
        self
    }

    /// As it is told within a transaction: what passes by itself may be tried again from the start.
    pub(crate) fn in_transaction(self) -> Self {
        let passes = [
            Code::WRITE_CONFLICT,
            Code::NO_SUCH_TRANSACTION,
            Code::HOST_UNREACHABLE,
            Code::TEMPORARILY_UNAVAILABLE,
        ];
        if passes.contains(&self.code) {
            self.label(TRANSIENT)
        } else {
            self
        }
    }

    /// The answer.
    pub(crate) fn reply(&self) -> RawDocumentBuf {
        let Code(code, name) = self.code;
        let mut reply = doc! { "ok": 0.0, "errmsg": &self.message, "code": code, "codeName": name };
        if !self.labels.is_empty() {
            let labels: Vec<Bson> = self.labels.iter().map(|label| (*label).into()).collect();
            reply.insert("errorLabels", labels);
        }
        encode(&reply)
    }
}

/// A document as bytes. What is built here always has a form in bytes.
pub(crate) fn encode(document: &Document) -> RawDocumentBuf {
    RawDocumentBuf::try_from(document).unwrap_or_default()
}
