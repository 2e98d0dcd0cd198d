//! The operator as a citizen of the cluster.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt, api::DeleteParams};
use scenarios::{
    Scenario,
    audit::{Audit, Entry},
    cluster::{OPERATOR_NAMESPACE, metric},
    wait::{Seen, until},
};

use crate::{examples::example, scenario};

/// The operator's admin port, from its chart.
const ADMIN_PORT: u16 = 8081;
/// How long nothing may be written, unless `IDLE_SECONDS` says otherwise.
const IDLE: Duration = Duration::from_secs(90);
/// An operator that has looked at nothing for this long has nothing left to look at.
const REST: Duration = Duration::from_secs(3);

async fn passes(s: &Scenario, pod: &str) -> Result<f64> {
    let text = s
        .cluster
        .pod_get(OPERATOR_NAMESPACE, pod, ADMIN_PORT, "/metrics")
        .await?;
    Ok(metric(&text, "userservice_operator_reconciles_total", "Ok"))
}

fn summaries(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(Entry::summary).collect()
}

/// Waits until the operator in this pod has looked at every resource and rests.
pub(crate) async fn rests(s: &Scenario, pod: &str) -> Result<()> {
    let last = Cell::new((0.0, Instant::now()));
    until("the operator rests", Duration::from_secs(60), || async {
        let passes = passes(s, pod).await?;
        if passes > last.get().0 {
            last.set((passes, Instant::now()));
        }
        let rests = passes > 0.0 && last.get().1.elapsed() > REST;
        Ok(Seen::when(rests, (), passes))
    })
    .await
}

#[tokio::test]
async fn at_rest_the_operator_writes_nothing_but_its_lease_for_ninety_seconds() {
    scenario("idle", async |s| {
        s.ready_with(example("userservice-full.yaml")?).await?;
        let leader = s.cluster.leader().await?.context("the operator runs")?;
        rests(s, &leader).await?;
        let Some(log) = &s.cluster.audit_log else {
            bail!("no audit log: this scenario needs the bed's own cluster (BED_AUDIT_LOG)");
        };
        let idle = match std::env::var("IDLE_SECONDS") {
            Ok(seconds) => Duration::from_secs(seconds.parse().context("IDLE_SECONDS")?),
            Err(_) => IDLE,
        };
        let audit = Audit::from_now(log)?;
        tokio::time::sleep(idle).await;
        let (leases, others): (Vec<_>, Vec<_>) = audit
            .operator_writes()?
            .into_iter()
            .partition(Entry::is_election);
        ensure!(
            others.is_empty(),
            "written at rest: {:?}",
            summaries(&others)
        );
        ensure!(
            leases.iter().any(|entry| entry.is_by(&leader)),
            "the judge sees the leader renew its lease"
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn restarting_the_operator_writes_nothing_and_restarts_nothing() {
    scenario("restart", async |s| {
        s.ready_with(example("userservice-full.yaml")?).await?;
        let pods_before = s.pod_uids().await?;
        let Some(log) = &s.cluster.audit_log else {
            bail!("no audit log: this scenario needs the bed's own cluster (BED_AUDIT_LOG)");
        };
        let written = Audit::whole(log).operator_writes_in(&s.namespace)?;
        ensure!(
            written.len() >= 7,
            "the judge sees the operator's writes: {:?}",
            summaries(&written)
        );

        let old = s.cluster.leader().await?.context("the operator runs")?;
        let audit = Audit::from_now(log)?;
        let operators: Api<Pod> = Api::namespaced(s.client(), OPERATOR_NAMESPACE);
        operators.delete(&old, &DeleteParams::default()).await?;
        let new = until(
            "another operator leads",
            Duration::from_secs(90),
            || async {
                let pod = s.cluster.leader().await?.filter(|name| *name != old);
                Ok(pod.map_or_else(|| Seen::NotYet("none".to_owned()), Seen::Yes))
            },
        )
        .await?;
        rests(s, &new).await?;

        let writes = audit.operator_writes_in(&s.namespace)?;
        ensure!(
            writes.is_empty(),
            "written at rest: {:?}",
            summaries(&writes)
        );
        let pods_after = s.pods().await?;
        ensure!(
            pods_before == pods_after.iter().filter_map(ResourceExt::uid).collect(),
            "pods were replaced"
        );
        let restarts: i32 = pods_after
            .iter()
            .flat_map(|pod| {
                pod.status
                    .iter()
                    .flat_map(|status| status.container_statuses.iter().flatten())
            })
            .map(|container| container.restart_count)
            .sum();
        ensure!(restarts == 0, "containers were restarted");
        Ok(())
    })
    .await;
}
