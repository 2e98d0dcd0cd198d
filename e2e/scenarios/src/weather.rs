//! A way to the API server on which things go wrong, and an operator that takes it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderName, Request, Response, StatusCode, header},
};
use futures::stream;
use kube::Client;
use serde_json::json;
use tokio::{
    net::TcpListener,
    process::{Child, Command},
};

use crate::{Scenario, chance::Chance};

/// More than any object of a scenario has.
const MAX_BODY: usize = 4 << 20;
/// Headers that say something about what is asked for.
const FORWARDED: [HeaderName; 2] = [header::ACCEPT, header::CONTENT_TYPE];

/// What becomes of requests. Those about the Lease always come through: the election has scenarios
/// of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Weather {
    /// They come through.
    Clear,
    /// One of four has one of the [faults](Fault), each as often as the others, in an order by chance. The first of all
    /// has none: an operator that cannot look at the cluster when it starts ends by design.
    Storm,
    /// All are refused for now, to be asked again after this time in whole seconds.
    Throttled(Duration),
}

/// What can become of a request in a storm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// 429 with `Retry-After`, as API Priority and Fairness does.
    Throttled,
    /// 500, and nothing was done.
    Broken,
    /// 503, and nothing was done.
    Unavailable,
    /// It is done, and the answer is lost on the way.
    AnswerLost,
}

/// Of this many requests in a storm each fault happens to one.
const ROUND: usize = 16;
const FAULTS: [Fault; 4] = [
    Fault::Throttled,
    Fault::Broken,
    Fault::Unavailable,
    Fault::AnswerLost,
];

/// The way.
#[derive(Clone)]
pub struct Way {
    url: String,
    state: Arc<Mutex<State>>,
}

struct State {
    weather: Weather,
    chance: Chance,
    /// What is still to become of requests in this round of a storm.
    round: Vec<Option<Fault>>,
    faults: BTreeMap<Fault, usize>,
    refused: Vec<Instant>,
}

impl Way {
    /// Opens the way on loopback, in clear weather.
    ///
    /// # Errors
    /// If there is no port.
    pub async fn open(client: Client, chance: Chance) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let way = Self {
            url: format!("http://{}", listener.local_addr()?),
            state: Arc::new(Mutex::new(State {
                weather: Weather::Clear,
                chance,
                round: vec![None],
                faults: BTreeMap::new(),
                refused: Vec::new(),
            })),
        };
        let taken = way.clone();
        let answer = move |request| {
            let (way, client) = (taken.clone(), client.clone());
            async move { way.answer(&client, request).await }
        };
        let router = Router::new().fallback(answer);
        tokio::spawn(axum::serve(listener, router).into_future());
        Ok(way)
    }

    /// Changes the weather.
    pub fn becomes(&self, weather: Weather) {
        self.lock().weather = weather;
    }

    /// How often each fault happened.
    pub fn faults(&self) -> BTreeMap<Fault, usize> {
        self.lock().faults.clone()
    }

    /// When requests were refused for now while all are.
    pub fn refused(&self) -> Vec<Instant> {
        self.lock().refused.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What happens to the next request.
    fn next(&self) -> (Option<Fault>, Duration) {
        let state = &mut *self.lock();
        match state.weather {
            Weather::Clear => (None, Duration::ZERO),
            Weather::Storm => {
                if state.round.is_empty() {
                    let mut round = vec![None; ROUND - FAULTS.len()];
                    round.extend(FAULTS.map(Some));
                    state.round = state.chance.shuffled(round);
                }
                let fault = state.round.pop().flatten();
                if let Some(fault) = fault {
                    *state.faults.entry(fault).or_default() += 1;
                }
                (fault, Duration::from_secs(1))
            }
            Weather::Throttled(wait) => {
                state.refused.push(Instant::now());
                (Some(Fault::Throttled), wait)
            }
        }
    }

    async fn answer(&self, client: &Client, request: Request<Body>) -> Response<Body> {
        let is_election = request.uri().path().contains("/leases");
        let (fault, wait) = if is_election {
            (None, Duration::ZERO)
        } else {
            self.next()
        };
        match fault {
            None => forwarded(client, request).await,
            Some(Fault::Throttled) => {
                let mut answer = Response::new(Body::from("Too many requests"));
                *answer.status_mut() = StatusCode::TOO_MANY_REQUESTS;
                answer
                    .headers_mut()
                    .insert(header::RETRY_AFTER, wait.as_secs().into());
                answer
            }
            Some(Fault::Broken) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "broken"),
            Some(Fault::Unavailable) => refusal(StatusCode::SERVICE_UNAVAILABLE, "not available"),
            Some(Fault::AnswerLost) => {
                let mut answer = forwarded(client, request).await;
                let lost = stream::once(async { Err::<Vec<u8>, _>(std::io::Error::other("lost")) });
                *answer.body_mut() = Body::from_stream(lost);
                answer
            }
        }
    }
}

async fn forwarded(client: &Client, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return refusal(StatusCode::BAD_REQUEST, "cannot be read");
    };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut onward = http::Request::builder().method(parts.method).uri(path);
    for name in FORWARDED {
        if let Some(value) = parts.headers.get(&name) {
            onward = onward.header(name, value);
        }
    }
    let answer = match onward.body(kube::client::Body::from(body)) {
        Ok(onward) => client.send(onward).await,
        Err(error) => Err(kube::Error::HttpError(error)),
    };
    match answer {
        Ok(answer) => answer.map(Body::new),
        Err(error) => refusal(StatusCode::BAD_GATEWAY, &error.to_string()),
    }
}

/// As the API server words it.
fn refusal(code: StatusCode, message: &str) -> Response<Body> {
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure",
        "reason": "InternalError", "message": message, "code": code.as_u16(),
    });
    let mut answer = Response::new(Body::from(status.to_string()));
    *answer.status_mut() = code;
    answer
}

/// An operator beside the cluster, for the scenario's namespace alone. It ends with this value.
pub struct Operator {
    process: Child,
    log: PathBuf,
}

impl Operator {
    /// Starts the program beside the tests, which `make e2e` builds first.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(s: &Scenario, way: &Way, folder: &Path) -> Result<Self> {
        let tests = std::env::current_exe()?;
        let target = tests.ancestors().nth(2).context("a target folder")?;
        let program = target.join("userservice-operator");
        ensure!(
            program.exists(),
            "cargo build -p userservice-operator comes first"
        );
        let image = std::env::var("SERVICE_IMAGE").context("SERVICE_IMAGE")?;
        let (repository, tag) = image.rsplit_once(':').context("a tag")?;
        std::fs::create_dir_all(folder)?;
        let config = folder.join(format!("{}.kubeconfig", s.namespace));
        let named = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "way",
            "clusters": [{"name": "way", "cluster": {"server": way.url}}],
            "users": [{"name": "way", "user": {}}],
            "contexts": [{"name": "way", "context": {
                "cluster": "way", "user": "way", "namespace": s.namespace,
            }}],
        });
        std::fs::write(&config, named.to_string())?;
        let log = folder.join(format!("{}.operator.log", s.namespace));
        let process = Command::new(program)
            .args(["run", "--watch-namespace", &s.namespace])
            .args(["--admin-address", "127.0.0.1:0"])
            .args(["--service-repository", repository])
            .args(["--service-version", tag])
            .env("KUBECONFIG", config)
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(&log)?)
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self { process, log })
    }

    /// That it is the process that was started.
    ///
    /// # Errors
    /// If it has ended, with where its log is.
    pub fn is_running(&mut self) -> Result<()> {
        let ended = self.process.try_wait()?;
        ensure!(
            ended.is_none(),
            "the operator ended: {ended:?}; see {}",
            self.log.display()
        );
        Ok(())
    }
}
