//! The rules over HTTP: `PUT`, `GET` and `DELETE` of `/faults`.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};

use crate::rules::{Rule, Rules, Seen};

/// Largest list of rules, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// The routes.
pub fn router(rules: Arc<Rules>) -> Router {
    Router::new()
        .route("/faults", get(show).put(replace).delete(clear))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(rules)
}

async fn show(State(rules): State<Arc<Rules>>) -> Json<Vec<Seen>> {
    Json(rules.seen())
}

async fn replace(
    State(rules): State<Arc<Rules>>,
    Json(list): Json<Vec<Rule>>,
) -> Result<StatusCode, (StatusCode, String)> {
    match rules.replace(list) {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err((StatusCode::BAD_REQUEST, error.to_string())),
    }
}

async fn clear(State(rules): State<Arc<Rules>>) -> StatusCode {
    // No rules are never too many.
    let _ = rules.replace(Vec::new());
    StatusCode::NO_CONTENT
}
