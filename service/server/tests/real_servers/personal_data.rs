//! That nothing tells whom calls are about, where the database and its driver have a say too.

use super::{Database, personal};

#[tokio::test]
#[ignore = "needs the servers of make integration"]
async fn with_users_in_a_database_no_line_metric_span_or_error_holds_a_name_or_an_address_either() {
    let database = Database::new();
    database.run(&["migrate"]).await.lines();
    let collector = personal::is_told_nowhere(&database.vars()).await;
    let spans = collector.spans();
    for name in ["insert users", "update users", "find users"] {
        assert!(spans.iter().any(|span| span.name == name), "{name}");
    }
    database.remove().await;
}
