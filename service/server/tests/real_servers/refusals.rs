//! Commands without what they work on. They need no server, and are here for what they share with the others.

use user_settings::exit_code;

use super::run;

#[tokio::test]
async fn a_command_without_its_settings_says_which_one_it_needs() {
    let kafka = [
        ("USERSVC_EVENTS", "kafka"),
        ("USERSVC_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9"),
    ];
    for (arguments, vars, needs) in [
        (&["migrate"][..], &[][..], "USERSVC_STORAGE=mongodb"),
        (&["dlq", "list"], &[], "USERSVC_STORAGE=mongodb"),
        (&["schema", "check"], &[], "USERSVC_EVENTS=kafka"),
        (
            &["schema", "register"],
            &kafka,
            "USERSVC_SCHEMA_REGISTRY_URL",
        ),
    ] {
        let needs = format!("{} needs {needs}", arguments[0]);
        run(arguments, vars)
            .await
            .refused(exit_code::CONFIG, &needs);
    }
}

#[tokio::test]
async fn a_connection_string_that_is_missing_or_none_is_told_without_what_it_holds() {
    let file = std::env::temp_dir().join(format!("uri-{}", std::process::id()));
    std::fs::write(&file, "postgres://users:hunter2@host").unwrap();
    for path in ["/nowhere/uri", file.to_str().unwrap()] {
        let vars = [
            ("USERSVC_STORAGE", "mongodb"),
            ("USERSVC_MONGODB_URI_FILE", path),
        ];
        let done = run(&["migrate", "status"], &vars).await;
        assert_eq!(done.exit_code, exit_code::CONFIG, "{}", done.stderr);
        assert!(!done.stderr.contains("hunter2"), "{}", done.stderr);
    }
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn a_command_that_there_is_not_is_a_wrong_use() {
    for arguments in [&["migrat"][..], &["dlq"], &["schema", "delete"]] {
        let done = run(arguments, &[]).await;
        assert_eq!(done.exit_code, exit_code::USAGE, "{arguments:?}");
    }
}
