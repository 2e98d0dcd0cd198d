//! The logs of all pods of a resource. Pods come and go while they are read, and one that has no log, or none any
//! more, keeps nobody from those of the others.

mod follow;

use std::{io::Write, pin::pin};

use clap::Args;
use futures::{AsyncBufRead, AsyncBufReadExt, FutureExt, Stream, StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::{ListParams, LogParams},
};
use operator_cluster::{Error as ClusterError, bounded};
use operator_commands::Connection;

use crate::{
    error::Error,
    pods::containers,
    work::{get, selector},
};

/// What is wanted of the logs.
#[derive(Args)]
pub(crate) struct LogsArgs {
    /// Go on with what comes, of pods that come too, until interrupted.
    #[arg(short, long)]
    follow: bool,
    /// Those of the preparation instead.
    #[arg(long)]
    prepare: bool,
    /// Last lines of each container.
    #[arg(long, default_value_t = 100)]
    tail: u32,
}

/// Prints the logs, each line with its pod and container.
pub(crate) async fn show(
    connection: &Connection,
    name: &str,
    wanted: &LogsArgs,
) -> Result<(), Error> {
    get(connection, name).await?;
    let application = if wanted.prepare {
        "user-service-prepare"
    } else {
        "user-service"
    };
    let pods = Pods {
        api: Api::namespaced(connection.client.clone(), &connection.namespace),
        selector: selector(application, name),
    };
    let printer = Printer::new(std::io::stdout());
    let tail = i64::from(wanted.tail);
    if wanted.follow {
        follow::follow(&pods, tail, printer).await
    } else {
        tell(&pods, tail, printer).await
    }
}

struct Pods {
    api: Api<Pod>,
    selector: String,
}

/// Prints what they have said so far, one after the other.
async fn tell(pods: &Pods, tail: i64, mut printer: Printer<impl Write>) -> Result<(), Error> {
    let Pods { api, selector } = pods;
    let params = ListParams::default().labels(selector);
    let listed = bounded("list", "Pod", selector, api.list(&params)).await?;
    if listed.items.is_empty() {
        eprintln!("there is no pod with {selector}");
    }
    for pod in &listed.items {
        let name = pod.name_any();
        for container in containers(pod) {
            let params = LogParams {
                container: Some(container.name.clone()),
                tail_lines: Some(tail),
                ..LogParams::default()
            };
            let source = source(&name, &container.name);
            let mut lines = pin!(read(api, &name, &params));
            while let Some(line) = lines.next().await {
                printer.print(&source, line)?;
            }
        }
    }
    printer.end()
}

/// A pod and container, as kubectl names them.
fn source(pod: &str, container: &str) -> String {
    format!("pod/{pod}/{container}")
}

type Line = Result<Vec<u8>, Unread>;

/// The lines of a container's log, or why there are none.
fn read(api: &Api<Pod>, pod: &str, params: &LogParams) -> impl Stream<Item = Line> + Send {
    let log = async move {
        let opened = api.log_stream(pod, params);
        match bounded("read the log of", "Pod", pod, opened).await {
            Ok(log) => split(log).left_stream(),
            Err(error) => stream::iter([Err(Unread::Refused(error))]).right_stream(),
        }
    };
    log.flatten_stream()
}

/// A log line by line, whatever its bytes mean.
fn split(log: impl AsyncBufRead + Send) -> impl Stream<Item = Line> + Send {
    stream::try_unfold(Box::pin(log), async |mut log| {
        let mut text = Vec::new();
        log.read_until(b'\n', &mut text).await?;
        Ok((!text.is_empty()).then_some((text, log)))
    })
}

/// Why a log, or what is left of it, could not be read.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error(transparent)]
    Refused(ClusterError),
    #[error("broke off: {0}")]
    Broken(#[from] std::io::Error),
}

struct Printer<O> {
    out: O,
    /// Logs that are there and could not be read.
    unread: usize,
}

impl<O: Write> Printer<O> {
    const fn new(out: O) -> Self {
        Self { out, unread: 0 }
    }

    /// # Errors
    /// If the right to read logs is missing: no other log can be read then.
    fn print(&mut self, source: &str, line: Line) -> Result<(), Error> {
        match line {
            Ok(text) => {
                write!(self.out, "[{source}] ")?;
                self.out
                    .write_all(text.strip_suffix(b"\n").unwrap_or(&text))?;
                writeln!(self.out)?;
            }
            Err(Unread::Refused(error)) if matches!(error.code(), Some(401 | 403)) => {
                return Err(error.into());
            }
            Err(why) => {
                eprintln!("[{source}] {why}");
                // A container that waits to start, and a pod that is gone, have no log.
                let is_none = matches!(&why, Unread::Refused(error) if matches!(error.code(), Some(400 | 404)));
                self.unread += usize::from(!is_none);
            }
        }
        Ok(())
    }

    fn end(self) -> Result<(), Error> {
        match self.unread {
            0 => Ok(()),
            unread => Err(Error::LogsUnread(unread)),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Response;
    use kube::client::Body;
    use serde_json::json;

    use super::*;
    use crate::testing::{answer, client, list, refusal};

    /// What is printed of the pods `a`, `b` and `c`, where the log of `b` is answered with this.
    async fn printed(
        b: impl Fn() -> Response<Body> + Send + Sync + 'static,
    ) -> (String, Result<(), Error>) {
        let client = client(move |request| match request.uri().path() {
            "/api/v1/namespaces/team-a/pods" => {
                let pods = ["a", "b", "c"].map(|name| {
                    json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "main"}]}})
                });
                answer(&list(&pods))
            }
            "/api/v1/namespaces/team-a/pods/b/log" => b(),
            _ => Response::new(Body::from(b"one\n\n\xff two ".to_vec())),
        });
        let pods = Pods {
            api: Api::namespaced(client, "team-a"),
            selector: "a=b".to_owned(),
        };
        let mut out = Vec::new();
        let printer = Printer::new(&mut out);
        let ended = tell(&pods, 100, printer).await;
        (String::from_utf8_lossy(&out).into_owned(), ended)
    }

    const OTHERS: &str = "[pod/a/main] one\n[pod/a/main] \n[pod/a/main] \u{fffd} two \n\
                          [pod/c/main] one\n[pod/c/main] \n[pod/c/main] \u{fffd} two \n";

    #[tokio::test]
    async fn a_pod_that_is_gone_or_has_not_started_is_no_failure() {
        for code in [400, 404] {
            let (printed, ended) = printed(move || refusal(code)).await;
            assert_eq!(printed, OTHERS, "{code}");
            ended.unwrap();
        }
    }

    #[tokio::test]
    async fn a_log_that_cannot_be_read_is_told_after_those_of_the_others() {
        let (printed, ended) = printed(|| refusal(500)).await;
        assert_eq!(printed, OTHERS);
        assert!(matches!(ended, Err(Error::LogsUnread(1))), "{ended:?}");
    }

    #[tokio::test]
    async fn who_may_not_read_logs_is_told_once() {
        let (_, ended) = printed(|| refusal(403)).await;
        let why = ended.unwrap_err().to_string();
        assert!(why.contains("a permission is missing"), "{why}");
    }
}
