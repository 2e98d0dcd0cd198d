//! The logs of all pods of a resource. Pods come and go while they are read, and one that has no log, or none any
//! more, keeps nobody from those of the others.

use std::{
    collections::{HashMap, HashSet},
    io::Write,
    pin::pin,
};

use clap::Args;
use futures::{
    AsyncBufRead, AsyncBufReadExt, FutureExt, Stream, StreamExt, stream, stream::SelectAll,
};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::{ListParams, LogParams},
    runtime::{watcher, watcher::Event},
};
use operator_cluster::{Error as ClusterError, bounded};
use operator_commands::Connection;

use crate::{
    error::Error,
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
    let printer = Printer {
        out: std::io::stdout(),
        unread: 0,
    };
    if wanted.follow {
        pods.follow(wanted.tail, printer).await
    } else {
        pods.tell(wanted.tail, printer).await
    }
}

struct Pods {
    api: Api<Pod>,
    selector: String,
}

impl Pods {
    /// What they have said so far, one after the other.
    async fn tell(&self, tail: u32, mut printer: Printer<impl Write>) -> Result<(), Error> {
        let params = ListParams::default().labels(&self.selector);
        let pods = bounded("list", "Pod", &self.selector, self.api.list(&params)).await?;
        if pods.items.is_empty() {
            eprintln!("no pod is there");
        }
        for pod in &pods.items {
            let spec = pod.spec.iter();
            let containers = spec.flat_map(|spec| {
                spec.init_containers
                    .iter()
                    .flatten()
                    .chain(&spec.containers)
            });
            for container in containers {
                let params = LogParams {
                    container: Some(container.name.clone()),
                    tail_lines: Some(tail.into()),
                    ..LogParams::default()
                };
                let mut lines = pin!(self.lines(pod, params));
                while let Some(line) = lines.next().await {
                    printer.print(line)?;
                }
            }
        }
        printer.end()
    }

    /// What they say, and those that come.
    async fn follow(&self, tail: u32, mut printer: Printer<impl Write>) -> Result<(), Error> {
        let config = watcher::Config::default().labels(&self.selector);
        let mut changes = pin!(watcher(self.api.clone(), config));
        let mut lines = SelectAll::new();
        let mut followed: HashMap<String, HashSet<(String, i32)>> = HashMap::new();
        // Those that come later are shown from their beginning.
        let mut tail = Some(i64::from(tail));
        loop {
            let pod = tokio::select! {
                Some(line) = lines.next() => {
                    printer.print(line)?;
                    continue;
                }
                Some(change) = changes.next() => match change.map_err(Box::new)? {
                    Event::Init => continue,
                    Event::InitDone => {
                        tail = None;
                        continue;
                    }
                    Event::Delete(pod) => {
                        followed.remove(&pod.uid().unwrap_or_default());
                        continue;
                    }
                    Event::InitApply(pod) | Event::Apply(pod) => pod,
                },
                else => return printer.end(),
            };
            let of_pod = followed.entry(pod.uid().unwrap_or_default()).or_default();
            for (container, restarts) in started(&pod) {
                if of_pod.insert((container.clone(), restarts)) {
                    let params = LogParams {
                        container: Some(container),
                        follow: true,
                        tail_lines: tail,
                        ..LogParams::default()
                    };
                    lines.push(self.lines(&pod, params).boxed());
                }
            }
        }
    }

    /// The lines of a container's log, or why there are none.
    fn lines(&self, pod: &Pod, params: LogParams) -> impl Stream<Item = Line> + Send + use<> {
        let (api, pod) = (self.api.clone(), pod.name_any());
        let container = params.container.as_deref().unwrap_or_default();
        let source = format!("pod/{pod}/{container}");
        let log = async move {
            let opened = api.log_stream(&pod, &params);
            match bounded("read the log of", "Pod", &pod, opened).await {
                Ok(log) => split(log).left_stream(),
                Err(error) => stream::iter([Err(Unread::Refused(error))]).right_stream(),
            }
        };
        log.flatten_stream().map(move |text| Line {
            source: source.clone(),
            text,
        })
    }
}

/// Containers of a pod that have begun to say something, and how often each has begun anew.
fn started(pod: &Pod) -> impl Iterator<Item = (String, i32)> {
    let statuses = pod.status.iter().flat_map(|status| {
        let first = status.init_container_statuses.iter().flatten();
        first.chain(status.container_statuses.iter().flatten())
    });
    let begun = statuses.filter(|container| {
        let state = container.state.as_ref();
        state.is_some_and(|state| state.running.is_some() || state.terminated.is_some())
    });
    begun.map(|container| (container.name.clone(), container.restart_count))
}

/// A log line by line, whatever its bytes mean.
fn split(log: impl AsyncBufRead + Send) -> impl Stream<Item = Result<Vec<u8>, Unread>> + Send {
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

struct Line {
    /// The way kubectl names it.
    source: String,
    text: Result<Vec<u8>, Unread>,
}

struct Printer<O> {
    out: O,
    /// Logs that are there and could not be read.
    unread: usize,
}

impl<O: Write> Printer<O> {
    /// # Errors
    /// If the right to read logs is missing: no other log can be read then.
    fn print(&mut self, line: Line) -> Result<(), Error> {
        let source = line.source;
        match line.text {
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
    use http::{Request, Response};
    use kube::{Client, client::Body, core::Status};
    use serde_json::json;

    use super::*;

    fn refusal(code: u16) -> Response<Body> {
        let status = Status::failure("said by the API server", "Reason").with_code(code);
        let body = serde_json::to_vec(&status).unwrap();
        Response::builder()
            .status(code)
            .body(Body::from(body))
            .unwrap()
    }

    /// What is printed of the pods `a`, `b` and `c`, where the log of `b` is answered with this.
    async fn printed(
        b: impl Fn() -> Response<Body> + Clone + Send + 'static,
    ) -> (String, Result<(), Error>) {
        let answer = move |request: Request<Body>| {
            let answer = match request.uri().path() {
                "/api/v1/namespaces/team-a/pods" => {
                    let pods = ["a", "b", "c"].map(|name| {
                        json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "main"}]}})
                    });
                    let list = json!({"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": pods});
                    Response::new(Body::from(serde_json::to_vec(&list).unwrap()))
                }
                "/api/v1/namespaces/team-a/pods/b/log" => b(),
                _ => Response::new(Body::from(b"one\n\n\xff two ".to_vec())),
            };
            async { Ok::<_, std::convert::Infallible>(answer) }
        };
        let client = Client::new(tower::service_fn(answer), "team-a");
        let pods = Pods {
            api: Api::namespaced(client, "team-a"),
            selector: "a=b".to_owned(),
        };
        let mut out = Vec::new();
        let printer = Printer {
            out: &mut out,
            unread: 0,
        };
        let ended = pods.tell(100, printer).await;
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
