//! Counts requests to the API server.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures::future::{BoxFuture, FutureExt};
use http::{Request, Response};
use tower::{Layer, Service};

use super::Metrics;

/// A layer of a client that counts its requests.
#[derive(Clone)]
pub(crate) struct Calls(pub(crate) Arc<Metrics>);

impl<S> Layer<S> for Calls {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted {
            inner,
            metrics: Arc::clone(&self.0),
        }
    }
}

/// A service whose requests are counted.
#[derive(Clone)]
pub(crate) struct Counted<S> {
    inner: S,
    metrics: Arc<Metrics>,
}

impl<S, B, R> Service<Request<B>> for Counted<S>
where
    S: Service<Request<B>, Response = Response<R>, Future: Send + 'static>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // As kube names it for its spans; there are as many as its methods.
        let verb = request.extensions().get::<&'static str>().copied();
        let lists = matches!(verb, Some("list" | "watch"));
        let tells_resources = lists && request.uri().path().ends_with("/userservices");
        let metrics = Arc::clone(&self.metrics);
        let answer = self.inner.call(request);
        async move {
            let answer = answer.await;
            let code = answer.as_ref().ok().map(Response::status);
            metrics.called(verb.unwrap_or("other"), code);
            if tells_resources && code.is_some_and(|code| code.is_success()) {
                metrics.heard_of_resources();
            }
            answer
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::{
        Api,
        api::{ListParams, PostParams},
        client::ClientBuilder,
    };
    use operator_api::UserService;
    use serde_json::json;

    use super::*;
    use crate::testing::{failure, listening};

    #[tokio::test]
    async fn requests_are_counted_by_verb_and_code_whoever_answers_them() {
        let (mut config, _log) = listening(|asked| match asked.method {
            http::Method::POST => failure(409, "AlreadyExists"),
            _ => (200, json!({"metadata": {}})),
        })
        .await;
        let metrics = Arc::new(Metrics::new());
        let maps = |config| -> Api<ConfigMap> {
            let client = ClientBuilder::try_from(config).unwrap();
            let client = client.with_layer(&Calls(Arc::clone(&metrics))).build();
            Api::default_namespaced(client)
        };
        let live = maps(config.clone());
        live.get("users").await.unwrap();
        live.get("users").await.unwrap();
        let map = ConfigMap::default();
        live.create(&PostParams::default(), &map).await.unwrap_err();
        // Nobody listens there.
        config.cluster_url = "http://127.0.0.1:1".parse().unwrap();
        maps(config).get("users").await.unwrap_err();
        let told = metrics.encode().unwrap();
        for line in [
            r#"api_calls_total{verb="get",code="200"} 2"#,
            r#"api_calls_total{verb="create",code="409"} 1"#,
            r#"api_calls_total{verb="get",code="none"} 1"#,
        ] {
            assert!(told.contains(line), "{line} in {told}");
        }
    }

    #[tokio::test]
    async fn an_answered_list_of_resources_makes_the_cache_new() {
        let metrics = Arc::new(Metrics::new());
        let (config, _log) = listening(|asked| match asked.path.as_str() {
            "/apis/usersvc.dev/v1alpha1/userservices?" => failure(403, "Forbidden"),
            _ => (200, json!({"metadata": {}, "items": []})),
        })
        .await;
        let client = ClientBuilder::try_from(config).unwrap();
        let client = client.with_layer(&Calls(Arc::clone(&metrics))).build();
        let heard = || *metrics.heard.lock().unwrap();
        let list = ListParams::default();

        let first = heard();
        let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "team-a");
        maps.list(&list).await.unwrap();
        assert_eq!(heard(), first, "of something else");
        let everywhere: Api<UserService> = Api::all(client.clone());
        everywhere.list(&list).await.unwrap_err();
        assert_eq!(heard(), first, "a refusal");
        let resources: Api<UserService> = Api::namespaced(client, "team-a");
        resources.list(&list).await.unwrap();
        assert!(heard() > first);
    }
}
