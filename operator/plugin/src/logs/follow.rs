//! Logs that go on: of pods that come too, and over connections that break.

use std::{
    collections::{HashMap, HashSet},
    io::Write,
    pin::pin,
    time::Duration,
};

use futures::StreamExt;
use k8s_openapi::{
    api::core::v1::{ContainerStatus, Pod},
    jiff::{SignedDuration, Timestamp},
};
use kube::{
    Api, ResourceExt,
    api::LogParams,
    runtime::{watcher, watcher::Event},
};
use operator_cluster::bounded;
use tokio::{sync::mpsc, task::JoinSet, time::sleep};

use super::{Line, Pods, Printer, read, source};
use crate::{
    error::Error,
    pods::{is_running, statuses},
    watch::changes,
};

/// Lines that wait to be printed; whoever reads a log waits beyond that.
const WAITING: usize = 64;
/// Pause before a log that broke off is opened again: twice as long each time that nothing came of it.
const AGAIN: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(30);

/// Prints what the pods say and go on to say, and those that come, until a right is missing.
pub(super) async fn follow(
    pods: &Pods,
    tail: i64,
    mut printer: Printer<impl Write>,
) -> Result<(), Error> {
    let config = watcher::Config::default().labels(&pods.selector);
    let mut changes = changes(pods.api.clone(), config);
    let (sender, mut lines) = mpsc::channel::<(String, Line)>(WAITING);
    let mut followers = JoinSet::new();
    // By the pod's identifier: each container, and how often it had begun anew.
    let mut seen: HashMap<String, HashSet<(String, i32)>> = HashMap::new();
    // Those that come later are shown from their beginning.
    let mut tail = Some(tail);
    loop {
        let change = tokio::select! {
            Some((source, line)) = lines.recv() => {
                printer.print(&source, line)?;
                continue;
            }
            Some(_) = followers.join_next() => continue,
            Some(change) = changes.next() => change?,
            else => return printer.end(),
        };
        let pod = match change {
            Event::Init => continue,
            Event::InitDone => {
                tail = None;
                continue;
            }
            Event::Delete(pod) => {
                seen.remove(&pod.uid().unwrap_or_default());
                continue;
            }
            Event::InitApply(pod) | Event::Apply(pod) => pod,
        };
        let of_pod = seen.entry(pod.uid().unwrap_or_default()).or_default();
        for run in begun(&pod) {
            if of_pod.insert((run.name.clone(), run.restart_count)) {
                let follower = Follower {
                    api: pods.api.clone(),
                    pod: pod.name_any(),
                    uid: pod.uid(),
                    container: run.name.clone(),
                    restarts: run.restart_count,
                };
                followers.spawn(follower.run(tail, sender.clone()));
            }
        }
    }
}

/// Containers of a pod that have said something, be it in a run that has ended.
fn begun(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    statuses(pod).filter(|container| {
        let states = [&container.state, &container.last_state];
        let mut ended = states.into_iter().flatten();
        is_running(container) || ended.any(|state| state.terminated.is_some())
    })
}

/// Follows one run of a container until it has ended.
struct Follower {
    api: Api<Pod>,
    pod: String,
    uid: Option<String>,
    container: String,
    restarts: i32,
}

impl Follower {
    async fn run(self, tail: Option<i64>, lines: mpsc::Sender<(String, Line)>) {
        let source = source(&self.pod, &self.container);
        let mut last: Option<Timestamp> = None;
        let mut pause = AGAIN;
        let mut has_ended = false;
        loop {
            let mut is_whole = true;
            let shown = last;
            let params = LogParams {
                container: Some(self.container.clone()),
                follow: true,
                timestamps: true,
                // The client rounds it to seconds; what was shown already is left out below.
                since_time: shown
                    .and_then(|shown| shown.checked_sub(SignedDuration::from_secs(1)).ok()),
                tail_lines: tail.filter(|_| shown.is_none()),
                ..LogParams::default()
            };
            {
                let mut log = pin!(read(&self.api, &self.pod, &params));
                while let Some(line) = log.next().await {
                    let line = line.map(stamped);
                    if let Ok((Some(time), _)) = line {
                        if shown.is_some_and(|shown| time <= shown) {
                            continue;
                        }
                        last = Some(time);
                        pause = AGAIN;
                    }
                    is_whole &= line.is_ok();
                    let text = line.map(|(_, text)| text);
                    if lines.send((source.clone(), text)).await.is_err() {
                        return;
                    }
                }
            }
            if has_ended && is_whole {
                return;
            }
            sleep(pause).await;
            pause = LONGEST.min(pause * 2);
            match self.run_of_log().await {
                Run::GoesOn => {}
                // What it said at the end may not have come.
                Run::Ended => has_ended = true,
                Run::Gone => return,
            }
        }
    }

    /// What became of this run. The API server ends a log without a word where it loses the kubelet; while it cannot be
    /// asked itself, nothing has ended.
    async fn run_of_log(&self) -> Run {
        let asked = self.api.get_opt(&self.pod);
        let Ok(pod) = bounded("get", "Pod", &self.pod, asked).await else {
            return Run::GoesOn;
        };
        let pod = pod.filter(|pod| pod.metadata.uid == self.uid);
        let mut runs = pod.iter().flat_map(begun);
        let run = runs.find(|run| run.name == self.container && run.restart_count == self.restarts);
        match run {
            None => Run::Gone,
            Some(run) if is_running(run) => Run::GoesOn,
            Some(_) => Run::Ended,
        }
    }
}

/// How a run of a container stands.
enum Run {
    GoesOn,
    /// Its log is there still.
    Ended,
    /// Another one has taken its place, or the pod is gone.
    Gone,
}

/// A line without the time that the kubelet put before it. What the kubelet says itself has none.
fn stamped(mut line: Vec<u8>) -> (Option<Timestamp>, Vec<u8>) {
    let end = line.iter().position(|byte| *byte == b' ');
    let time = end.and_then(|end| str::from_utf8(line.get(..end)?).ok()?.parse().ok());
    if let (Some(end), true) = (end, time.is_some()) {
        line.drain(..=end);
    }
    (time, line)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    };

    use http::Response;
    use kube::client::Body;
    use serde_json::{Value, json};
    use tokio::time::timeout;

    use super::*;
    use crate::testing::{answer, client, refusal};

    fn pod(state: &Value, last: &Value, restarts: i32) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "a", "uid": "uid-of-a", "resourceVersion": "1"},
            "status": {"containerStatuses": [{
                "name": "main", "image": "", "imageID": "", "ready": false, "restartCount": restarts,
                "state": state, "lastState": last,
            }]},
        })
    }

    fn names(pod: Value) -> Vec<String> {
        let pod: Pod = serde_json::from_value(pod).unwrap();
        begun(&pod).map(|run| run.name.clone()).collect()
    }

    #[test]
    fn what_crashes_is_followed_while_it_waits_to_begin_anew() {
        let waits = json!({"waiting": {"reason": "CrashLoopBackOff"}});
        let ended = json!({"terminated": {"exitCode": 1}});
        assert_eq!(names(pod(&waits, &ended, 1)), ["main"]);
        assert_eq!(names(pod(&waits, &json!({}), 0)), [""; 0]);
    }

    #[test]
    fn a_line_is_told_from_its_time() {
        let (time, text) = stamped(b"2026-01-02T03:04:05.000000006Z a line\n".to_vec());
        assert_eq!(
            time,
            Some("2026-01-02T03:04:05.000000006Z".parse().unwrap())
        );
        assert_eq!(text, b"a line\n");
        let (time, text) = stamped(b"unable to retrieve".to_vec());
        assert_eq!((time, text), (None, b"unable to retrieve".to_vec()));
    }

    /// A log that cannot be had and breaks off twice, the second time before the end of what it says, beside a watch that
    /// breaks as well.
    #[tokio::test(start_paused = true)]
    async fn a_log_goes_on_where_it_broke_off_and_up_to_its_end() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let lists = AtomicUsize::new(0);
        let runs = pod(&json!({"running": {}}), &json!({}), 0);
        let ended = pod(&json!({"terminated": {"exitCode": 1}}), &json!({}), 0);
        let client = client(move |request| {
            let query = request.uri().query().unwrap_or_default().to_owned();
            let mut seen = seen.lock().unwrap();
            match request.uri().path() {
                "/api/v1/namespaces/team-a/pods" if query.contains("watch=true") => {
                    // At last, so that it ends.
                    refusal(if seen.len() < 4 { 500 } else { 403 })
                }
                "/api/v1/namespaces/team-a/pods" if lists.fetch_add(1, Ordering::SeqCst) == 0 => {
                    refusal(503)
                }
                "/api/v1/namespaces/team-a/pods" => answer(&json!({
                    "apiVersion": "v1", "kind": "PodList", "metadata": {"resourceVersion": "1"},
                    "items": [runs],
                })),
                "/api/v1/namespaces/team-a/pods/a" => {
                    answer(if seen.len() < 3 { &runs } else { &ended })
                }
                _ => {
                    seen.push(query);
                    let text = match seen.len() {
                        1 => return refusal(500),
                        2 => "2026-01-02T03:04:05.1Z one\n2026-01-02T03:04:05.4Z two\n",
                        3 => "2026-01-02T03:04:05.4Z two\n2026-01-02T03:04:05.45Z three\n",
                        _ => "2026-01-02T03:04:05.45Z three\n2026-01-02T03:04:06Z last\n",
                    };
                    Response::new(Body::from(text.as_bytes().to_vec()))
                }
            }
        });
        let pods = Pods {
            api: Api::namespaced(client, "team-a"),
            selector: "a=b".to_owned(),
        };
        let mut out = Vec::new();
        let printer = Printer::new(&mut out);
        let following = follow(&pods, 7, printer);
        let ended = timeout(Duration::from_secs(600), following).await.unwrap();
        assert!(ended.is_err(), "the missing right ends it");
        let lines = ["one", "two", "three", "last"].map(|line| format!("[pod/a/main] {line}\n"));
        assert_eq!(String::from_utf8_lossy(&out), lines.concat());
        let asked = asked.lock().unwrap();
        assert_eq!(
            asked.len(),
            4,
            "what has ended is not read again: {asked:?}"
        );
        assert!(asked[1].contains("tailLines=7"), "{asked:?}");
        assert!(
            asked[2].contains("sinceTime=2026-01-02T03%3A04%3A04Z")
                && !asked[2].contains("tailLines"),
            "{asked:?}"
        );
    }
}
