//! What is registered, as OTLP says it: cumulative, and by the names of OpenTelemetry's semantic conventions where there
//! are some.

use std::time::SystemTime;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, Sum, exemplar,
};
use opentelemetry_semantic_conventions::attribute::{
    DB_CLIENT_CONNECTION_POOL_NAME, DB_CLIENT_CONNECTION_STATE, ERROR_TYPE, RPC_METHOD,
    RPC_RESPONSE_STATUS_CODE, RPC_SYSTEM_NAME,
};
use opentelemetry_semantic_conventions::metric::{
    DB_CLIENT_CONNECTION_COUNT, DB_CLIENT_CONNECTION_PENDING_REQUESTS,
    DB_CLIENT_CONNECTION_TIMEOUTS, DB_CLIENT_CONNECTION_WAIT_TIME, RPC_SERVER_CALL_DURATION,
};
use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model as registered;
use user_adapter_grpc::is_fault_of_server;
use user_settings::metric;

const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

/// A family of metrics that the conventions know.
struct Convention {
    family: &'static str,
    name: &'static str,
    unit: &'static str,
    /// Whether its values are of an `UpDownCounter`, which Prometheus does not know and shows as a gauge.
    is_up_down_counter: bool,
    /// What the conventions ask for and labels do not say.
    attributes: &'static [(&'static str, &'static str)],
}

/// There is one pool of connections, so its name says nothing more than what it leads to.
const POOL: &[(&str, &str)] = &[(DB_CLIENT_CONNECTION_POOL_NAME, "mongodb")];

const CONVENTIONS: [Convention; 5] = [
    Convention {
        family: metric::RPC_SERVER_CALL_DURATION,
        name: RPC_SERVER_CALL_DURATION,
        unit: "s",
        is_up_down_counter: false,
        attributes: &[(RPC_SYSTEM_NAME, "grpc")],
    },
    Convention {
        family: metric::DB_CONNECTION_COUNT,
        name: DB_CLIENT_CONNECTION_COUNT,
        unit: "{connection}",
        is_up_down_counter: true,
        attributes: POOL,
    },
    Convention {
        family: metric::DB_CONNECTION_PENDING_REQUESTS,
        name: DB_CLIENT_CONNECTION_PENDING_REQUESTS,
        unit: "{request}",
        is_up_down_counter: true,
        attributes: POOL,
    },
    Convention {
        family: metric::DB_CONNECTION_TIMEOUTS,
        name: DB_CLIENT_CONNECTION_TIMEOUTS,
        unit: "{timeout}",
        is_up_down_counter: false,
        attributes: POOL,
    },
    Convention {
        family: metric::DB_CONNECTION_WAIT_TIME,
        name: DB_CLIENT_CONNECTION_WAIT_TIME,
        unit: "s",
        is_up_down_counter: false,
        attributes: POOL,
    },
];

/// Labels, and what the conventions call them.
const ATTRIBUTES: [(&str, &str); 3] = [
    (metric::DB_CONNECTION_STATE, DB_CLIENT_CONNECTION_STATE),
    (metric::RPC_METHOD, RPC_METHOD),
    (metric::RPC_RESPONSE_STATUS_CODE, RPC_RESPONSE_STATUS_CODE),
];

/// What values are about: from the start of the process to now, in nanoseconds of Unix time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Period {
    start: u64,
    end: u64,
}

impl Period {
    pub(super) fn until_now(started: SystemTime) -> Self {
        Self {
            start: nanos(started),
            end: nanos(SystemTime::now()),
        }
    }

    fn number(self, value: f64, attributes: Vec<KeyValue>) -> NumberDataPoint {
        NumberDataPoint {
            attributes,
            start_time_unix_nano: self.start,
            time_unix_nano: self.end,
            value: Some(Number::AsDouble(value)),
            ..NumberDataPoint::default()
        }
    }

    fn histogram(
        self,
        histogram: &registered::Histogram,
        attributes: Vec<KeyValue>,
    ) -> HistogramDataPoint {
        let mut before = 0;
        let counts = histogram.bucket.iter().map(|bucket| {
            let up_to_here = std::mem::replace(&mut before, bucket.cumulative_count);
            bucket.cumulative_count.saturating_sub(up_to_here)
        });
        let bounds = histogram.bucket.iter().map(|bucket| bucket.upper_bound);
        HistogramDataPoint {
            attributes,
            start_time_unix_nano: self.start,
            time_unix_nano: self.end,
            count: histogram.sample_count,
            sum: Some(histogram.sample_sum),
            bucket_counts: counts.collect(),
            // The last bucket has no bound, which OTLP leaves out.
            explicit_bounds: bounds.filter(|bound| bound.is_finite()).collect(),
            exemplars: histogram
                .bucket
                .iter()
                .filter_map(|bucket| example(bucket.exemplar.as_ref()?))
                .collect(),
            ..HistogramDataPoint::default()
        }
    }
}

/// Every family that has a value.
pub(super) fn metrics(families: Vec<registered::MetricFamily>, period: Period) -> Vec<Metric> {
    let families = families.into_iter();
    families
        .filter_map(|family| converted(family, period))
        .collect()
}

/// How many values a metric has.
pub(super) fn points(metric: &Metric) -> usize {
    match &metric.data {
        Some(Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(Data::Sum(sum)) => sum.data_points.len(),
        Some(Data::Histogram(histogram)) => histogram.data_points.len(),
        _ => 0,
    }
}

fn converted(family: registered::MetricFamily, period: Period) -> Option<Metric> {
    let convention = CONVENTIONS.iter().find(|known| known.family == family.name);
    let asked = convention.map_or(&[][..], |known| known.attributes);
    let (mut gauges, mut counters, mut histograms) = (Vec::new(), Vec::new(), Vec::new());
    for metric in family.metric {
        let error = error_type(&metric.label);
        let labels = metric.label.into_iter();
        let labels = labels.map(|label| attribute(&label.name, label.value));
        let asked = asked.iter().map(|(key, value)| attribute(key, *value));
        let attributes: Vec<_> = labels.chain(asked).chain(error).collect();
        if let Some(gauge) = metric.gauge {
            gauges.push(period.number(gauge.value, attributes));
        } else if let Some(counter) = metric.counter {
            counters.push(period.number(counter.value, attributes));
        } else if let Some(histogram) = metric.histogram {
            histograms.push(period.histogram(&histogram, attributes));
        }
    }
    let is_up_down_counter = convention.is_some_and(|known| known.is_up_down_counter);
    let data = if !gauges.is_empty() && is_up_down_counter {
        Data::Sum(Sum {
            data_points: gauges,
            aggregation_temporality: CUMULATIVE,
            is_monotonic: false,
        })
    } else if !gauges.is_empty() {
        Data::Gauge(Gauge {
            data_points: gauges,
        })
    } else if !counters.is_empty() {
        Data::Sum(Sum {
            data_points: counters,
            aggregation_temporality: CUMULATIVE,
            is_monotonic: true,
        })
    } else if !histograms.is_empty() {
        Data::Histogram(Histogram {
            data_points: histograms,
            aggregation_temporality: CUMULATIVE,
        })
    } else {
        return None;
    };
    Some(Metric {
        name: convention.map_or_else(
            || plain_name(&family.name, &family.unit).to_owned(),
            |known| known.name.to_owned(),
        ),
        description: family.help,
        unit: match (convention, &*family.unit) {
            (Some(known), _) => known.unit.to_owned(),
            (None, "seconds") => "s".to_owned(),
            (None, _) => family.unit,
        },
        data: Some(data),
        ..Metric::default()
    })
}

/// What the conventions ask for beside the status of a call that failed by the server, and of no other.
fn error_type(labels: &[registered::LabelPair]) -> Option<KeyValue> {
    let mut labels = labels.iter();
    let status = labels.find(|label| label.name == metric::RPC_RESPONSE_STATUS_CODE)?;
    is_fault_of_server(&status.value).then(|| attribute(ERROR_TYPE, status.value.as_str()))
}

/// A name without kind and unit, which OTLP says beside it.
fn plain_name<'a>(name: &'a str, unit: &str) -> &'a str {
    let name = name.strip_suffix("_total").unwrap_or(name);
    let without_unit = name.strip_suffix(unit);
    without_unit
        .and_then(|name| name.strip_suffix('_'))
        .unwrap_or(name)
}

/// The call that stands for those that took as long.
fn example(exemplar: &registered::Exemplar) -> Option<Exemplar> {
    let id = |name| {
        let label = exemplar.label.iter().find(|label| label.name == name)?;
        bytes(&label.value)
    };
    let seen = SystemTime::try_from(exemplar.timestamp?).ok()?;
    Some(Exemplar {
        time_unix_nano: nanos(seen),
        trace_id: id("trace_id")?,
        span_id: id("span_id")?,
        value: Some(exemplar::Value::AsDouble(exemplar.value)),
        ..Exemplar::default()
    })
}

/// The bytes that hexadecimal digits stand for.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

fn attribute(label: &str, value: impl Into<String>) -> KeyValue {
    let known = ATTRIBUTES.iter().find(|(known, _)| *known == label);
    KeyValue {
        key: known.map_or(label, |(_, name)| name).to_owned(),
        value: Some(AnyValue {
            value: Some(Any::StringValue(value.into())),
        }),
        ..KeyValue::default()
    }
}

fn nanos(time: SystemTime) -> u64 {
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since_epoch.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::prometheus_protobuf::encode;

    use super::*;
    use crate::metrics::Metrics;

    const GAUGE: &str = "Gauge";
    const COUNTER: &str = "Counter";
    const UP_DOWN_COUNTER: &str = "UpDownCounter";
    const HISTOGRAM: &str = "Histogram";

    fn kind(metric: &Metric) -> &'static str {
        match metric.data.as_ref().unwrap() {
            Data::Gauge(_) => GAUGE,
            Data::Sum(sum) => {
                assert_eq!(sum.aggregation_temporality, CUMULATIVE);
                if sum.is_monotonic {
                    COUNTER
                } else {
                    UP_DOWN_COUNTER
                }
            }
            Data::Histogram(_) => HISTOGRAM,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn metrics_of_connections_have_the_kind_and_unit_of_the_conventions_and_others_their_own()
    {
        let (_metrics, registry) = Metrics::register(SystemTime::now()).unwrap();
        let period = Period::until_now(SystemTime::now());
        let sent = metrics(encode(&registry).unwrap(), period);
        for (name, expected) in [
            (
                "db.client.connection.count",
                (UP_DOWN_COUNTER, "{connection}"),
            ),
            (
                "db.client.connection.pending_requests",
                (UP_DOWN_COUNTER, "{request}"),
            ),
            ("db.client.connection.timeouts", (COUNTER, "{timeout}")),
            ("db.client.connection.wait_time", (HISTOGRAM, "s")),
            ("outbox_pending", (GAUGE, "")),
            ("process_start_time", (GAUGE, "s")),
            ("tokio_busy", (COUNTER, "s")),
        ] {
            let metric = sent.iter().find(|metric| metric.name == name);
            let metric = metric.unwrap_or_else(|| panic!("{name} is not sent"));
            assert_eq!((kind(metric), &*metric.unit), expected, "{name}");
        }
    }
}
