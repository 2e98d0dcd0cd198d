//! How settings are read from variables and written to them, by the one table of all settings.

mod entries;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use entries::{
    ADMIN_ADDRESS, GRPC_ADDRESS, KAFKA_BOOTSTRAP_SERVERS, TABLE, TLS, TLS_ALLOWED_CLIENTS,
};

use crate::settings::Choice as _;
use crate::{Bounds, Events, SettingError, Settings, Share, TlsMode};

/// What every variable of the service begins with.
///
/// Not `USER_SERVICE_`: for a Kubernetes Service named `user` the kubelet injects `USER_SERVICE_HOST` and
/// `USER_SERVICE_PORT` into every pod of the namespace.
pub const PREFIX: &str = "USERSVC_";

/// A way to the field that a setting lives in.
type Field<T> = fn(&mut Settings) -> &mut T;

enum Kind {
    Address(Field<SocketAddr>),
    Time(Field<Duration>, Bounds<Duration>),
    Count(Field<u32>, Bounds<u32>),
    Text(Field<String>, Text),
    Path(Field<PathBuf>),
    Share(Field<Share>),
    Choice {
        read: fn(&mut Settings) -> &'static str,
        write: fn(&mut Settings, &str) -> Option<()>,
        accepted: fn() -> String,
    },
}

/// What a text may be.
struct Text {
    is_accepted: fn(&str) -> bool,
    accepted: &'static str,
}

struct Setting {
    name: &'static str,
    doc: &'static str,
    kind: Kind,
    /// Whether the setting means anything beside the others. One that does not is not rendered, so that a version of the
    /// service that is older than the setting keeps working for whoever does not use it.
    applies: fn(&Settings) -> bool,
}

/// One row of the reference table, for documentation and `--help`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingDoc {
    /// Name of the environment variable.
    pub name: &'static str,
    /// Value in force when the variable is absent, written as the variable would hold it.
    pub default: String,
    /// What is accepted, in words.
    pub accepted: String,
    /// What the setting does.
    pub doc: &'static str,
}

/// Every setting, in the order a reader wants them.
pub fn reference() -> Vec<SettingDoc> {
    let mut defaults = Settings::default();
    TABLE
        .iter()
        .map(|setting| SettingDoc {
            name: setting.name,
            default: setting.kind.read(&mut defaults),
            accepted: setting.kind.accepted(),
            doc: setting.doc,
        })
        .collect()
}

impl Settings {
    /// Reads settings from variables, usually the process environment. What is absent keeps its default. Variables
    /// without [`PREFIX`], and those that Kubernetes injects for a Service whose name happens to begin like it, are left
    /// alone. Of a variable given twice the last one counts.
    ///
    /// # Errors
    /// All problems at once: a value that is not accepted, a name with our prefix that is no setting, and settings that
    /// clash.
    pub fn from_vars(
        vars: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Vec<SettingError>> {
        let ours: BTreeMap<String, String> = vars
            .into_iter()
            .filter(|(name, _)| name.starts_with(PREFIX) && !is_service_link(name))
            .collect();
        let mut settings = Self::default();
        let mut problems = Vec::new();
        for (variable, value) in ours {
            match TABLE.iter().find(|setting| setting.name == variable) {
                None => problems.push(SettingError::Unknown { variable }),
                Some(setting) => {
                    if setting.kind.write(&mut settings, value.trim()).is_none() {
                        let accepted = setting.kind.accepted();
                        // Credentials where none belong, as likely as not.
                        let value = if value.contains('@') {
                            "(not shown)".to_owned()
                        } else {
                            value
                        };
                        problems.push(SettingError::Invalid {
                            variable,
                            value,
                            accepted,
                        });
                    }
                }
            }
        }
        problems.extend(settings.shared_port());
        problems.extend(settings.idle_list());
        problems.extend(settings.missing());
        if problems.is_empty() {
            Ok(settings)
        } else {
            Err(problems)
        }
    }

    /// Writes every setting that means anything beside the others as the variable it is read from: the pool's size only
    /// with a database, and so on. `from_vars` gives the same settings back as long as each lies in its bounds.
    pub fn to_vars(&self) -> BTreeMap<String, String> {
        // Fields are reached by one accessor for reading and writing, which needs a value of our own.
        let mut settings = self.clone();
        TABLE
            .iter()
            .filter(|setting| (setting.applies)(self))
            .map(|setting| (setting.name.to_owned(), setting.kind.read(&mut settings)))
            .collect()
    }

    /// Two listeners cannot share a port. Port 0 asks the kernel for a free one and never clashes.
    fn shared_port(&self) -> Option<SettingError> {
        let port = self.admin_address.port();
        (port != 0 && port == self.grpc_address.port()).then(|| SettingError::Clash {
            variable: ADMIN_ADDRESS.to_owned(),
            value: self.admin_address.to_string(),
            other: format!("{GRPC_ADDRESS}={}", self.grpc_address),
            accepted: "each listener its own port".to_owned(),
        })
    }

    /// Who lists clients means to keep others out, and only mutual TLS does.
    fn idle_list(&self) -> Option<SettingError> {
        let tls = &self.tls;
        let is_idle = tls.mode != TlsMode::Mutual && !tls.allowed_clients.is_empty();
        is_idle.then(|| SettingError::Clash {
            variable: TLS_ALLOWED_CLIENTS.to_owned(),
            value: tls.allowed_clients.clone(),
            other: format!("{TLS}={}", tls.mode.word()),
            accepted: format!("it with {TLS}={} only", TlsMode::Mutual.word()),
        })
    }

    /// Kafka has no address that could be guessed.
    fn missing(&self) -> Option<SettingError> {
        let missing = self.events == Events::Kafka && self.kafka.bootstrap_servers.is_empty();
        missing.then(|| SettingError::Missing {
            variable: KAFKA_BOOTSTRAP_SERVERS.to_owned(),
            needed_by: "USERSVC_EVENTS=kafka",
        })
    }
}

impl Kind {
    fn write(&self, settings: &mut Settings, text: &str) -> Option<()> {
        match self {
            Self::Address(field) => *field(settings) = text.parse().ok()?,
            Self::Time(field, bounds) => {
                let value = humantime::parse_duration(text).ok()?;
                *field(settings) = bounds.contains(value).then_some(value)?;
            }
            Self::Count(field, bounds) => {
                let value = text.parse().ok()?;
                *field(settings) = bounds.contains(value).then_some(value)?;
            }
            Self::Text(field, rule) => {
                *field(settings) = (rule.is_accepted)(text).then(|| text.to_owned())?;
            }
            Self::Path(field) => {
                let path = PathBuf::from(text);
                *field(settings) = path.is_absolute().then_some(path)?;
            }
            Self::Share(field) => *field(settings) = text.parse().ok()?,
            Self::Choice { write, .. } => write(settings, text)?,
        }
        Some(())
    }

    fn read(&self, settings: &mut Settings) -> String {
        match self {
            Self::Address(field) => field(settings).to_string(),
            Self::Time(field, _) => time(*field(settings)),
            Self::Count(field, _) => field(settings).to_string(),
            Self::Text(field, _) => field(settings).clone(),
            Self::Path(field) => field(settings).display().to_string(),
            Self::Share(field) => field(settings).to_string(),
            Self::Choice { read, .. } => read(settings).to_owned(),
        }
    }

    fn accepted(&self) -> String {
        match self {
            Self::Address(_) => "IP address and port, such as 0.0.0.0:8080 or [::]:8080".to_owned(),
            Self::Time(_, bounds) => format!(
                "a duration from {} to {}",
                bound(bounds.min),
                bound(bounds.max)
            ),
            Self::Count(_, bounds) => {
                format!("a whole number from {} to {}", bounds.min, bounds.max)
            }
            Self::Text(_, rule) => rule.accepted.to_owned(),
            Self::Path(_) => "an absolute path".to_owned(),
            Self::Share(_) => "a percentage from 0% to 100%, such as 0.5%".to_owned(),
            Self::Choice { accepted, .. } => accepted(),
        }
    }
}

/// A duration in the form that Kubernetes and Go write: `1m30s`, `100ms`.
fn time(value: Duration) -> String {
    humantime::format_duration(value)
        .to_string()
        .replace(' ', "")
}

/// A bound as people say it: 25h and 3650 days, where years and months would be of no exact length.
fn bound(value: Duration) -> String {
    const HOUR: u64 = 3600;
    match value.as_secs() {
        days if days >= 48 * HOUR && days % (24 * HOUR) == 0 => format!("{}days", days / 24 / HOUR),
        hours if hours >= HOUR && hours % HOUR == 0 => format!("{}h", hours / HOUR),
        _ => time(value),
    }
}

/// Whether a name is one that the kubelet injects for a Service, such as `X_SERVICE_HOST`, `X_SERVICE_PORT_GRPC`,
/// `X_PORT` or `X_PORT_8080_TCP_ADDR`. A Service named `usersvc` in the namespace must not stop us.
fn is_service_link(name: &str) -> bool {
    let numbered_port = name
        .split("_PORT_")
        .skip(1)
        .any(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || numbered_port
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_setting_looks_like_a_variable_that_kubernetes_injects() {
        for setting in TABLE {
            assert!(setting.name.starts_with(PREFIX), "{}", setting.name);
            assert!(!is_service_link(setting.name), "{}", setting.name);
        }
    }

    #[test]
    fn names_are_unique() {
        let unique: std::collections::BTreeSet<_> =
            TABLE.iter().map(|setting| setting.name).collect();
        assert_eq!(unique.len(), TABLE.len());
    }
}
