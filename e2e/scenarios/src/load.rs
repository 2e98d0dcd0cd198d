//! Calls at a constant rate from a pod in the cluster.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, LogParams, PostParams},
};
use serde::Deserialize;
use serde_json::json;

use crate::{
    Scenario,
    wait::{Seen, until},
};

/// Calls begun each second where nothing else is asked for.
pub const RATE: u32 = 60;
/// Connections that the calls go round over: with two pods behind a Service, the chance that all of
/// them go to the same pod is one in thirty thousand.
pub const CONNECTIONS: u32 = 16;
/// Floor of answered calls, over the whole run, as a share of those that are due.
const LEAST: f64 = 5.0 / 6.0;

/// Running load.
pub struct Load {
    pods: Api<Pod>,
    name: String,
    rate: u32,
}

/// What the load has seen so far.
#[derive(Clone, Debug, Deserialize)]
pub struct Report {
    /// Seconds since the first call.
    pub elapsed_s: f64,
    /// Calls answered OK.
    pub ok: u64,
    /// Calls begun and not answered yet.
    pub in_flight: u64,
    /// Failed calls by status code.
    pub failed: BTreeMap<String, u64>,
    /// First few error messages.
    #[serde(default)]
    pub errors: Vec<String>,
    /// Calls that are begun each second.
    #[serde(skip)]
    rate: u32,
}

impl Load {
    /// Starts `rate` calls a second to `target` from a pod on `node` and waits until calls are answered.
    ///
    /// # Errors
    /// If the pod does not start or no call succeeds within a minute.
    pub async fn start(
        scenario: &Scenario,
        rate: u32,
        node: &str,
        target: &str,
        balancing: &str,
    ) -> Result<Self> {
        let pod = Self::pod(scenario, CONNECTIONS, rate, node, target, balancing)?;
        Self::run(scenario, rate, pod).await
    }

    /// The pod of a load over so many connections, to be [run](Self::run).
    ///
    /// # Errors
    /// As [`client_pod`].
    pub fn pod(
        scenario: &Scenario,
        connections: u32,
        rate: u32,
        node: &str,
        target: &str,
        balancing: &str,
    ) -> Result<Pod> {
        let arguments = [
            "load",
            "--target",
            target,
            "--rate",
            &rate.to_string(),
            "--connections",
            &connections.to_string(),
            "--balancing",
            balancing,
        ];
        client_pod(
            "load",
            &scenario.cluster.client_image,
            Some(node),
            &arguments,
        )
    }

    /// Runs the [pod](Self::pod) of a load with this rate and waits until calls are answered.
    ///
    /// # Errors
    /// As [`Load::start`].
    pub async fn run(scenario: &Scenario, rate: u32, pod: Pod) -> Result<Self> {
        let pods: Api<Pod> = Api::namespaced(scenario.client(), &scenario.namespace);
        pods.create(&PostParams::default(), &pod)
            .await
            .context("create the load pod")?;
        let load = Self {
            pods,
            name: pod.name_any(),
            rate,
        };
        until("calls are answered", Duration::from_secs(60), || async {
            Ok(match load.latest().await? {
                Some(report) => Seen::when(report.ok > 0, (), &report),
                None => Seen::NotYet("no report yet".to_owned()),
            })
        })
        .await?;
        Ok(load)
    }

    /// Waits until the load has been running for `seconds` more, so that what a change breaks has
    /// time to show, and answers the report.
    ///
    /// # Errors
    /// If the load stops reporting.
    pub async fn after(&self, seconds: f64) -> Result<Report> {
        let start = self.latest().await?.context("the load reports")?.elapsed_s;
        let bound = Duration::from_secs(60) + Duration::from_secs_f64(seconds);
        until("the load goes on", bound, || async {
            let report = self.latest().await?.context("the load reports")?;
            Ok(Seen::when(
                report.elapsed_s >= start + seconds,
                report.clone(),
                &report,
            ))
        })
        .await
    }

    /// Ends the load and waits until its pod is gone.
    ///
    /// # Errors
    /// If its pod cannot be deleted.
    pub async fn stop(self) -> Result<()> {
        self.pods
            .delete(&self.name, &DeleteParams::default())
            .await?;
        until("the load is gone", Duration::from_secs(60), || async {
            let left = self.pods.get_metadata_opt(&self.name).await?;
            Ok(Seen::when(left.is_none(), (), "its pod is there"))
        })
        .await
    }

    async fn latest(&self) -> Result<Option<Report>> {
        let Some(line) = last_line(&self.pods, &self.name).await? else {
            return Ok(None);
        };
        let report: Report =
            serde_json::from_str(&line).with_context(|| format!("load report {line}"))?;
        let rate = self.rate;
        Ok(Some(Report { rate, ..report }))
    }
}

impl Report {
    /// Calls that were answered each second since an earlier report.
    ///
    /// # Errors
    /// If it is not earlier.
    pub fn rate_since(&self, earlier: &Self) -> Result<u32> {
        let calls = u128::from(self.ok.saturating_sub(earlier.ok));
        let time = Duration::try_from_secs_f64(self.elapsed_s - earlier.elapsed_s)?.as_millis();
        let rate = (calls * 1000).checked_div(time).context("no time passed")?;
        Ok(u32::try_from(rate)?)
    }

    /// Checks that every call succeeded, at the rate that a scenario promises.
    ///
    /// # Errors
    /// Names the failures.
    pub fn assert_no_call_failed(&self) -> Result<()> {
        ensure!(
            self.failed.is_empty(),
            "calls failed: {:?} {:?}; {} were answered",
            self.failed,
            self.errors,
            self.ok
        );
        #[allow(
            clippy::cast_precision_loss,
            reason = "a count of calls in one scenario"
        )]
        let rate = self.ok as f64 / self.elapsed_s;
        ensure!(
            self.in_flight < u64::from(self.rate),
            "{} calls hang",
            self.in_flight
        );
        let least = LEAST * f64::from(self.rate);
        ensure!(
            rate >= least,
            "only {rate:.1} calls/s were answered; the load must reach {least}"
        );
        println!(
            "{} calls in {:.0} s ({rate:.1}/s), none failed",
            self.ok, self.elapsed_s
        );
        Ok(())
    }
}

/// The last line of a pod's log, if there is one: before it has started, the kubelet has no log to give, or does not even
/// know the pod.
///
/// # Errors
/// If it cannot be read.
pub async fn last_line(pods: &Api<Pod>, name: &str) -> Result<Option<String>> {
    let params = LogParams {
        tail_lines: Some(1),
        ..LogParams::default()
    };
    match pods.logs(name, &params).await {
        Ok(text) => Ok(text.lines().last().map(ToOwned::to_owned)),
        Err(kube::Error::Api(status)) if [400, 404].contains(&status.code) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A pod that runs the client once, under Pod Security `restricted`.
///
/// # Errors
/// Never in practice; the manifest is fixed.
pub fn client_pod(name: &str, image: &str, node: Option<&str>, arguments: &[&str]) -> Result<Pod> {
    Ok(serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": 10,
            "affinity": node.map(|node| json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [
                    {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]},
                ]}],
            }}})),
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{
                "name": "client",
                "image": image,
                "args": arguments,
                "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}},
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": true,
                },
            }],
        },
    }))?)
}
