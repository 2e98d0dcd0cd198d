//! The contract as the two sides see it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use proptest::prelude::*;
use user_settings::{
    Events, LogLevel, OtlpMetrics, ReadPreference, Reflection, SchemaIdLocation, SecurityProtocol,
    Server, SettingError, Settings, Share, Storage, Telemetry, Tls, TlsMode, bounds, reference,
};

fn vars(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn problems(pairs: &[(&str, &str)]) -> Vec<SettingError> {
    Settings::from_vars(vars(pairs)).expect_err("must be refused")
}

fn any_time(range: bounds::Bounds<Duration>) -> impl Strategy<Value = Duration> {
    (range.min.as_nanos()..=range.max.as_nanos())
        .prop_map(|nanos| Duration::from_nanos(u64::try_from(nanos).expect("bounds fit")))
}

/// Storage and events with what belongs to them; the rest keeps its defaults.
fn any_infrastructure() -> impl Strategy<Value = Settings> {
    let mongodb = (
        "[a-z_-]{1,38}",
        bounds::MONGODB_MAX_POOL_SIZE.range(),
        any_time(bounds::OUTBOX_RETENTION),
    );
    let kafka = (
        "[a-z]{1,9}:9092(,[a-z]{1,9}:9093)?",
        "[a-z.-]{0,20}",
        any_time(bounds::KAFKA_DELIVERY_TIMEOUT),
    );
    (prop::option::of(mongodb), prop::option::of(kafka)).prop_map(|(mongodb, kafka)| {
        let mut settings = Settings::default();
        if let Some((database, max_pool_size, retention)) = mongodb {
            settings.storage = Storage::Mongodb;
            settings.mongodb.database = database;
            settings.mongodb.max_pool_size = max_pool_size;
            settings.mongodb.read_preference = ReadPreference::SecondaryPreferred;
            settings.outbox.retention = retention;
        }
        if let Some((servers, prefix, delivery_timeout)) = kafka {
            settings.events = Events::Kafka;
            settings.kafka.bootstrap_servers = servers;
            settings.kafka.topic_prefix = prefix;
            settings.kafka.delivery_timeout = delivery_timeout;
            settings.kafka.security_protocol = SecurityProtocol::SaslSsl;
            settings.kafka.schema_id = SchemaIdLocation::Header;
        }
        settings
    })
}

fn any_tls() -> impl Strategy<Value = Tls> {
    let server = any_time(bounds::TLS_HANDSHAKE_TIMEOUT).prop_map(|handshake_timeout| Tls {
        mode: TlsMode::Server,
        handshake_timeout,
        ..Tls::default()
    });
    let mutual = "([a-z]{1,9}\\.example,spiffe://[a-z]{1,9}/[a-z]{1,9})?".prop_map(|clients| Tls {
        mode: TlsMode::Mutual,
        client_ca_file: "/client-ca.pem".into(),
        allowed_clients: clients,
        ..Tls::default()
    });
    prop_oneof![Just(Tls::default()), server, mutual]
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let addresses = (
        any::<IpAddr>(),
        1_u16..30_000,
        any::<IpAddr>(),
        30_000_u16..,
    );
    let server = (
        any_time(bounds::REQUEST_TIMEOUT),
        bounds::MAX_CONCURRENT_STREAMS.range(),
        bounds::MAX_CONCURRENT_CALLS.range(),
        any_time(bounds::MAX_CONNECTION_AGE),
        any_time(bounds::DRAIN_DELAY),
        any_time(bounds::DRAIN_TIMEOUT),
        any_time(bounds::PURGE_DELAY),
        prop::sample::select(vec![Reflection::Enabled, Reflection::Disabled]),
    );
    let level = prop::sample::select(vec![
        LogLevel::Error,
        LogLevel::Warn,
        LogLevel::Info,
        LogLevel::Debug,
        LogLevel::Trace,
    ]);
    let exported = ("[a-z]{1,9}", 1_u16.., 0_u8..=100, "[a-z]{1,9}");
    let telemetry = (level, prop::option::of(exported)).prop_map(|(log_level, exported)| {
        let mut telemetry = Telemetry {
            log_level,
            ..Telemetry::default()
        };
        if let Some((host, port, percent, name)) = exported {
            telemetry.otlp_endpoint = format!("http://{host}:{port}");
            telemetry.sampling = Share::from_percent(percent);
            if percent % 2 == 0 {
                telemetry.otlp_metrics = OtlpMetrics::Enabled;
            }
            telemetry.service_name.clone_from(&name);
            telemetry.service_namespace = name;
        }
        telemetry
    });
    (
        addresses,
        server,
        any_tls(),
        telemetry,
        any_infrastructure(),
    )
        .prop_map(
            |((grpc, grpc_port, admin, admin_port), server, tls, telemetry, infrastructure)| {
                Settings {
                    grpc_address: SocketAddr::new(grpc, grpc_port),
                    admin_address: SocketAddr::new(admin, admin_port),
                    server: Server {
                        request_timeout: server.0,
                        max_concurrent_streams: server.1,
                        max_concurrent_calls: server.2,
                        max_connection_age: server.3,
                        reflection: server.7,
                        drain_delay: server.4,
                        drain_timeout: server.5,
                    },
                    tls,
                    purge_delay: server.6,
                    telemetry,
                    ..infrastructure
                }
            },
        )
}

proptest! {
    #[test]
    fn what_is_rendered_is_read_back(settings in any_settings()) {
        prop_assert_eq!(Settings::from_vars(settings.to_vars()), Ok(settings));
    }

    #[test]
    fn no_word_that_is_rendered_is_a_boolean_to_an_older_reader_of_yaml(settings in any_settings()) {
        let booleans = ["y", "yes", "on", "true", "n", "no", "off", "false"];
        let rendered = settings.to_vars();
        for row in reference().iter().filter(|row| row.accepted.contains(" | ")) {
            let word = rendered.get(row.name).map_or("", String::as_str);
            prop_assert!(!booleans.contains(&word), "{}={}", row.name, word);
        }
    }

    #[test]
    fn no_value_whatever_makes_reading_panic(values in prop::collection::vec(any::<String>(), reference().len())) {
        let pairs = reference().into_iter().map(|row| row.name.to_owned()).zip(values);
        let _ = Settings::from_vars(pairs);
    }
}

#[test]
fn nothing_set_means_the_defaults() {
    assert_eq!(Settings::from_vars([]), Ok(Settings::default()));
}

#[test]
fn the_reference_lists_what_the_defaults_render_to() {
    let rendered = Settings::default().to_vars();
    let rows = reference();
    let documented: Vec<_> = rows.iter().map(|row| row.name).collect();
    assert!(
        rendered
            .keys()
            .all(|name| documented.contains(&name.as_str()))
    );
    for row in rows {
        if let Some(value) = rendered.get(row.name) {
            assert_eq!(*value, row.default);
        }
        assert!(
            !row.accepted.is_empty() && row.doc.ends_with('.'),
            "{row:?}"
        );
    }
}

#[test]
fn settings_of_what_is_not_chosen_are_not_rendered() {
    let names = |settings: &Settings| settings.to_vars().into_keys().collect::<Vec<_>>();
    let unchosen = |name: &String| {
        ["MONGODB_", "KAFKA_", "TLS", "OTLP", "TRACE", "SERVICE_NAME"]
            .iter()
            .any(|part| name.contains(part))
    };
    assert!(!names(&Settings::default()).iter().any(unchosen));
    let settings = Settings {
        storage: Storage::Mongodb,
        ..Settings::default()
    };
    assert!(names(&settings).contains(&"USERSVC_MONGODB_DATABASE".to_owned()));
    assert!(!names(&settings).iter().any(|name| name.contains("KAFKA_")));
}

#[test]
fn kafka_without_brokers_is_refused_and_the_missing_variable_named() {
    let problems = problems(&[("USERSVC_EVENTS", "kafka")]);
    assert_eq!(
        problems[0].to_string(),
        "USERSVC_KAFKA_BOOTSTRAP_SERVERS is missing: USERSVC_EVENTS=kafka needs it"
    );
}

#[test]
fn credentials_where_none_belong_are_refused_and_not_repeated() {
    for (name, value) in [
        (
            "USERSVC_SCHEMA_REGISTRY_URL",
            "https://key:hunter2@registry",
        ),
        ("USERSVC_MONGODB_URI_FILE", "mongodb://ada:hunter2@db"),
        ("USERSVC_KAFKA_BOOTSTRAP_SERVERS", "ada:hunter2@kafka:9092"),
    ] {
        let problems = problems(&[(name, value)]);
        assert!(problems[0].to_string().contains(name), "{problems:?}");
        assert!(!format!("{problems:?}").contains("hunter2"), "{problems:?}");
    }
}

#[test]
fn clients_are_given_by_names_that_a_certificate_can_hold() {
    let mutual = |clients: &str| {
        Settings::from_vars(vars(&[
            ("USERSVC_TLS", "mutual"),
            ("USERSVC_TLS_ALLOWED_CLIENTS", clients),
        ]))
    };
    let accepted = mutual("web.example,spiffe://cluster.local/ns/web/sa/web").unwrap();
    assert_eq!(
        accepted.tls.clients().collect::<Vec<_>>(),
        ["web.example", "spiffe://cluster.local/ns/web/sa/web"]
    );
    assert_eq!(mutual("").unwrap().tls.clients().count(), 0);
    let many = vec!["web.example"; 65].join(",");
    for clients in ["web example", "web,,api", ",", "ada@example.com", &many] {
        assert!(mutual(clients).is_err(), "{clients}");
    }
}

#[test]
fn a_list_of_clients_that_keeps_nobody_out_is_refused() {
    let list = ("USERSVC_TLS_ALLOWED_CLIENTS", "web.example");
    for (mode, given) in [
        ("off", &[list][..]),
        ("off", &[("USERSVC_TLS", "off"), list][..]),
        ("server", &[("USERSVC_TLS", "server"), list][..]),
    ] {
        let told: Vec<_> = problems(given).iter().map(ToString::to_string).collect();
        let expected = format!(
            "USERSVC_TLS_ALLOWED_CLIENTS=\"web.example\" clashes with USERSVC_TLS={mode}: give it with USERSVC_TLS=mutual only"
        );
        assert_eq!(told, [expected]);
    }
    let empty = vars(&[("USERSVC_TLS_ALLOWED_CLIENTS", "")]);
    assert_eq!(Settings::from_vars(empty), Ok(Settings::default()));
}

#[test]
fn durations_are_written_as_kubernetes_writes_them() {
    let mut settings = Settings::default();
    settings.server.drain_timeout = Duration::from_secs(90);
    assert_eq!(settings.to_vars()["USERSVC_DRAIN_TIMEOUT"], "1m30s");
}

#[test]
fn bounds_are_inclusive_and_nothing_beyond_them_is_taken() {
    let cases = [
        (
            "USERSVC_REQUEST_TIMEOUT",
            "100ms",
            "60s",
            ["99ms", "60001ms"],
        ),
        (
            "USERSVC_MAX_CONCURRENT_STREAMS",
            "1",
            "65535",
            ["0", "65536"],
        ),
        ("USERSVC_MAX_CONCURRENT_CALLS", "1", "65535", ["0", "65536"]),
        ("USERSVC_MAX_CONNECTION_AGE", "1m", "24h", ["59s", "86401s"]),
        ("USERSVC_TLS_HANDSHAKE_TIMEOUT", "1s", "60s", ["0s", "61s"]),
        ("USERSVC_DRAIN_DELAY", "0s", "60s", ["-1s", "61s"]),
        ("USERSVC_DRAIN_TIMEOUT", "1s", "600s", ["0s", "601s"]),
    ];
    for (name, least, most, refused) in cases {
        for value in [least, most] {
            assert!(
                Settings::from_vars(vars(&[(name, value)])).is_ok(),
                "{name}={value}"
            );
        }
        for value in refused {
            assert!(
                Settings::from_vars(vars(&[(name, value)])).is_err(),
                "{name}={value}"
            );
        }
    }
}

#[test]
fn every_problem_is_told_at_once_with_what_would_be_accepted() {
    let found = problems(&[
        ("USERSVC_REQUEST_TIMEOUT", "soon"),
        ("USERSVC_GRPC_ADDRESS", "localhost"),
        ("USERSVC_LOG_LEVEL", "loud"),
        ("USERSVC_LOG_LEVL", "info"),
    ]);
    let text: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        text,
        [
            "USERSVC_GRPC_ADDRESS=\"localhost\" is not accepted: give IP address and port, such as 0.0.0.0:8080 or [::]:8080",
            "USERSVC_LOG_LEVEL=\"loud\" is not accepted: give error | warn | info | debug | trace",
            "USERSVC_LOG_LEVL is no setting: user-service --help lists them",
            "USERSVC_REQUEST_TIMEOUT=\"soon\" is not accepted: give a duration from 100ms to 1m",
        ]
    );
}

#[test]
fn listeners_on_one_port_clash_unless_the_kernel_chooses() {
    let same = problems(&[("USERSVC_ADMIN_ADDRESS", "127.0.0.1:8080")]);
    assert!(
        matches!(same.as_slice(), [SettingError::Clash { .. }]),
        "{same:?}"
    );
    let chosen = vars(&[
        ("USERSVC_GRPC_ADDRESS", "127.0.0.1:0"),
        ("USERSVC_ADMIN_ADDRESS", "127.0.0.1:0"),
    ]);
    assert!(Settings::from_vars(chosen).is_ok());
}

#[test]
fn variables_of_others_and_kubernetes_service_links_are_left_alone() {
    let injected = vars(&[
        ("PATH", "/bin"),
        ("USER_SERVICE_HOST", "10.0.0.1"),
        ("USERSVC_SERVICE_HOST", "10.0.0.1"),
        ("USERSVC_SERVICE_PORT", "8080"),
        ("USERSVC_SERVICE_PORT_GRPC", "8080"),
        ("USERSVC_PORT", "tcp://10.0.0.1:8080"),
        ("USERSVC_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
        ("USERSVC_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("USERSVC_CANARY_SERVICE_HOST", "10.0.0.2"),
    ]);
    assert_eq!(Settings::from_vars(injected), Ok(Settings::default()));
}
