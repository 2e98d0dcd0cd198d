use crate::REQUEST_TIMEOUT;

/// Why the cluster could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server answered with an error, or could not be reached.
    #[error("{verb} {kind} {name}: {}", said(source))]
    Api {
        /// What was tried.
        verb: &'static str,
        /// Kind of the object.
        kind: &'static str,
        /// Its name.
        name: String,
        /// What the client says of it.
        source: Box<kube::Error>,
    },
    /// The API server did not answer in time.
    #[error("{verb} {kind} {name}: no answer within {REQUEST_TIMEOUT:?}")]
    Timeout {
        /// What was tried.
        verb: &'static str,
        /// Kind of the object.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// An object cannot be read as JSON, which would be a bug.
    #[error("{kind} {name}: cannot be read as JSON: {source}")]
    Json {
        /// Kind of the object.
        kind: &'static str,
        /// Its name.
        name: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl Error {
    /// What the API server said, if it understood a request and refused it: a quota, a policy, a
    /// missing right. An outage, a throttle or a race is no refusal.
    pub fn refusal(&self) -> Option<String> {
        let is_refusal = match self.code() {
            None | Some(404 | 408 | 409 | 410 | 429) => false,
            // Policies and webhooks choose their code. 401 may also be of the operator's own token: nothing can be
            // told then until that is renewed.
            Some(code) => (400..500).contains(&code) && !self.is_of_another(),
        };
        is_refusal.then(|| self.to_string())
    }

    /// Whether an object is not the one that was meant, which the API server words as an attempt to
    /// change its UID.
    fn is_of_another(&self) -> bool {
        let Self::Api { source, .. } = self else {
            return false;
        };
        let kube::Error::Api(status) = source.as_ref() else {
            return false;
        };
        let mut causes = status.details.iter().flat_map(|details| &details.causes);
        causes.any(|cause| cause.field == "metadata.uid")
    }

    /// HTTP status code that the API server answered with, if it answered.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Api { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => Some(status.code),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Whether the object was changed in between.
pub fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_conflict())
}

/// The API server's own words where it spoke; the client's text for it holds them twice.
fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn answered(code: u16) -> Error {
        let status = Status::failure("exceeded quota: compute", "Forbidden").with_code(code);
        Error::Api {
            verb: "apply",
            kind: "Deployment",
            name: "users".to_owned(),
            source: Box::new(kube::Error::Api(Box::new(status))),
        }
    }

    #[test]
    fn a_refusal_is_told_in_the_words_of_the_api_server() {
        let refusal = answered(403).refusal();
        assert_eq!(
            refusal.as_deref(),
            Some("apply Deployment users: exceeded quota: compute")
        );
    }

    #[test]
    fn an_outage_a_throttle_and_a_race_are_no_refusal() {
        for code in [404, 408, 409, 410, 429, 500, 503] {
            assert_eq!(answered(code).refusal(), None, "{code}");
        }
    }

    #[test]
    fn a_refusal_is_told_with_whatever_code_a_policy_or_a_webhook_chose() {
        for code in [400, 401, 402, 403, 406, 413, 422, 451] {
            assert!(answered(code).refusal().is_some(), "{code}");
        }
    }
}
