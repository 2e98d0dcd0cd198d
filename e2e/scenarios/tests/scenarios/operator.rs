//! The operator as a citizen of the cluster.

use std::{
    cell::Cell,
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::{
    authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
    core::v1::Pod,
    rbac::v1::ClusterRole,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, PostParams},
    discovery::Discovery,
};
use scenarios::{
    Scenario,
    audit::{Audit, Entry},
    cluster::{OPERATOR, OPERATOR_NAMESPACE, metric},
    wait::{Seen, until},
};

use crate::{lifecycle::example, scenario};

/// The operator's admin port, from its chart.
const ADMIN_PORT: u16 = 8081;
/// How long nothing may be written.
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
        let audit = Audit::from_now(log)?;
        tokio::time::sleep(IDLE).await;
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

#[tokio::test]
async fn the_operators_service_account_can_do_nothing_beyond_its_rules() {
    scenario("rights", async |s| {
        let granted = granted(s).await?;
        let mut allowed = BTreeSet::new();
        let mut asked = 0;
        for (group, resource) in all_resources(s).await? {
            for verb in [
                "get",
                "list",
                "watch",
                "create",
                "update",
                "patch",
                "delete",
                "deletecollection",
                "impersonate",
                "bind",
                "escalate",
            ] {
                asked += 1;
                let right = (group.clone(), resource.clone(), verb.to_owned());
                // Some rights come with being authenticated; any account without a role has them too.
                if is_allowed(s, OPERATOR, &right).await?
                    && !is_allowed(s, "nobody", &right).await?
                {
                    allowed.insert(right);
                }
            }
        }
        println!("{asked} rights asked for, {} granted", allowed.len());
        let beyond: Vec<_> = allowed.difference(&granted).collect();
        ensure!(
            beyond.is_empty(),
            "allowed beyond the chart's rules: {beyond:?}"
        );
        let missing: Vec<_> = granted.difference(&allowed).collect();
        ensure!(
            missing.is_empty(),
            "granted by the rules but not in force: {missing:?}"
        );
        let secrets: Vec<&str> = granted
            .iter()
            .filter(|(_, resource, _)| resource == "secrets")
            .map(|(_, _, verb)| verb.as_str())
            .collect();
        ensure!(secrets == ["get", "list", "watch"], "secrets: {secrets:?}");
        ensure!(
            !granted.iter().any(|(_, resource, _)| resource == "*"),
            "{granted:?}"
        );
        Ok(())
    })
    .await;
}

type Right = (String, String, String);

/// The rules of the chart's ClusterRole, one right each.
async fn granted(s: &Scenario) -> Result<BTreeSet<Right>> {
    let roles: Api<ClusterRole> = Api::all(s.client());
    let mut rights = BTreeSet::new();
    for rule in roles.get(OPERATOR).await?.rules.unwrap_or_default() {
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                rights.extend(
                    rule.verbs
                        .iter()
                        .map(|verb| (group.clone(), resource.clone(), verb.clone())),
                );
            }
        }
    }
    ensure!(!rights.is_empty(), "the role has rules");
    Ok(rights)
}

/// Every resource and subresource that the API server knows, and the wildcard.
async fn all_resources(s: &Scenario) -> Result<BTreeSet<(String, String)>> {
    let mut resources = BTreeSet::from([("*".to_owned(), "*".to_owned())]);
    for group in Discovery::new(s.client()).run().await?.groups() {
        for (resource, capabilities) in group.recommended_resources() {
            for (subresource, _) in &capabilities.subresources {
                let name = format!("{}/{}", resource.plural, subresource.plural);
                resources.insert((resource.group.clone(), name));
            }
            resources.insert((resource.group, resource.plural));
        }
    }
    // Asked for by an admission plugin alone; discovery does not list it.
    resources.insert((
        "usersvc.dev".to_owned(),
        "userservices/finalizers".to_owned(),
    ));
    Ok(resources)
}

/// Whether a ServiceAccount of the operator's namespace has the right in every namespace.
async fn is_allowed(s: &Scenario, account: &str, (group, resource, verb): &Right) -> Result<bool> {
    let (resource, subresource) = match resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
        None => (resource.as_str(), None),
    };
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(format!(
                "system:serviceaccount:{OPERATOR_NAMESPACE}:{account}"
            )),
            groups: Some(vec![
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{OPERATOR_NAMESPACE}"),
                "system:authenticated".to_owned(),
            ]),
            resource_attributes: Some(ResourceAttributes {
                group: Some(group.clone()),
                resource: Some(resource.to_owned()),
                subresource,
                verb: Some(verb.clone()),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let reviews: Api<SubjectAccessReview> = Api::all(s.client());
    let answer = reviews.create(&PostParams::default(), &review).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}
