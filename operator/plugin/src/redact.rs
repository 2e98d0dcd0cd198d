//! What must not leave the cluster: values of Secrets, credentials, e-mail addresses.

use std::borrow::Cow;

use regex::Regex;

/// What stands in the place of what was taken out.
pub(crate) const TAKEN_OUT: &str = "[redacted]";

/// Shortest value of a Secret that is looked for: shorter ones are in ordinary text by chance.
const SHORTEST: usize = 6;

/// Takes out what it knows, and what looks like it.
pub(crate) struct Redactor {
    /// Longest first, since one may be part of another.
    known: Vec<String>,
    patterns: Vec<(Regex, &'static str)>,
}

impl Redactor {
    /// `secrets` are values that are taken out wherever they stand.
    ///
    /// # Errors
    /// If a pattern of ours is none, which would be a bug.
    pub(crate) fn new(secrets: impl IntoIterator<Item = String>) -> Result<Self, regex::Error> {
        let credentials = Regex::new(r"://[^/@\s:]+:([^@\s]+)@")?;
        let mut known = Vec::new();
        for secret in secrets {
            // A password within a connection string may stand elsewhere on its own.
            known.extend(
                credentials
                    .captures_iter(&secret)
                    .filter_map(|found| Some(found.get(1)?.as_str().to_owned())),
            );
            known.extend(secret.lines().map(|line| line.trim().to_owned()));
            known.push(secret);
        }
        known.retain(|value| value.len() >= SHORTEST);
        known.sort_by_key(|value| std::cmp::Reverse(value.len()));
        known.dedup();
        let patterns = [
            (
                r"(?s)-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----",
                TAKEN_OUT,
            ),
            (r"://[^/@\s]+@", "://[redacted]@"),
            (
                r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*",
                TAKEN_OUT,
            ),
            (
                r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{6,}",
                "$1 [redacted]",
            ),
            (
                r#"(?i)((?:password|passwd|secret|token|api[-_]?key|credential)[\w.-]*["']?\s*[=:]\s*)(?:"[^"]*"|'[^']*'|[^\s,;&}]+)"#,
                "$1[redacted]",
            ),
            (
                r"[\p{L}\p{N}._%+-]+@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+",
                "[e-mail]",
            ),
        ];
        let patterns = patterns
            .into_iter()
            .map(|(pattern, instead)| Ok((Regex::new(pattern)?, instead)))
            .collect::<Result<_, regex::Error>>()?;
        Ok(Self { known, patterns })
    }

    pub(crate) fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for value in &self.known {
            if text.contains(value.as_str()) {
                text = text.replace(value.as_str(), TAKEN_OUT);
            }
        }
        for (pattern, instead) in &self.patterns {
            if let Cow::Owned(changed) = pattern.replace_all(&text, *instead) {
                text = changed;
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redact(text: &str) -> String {
        let secrets = [
            "mongodb://app:hunter2hunter2@db/users",
            "short",
            "first-line\nsecond-line",
        ];
        Redactor::new(secrets.map(str::to_owned))
            .unwrap()
            .redact(text)
    }

    #[test]
    fn values_of_secrets_are_taken_out_wherever_they_stand_and_in_part() {
        for planted in [
            "a mongodb://app:hunter2hunter2@db/users b",
            "auth failed for hunter2hunter2",
            "x second-line y",
        ] {
            let text = redact(planted);
            assert!(text.contains(TAKEN_OUT), "{text}");
            assert!(
                !text.contains("hunter2hunter2") && !text.contains("second-line"),
                "{text}"
            );
        }
    }

    #[test]
    fn what_looks_like_a_credential_is_taken_out_though_it_is_known_to_nobody() {
        for (planted, secret) in [
            ("dial postgres://root:s3cr3t@host/db failed", "s3cr3t"),
            ("password=correct-horse", "correct-horse"),
            (r#"{"apiToken": "abc def"}"#, "abc def"),
            ("clientSecret: 'battery staple'", "battery staple"),
            ("Authorization: Bearer abcdef123456", "abcdef123456"),
            ("token eyJhbGciOi.eyJzdWIi.c2ln", "eyJzdWIi"),
            (
                "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----",
                "MIIB",
            ),
        ] {
            let text = redact(planted);
            assert!(!text.contains(secret), "{text}");
        }
    }

    #[test]
    fn mail_addresses_are_taken_out_and_ordinary_text_stays() {
        assert_eq!(
            redact("created ada.lovelace+x@example.co.uk"),
            "created [e-mail]"
        );
        assert_eq!(redact("jürgen@bücher.example"), "[e-mail]");
        let plain = "Deployment users: 2 of 2 pods, image registry.example/users@sha256:0a1b, secret users-mongodb is short";
        assert_eq!(redact(plain), plain);
    }
}
