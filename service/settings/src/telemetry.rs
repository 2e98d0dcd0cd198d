//! What the service tells about itself.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::settings::Choice;

/// What the service tells about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telemetry {
    /// Least severe level that is logged.
    pub log_level: LogLevel,
    /// Where spans are sent by OTLP over gRPC, such as `http://otel-collector:4317`; empty for nowhere.
    pub otlp_endpoint: String,
    /// Whether metrics are sent there too.
    pub otlp_metrics: OtlpMetrics,
    /// How many of the calls whose client began no trace are traced. One that comes with a trace follows its client's
    /// decision.
    pub sampling: Share,
    /// What spans and sent metrics call the service: the attribute `service.name` of the OpenTelemetry conventions.
    pub service_name: String,
    /// What the name is unique in: the attribute `service.namespace`; empty for none.
    pub service_namespace: String,
}

impl Telemetry {
    /// Whether calls are recorded as spans.
    pub fn records(&self) -> bool {
        !self.otlp_endpoint.is_empty()
    }

    /// Whether metrics are sent.
    pub fn sends_metrics(&self) -> bool {
        self.records() && self.otlp_metrics == OtlpMetrics::Enabled
    }
}

/// Whether metrics are sent by OTLP. They are on the admin port in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OtlpMetrics {
    /// They are.
    Enabled,
    /// They are not, as when they are scraped.
    Disabled,
}

impl Choice for OtlpMetrics {
    const WORDS: &'static [(&'static str, Self)] =
        &[("enabled", Self::Enabled), ("disabled", Self::Disabled)];
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            log_level: LogLevel::Info,
            otlp_endpoint: String::new(),
            otlp_metrics: OtlpMetrics::Disabled,
            sampling: Share::from_percent(10),
            service_name: "user-service".to_owned(),
            service_namespace: String::new(),
        }
    }
}

/// Whether a text is the address of a collector, `http://host:port`. Plaintext alone: a collector stands beside the
/// service or in its cluster, and sends on by TLS what has to leave it.
pub fn is_otlp_endpoint(text: &str) -> bool {
    let Some((host, port)) = text
        .strip_prefix("http://")
        .and_then(|rest| rest.rsplit_once(':'))
    else {
        return false;
    };
    let inside = |start, end| host.strip_prefix(start)?.strip_suffix(end);
    let is_address = inside('[', ']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    let is_name = host.starts_with(|c: char| c.is_ascii_alphanumeric())
        && host.ends_with(|c: char| c.is_ascii_alphanumeric())
        && host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
    let is_port = !port.starts_with(['0', '+']) && port.parse::<u16>().is_ok();
    host.len() <= 253 && (is_address || is_name) && is_port
}

/// Severity of a log line, most severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// Something failed and somebody should look.
    Error,
    /// Something is off, the service goes on.
    Warn,
    /// Life cycle: start, drain, stop.
    Info,
    /// Each call.
    Debug,
    /// Everything.
    Trace,
}

impl Choice for LogLevel {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];
}

impl LogLevel {
    /// The word for this level, as the variable holds it and as log filters read it.
    pub fn as_str(self) -> &'static str {
        self.word()
    }

    /// The level that this word stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::parse(word)
    }

    /// Every word, for people.
    pub fn accepted_words() -> String {
        Self::accepted()
    }
}

/// A share of a whole, from `0%` to `100%`, exact to a ten-thousandth of a percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share {
    millionths: u32,
}

impl Share {
    const WHOLE: u32 = 1_000_000;
    const PERCENT: u32 = Self::WHOLE / 100;
    /// Digits after the point of a percentage.
    const DIGITS: usize = 4;

    /// So many hundredths; all of it from 100 on.
    pub const fn from_percent(percent: u8) -> Self {
        let percent = if percent > 100 { 100 } else { percent };
        Self {
            millionths: percent as u32 * Self::PERCENT,
        }
    }

    /// From 0 to 1.
    pub fn ratio(self) -> f64 {
        f64::from(self.millionths) / f64::from(Self::WHOLE)
    }
}

/// A text that is no share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no percentage from 0% to 100% with at most 4 digits after the point")]
pub struct NoShare;

impl FromStr for Share {
    type Err = NoShare;

    fn from_str(text: &str) -> Result<Self, NoShare> {
        let number = text.strip_suffix('%').ok_or(NoShare)?;
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let is_number = |text: &str, most| {
            (1..=most).contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_digit())
        };
        if !is_number(whole, 3) || !is_number(part, Self::DIGITS) {
            return Err(NoShare);
        }
        let whole: u32 = whole.parse().map_err(|_| NoShare)?;
        let part: u32 = format!("{part:0<width$}", width = Self::DIGITS)
            .parse()
            .map_err(|_| NoShare)?;
        let millionths = whole * Self::PERCENT + part;
        (millionths <= Self::WHOLE)
            .then_some(Self { millionths })
            .ok_or(NoShare)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (
            self.millionths / Self::PERCENT,
            self.millionths % Self::PERCENT,
        );
        if part == 0 {
            return write!(f, "{whole}%");
        }
        let part = format!("{part:0width$}", width = Self::DIGITS);
        write!(f, "{whole}.{}%", part.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_a_host_and_a_port_in_plaintext() {
        for good in [
            "http://otel-collector:4317",
            "http://collector.telemetry.svc.cluster.local:4317",
            "http://10.0.0.7:1",
            "http://[2001:db8::7]:65535",
        ] {
            assert!(is_otlp_endpoint(good), "{good}");
        }
        for bad in [
            "",
            "http://",
            "http://:4317",
            "http://collector",
            "http://collector:0",
            "http://collector:04317",
            "http://collector:65536",
            "http://collector:4317/",
            "http://collector:4317/v1/traces",
            "http://ada:hunter2@collector:4317",
            "http://-collector:4317",
            "http://[collector]:4317",
            "https://collector:4317",
            "collector:4317",
        ] {
            assert!(!is_otlp_endpoint(bad), "{bad}");
        }
    }

    #[test]
    fn a_share_is_a_percentage_and_nothing_else() {
        for (text, millionths) in [
            ("0%", 0),
            ("10%", 100_000),
            ("0.1%", 1000),
            ("0.0001%", 1),
            ("12.5%", 125_000),
            ("100%", 1_000_000),
            ("100.0%", 1_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Share { millionths }), "{text}");
        }
        for bad in [
            "", "%", "10", "-1%", "101%", "100.1%", "1.%", ".5%", "1,5%", "0.00001%", "1e1%",
            " 1%", "+1%",
        ] {
            assert_eq!(bad.parse::<Share>(), Err(NoShare), "{bad:?}");
        }
    }

    #[test]
    fn a_share_is_written_as_it_is_read() {
        for text in ["0%", "10%", "0.1%", "0.0001%", "99.99%", "100%"] {
            assert_eq!(
                text.parse::<Share>().map(|share| share.to_string()),
                Ok(text.to_owned())
            );
        }
    }
}
