//! What the operator may do, as the API server sees it.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::{
    apps::v1::Deployment,
    authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
    core::v1::{Namespace, Secret},
    rbac::v1::{ClusterRole, PolicyRule, Role},
};
use kube::{
    Api, Client, Config,
    api::{DeleteParams, ListParams, PostParams},
    discovery::Discovery,
};
use operator_api::UserService;
use scenarios::{
    Scenario,
    cluster::{OPERATOR, OPERATOR_NAMESPACE},
    release::install,
};
use serde_json::json;

use crate::scenario;

/// Every verb that RBAC knows.
const VERBS: [&str; 11] = [
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
];

/// Group, resource and verb.
type Right = (String, String, String);

#[tokio::test]
async fn the_operators_service_account_can_do_nothing_beyond_its_rules() {
    scenario("rights", async |s| {
        let roles: Api<ClusterRole> = Api::all(s.client());
        let granted = granted(roles.get(OPERATOR).await?.rules)?;
        let allowed = allowed(s, None).await?;
        same(&allowed, &granted)?;
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

#[tokio::test]
async fn an_operator_of_one_namespace_works_there_and_can_do_nothing_elsewhere() {
    scenario("tenancy", async |s| {
        let elsewhere = format!("{}-elsewhere", s.namespace);
        let namespaces: Api<Namespace> = Api::all(s.client());
        let namespace = serde_json::from_value(json!({"metadata": {"name": elsewhere}}))?;
        namespaces
            .create(&PostParams::default(), &namespace)
            .await?;
        let outcome = async {
            install(OPERATOR, Some(("watchNamespaces", json!([s.namespace])))).await?;
            stays_within(s, &elsewhere).await
        };
        let outcome = outcome.await;
        install(OPERATOR, None).await?;
        namespaces
            .delete(&elsewhere, &DeleteParams::default())
            .await?;
        outcome
    })
    .await;
}

async fn stays_within(s: &Scenario, elsewhere: &str) -> Result<()> {
    let other: UserService = serde_json::from_value(json!({
        "metadata": {"name": "users", "namespace": elsewhere}, "spec": {},
    }))?;
    let others: Api<UserService> = Api::namespaced(s.client(), elsewhere);
    others.create(&PostParams::default(), &other).await?;
    s.ready_with(json!({"replicas": 1})).await?;
    s.ready_with(json!({"replicas": 2})).await?;
    let left_alone = others.get("users").await?;
    ensure!(left_alone.status.is_none(), "{:?}", left_alone.status);
    let deployments: Api<Deployment> = Api::namespaced(s.client(), elsewhere);
    ensure!(deployments.get_opt("users").await?.is_none());

    let roles: Api<Role> = Api::namespaced(s.client(), &s.namespace);
    let granted = granted(roles.get(OPERATOR).await?.rules)?;
    same(&allowed(s, Some(&s.namespace)).await?, &granted)?;
    let everywhere = allowed(s, None).await?;
    ensure!(everywhere.is_empty(), "in all namespaces: {everywhere:?}");
    let beyond = allowed(s, Some(elsewhere)).await?;
    ensure!(beyond.is_empty(), "elsewhere: {beyond:?}");

    let operator = impersonating(OPERATOR).await?;
    let here: Api<Secret> = Api::namespaced(operator.clone(), &s.namespace);
    here.list(&ListParams::default())
        .await
        .context("the judge can impersonate")?;
    for refused in [
        Api::<Secret>::namespaced(operator.clone(), elsewhere),
        Api::all(operator),
    ] {
        match refused.list(&ListParams::default()).await {
            Err(kube::Error::Api(status)) if status.is_forbidden() => {}
            other => bail!("Secrets elsewhere: {other:?}"),
        }
    }
    Ok(())
}

/// A client that is a ServiceAccount of the operator's namespace to the API server.
async fn impersonating(account: &str) -> Result<Client> {
    let mut config = Config::infer().await?;
    config.auth_info.impersonate = Some(user(account));
    Ok(Client::try_from(config)?)
}

fn user(account: &str) -> String {
    format!("system:serviceaccount:{OPERATOR_NAMESPACE}:{account}")
}

fn same(allowed: &BTreeSet<Right>, granted: &BTreeSet<Right>) -> Result<()> {
    let beyond: Vec<_> = allowed.difference(granted).collect();
    ensure!(
        beyond.is_empty(),
        "allowed beyond the chart's rules: {beyond:?}"
    );
    let missing: Vec<_> = granted.difference(allowed).collect();
    ensure!(
        missing.is_empty(),
        "granted by the rules but not in force: {missing:?}"
    );
    Ok(())
}

/// The rules of a role, one right each.
fn granted(rules: Option<Vec<PolicyRule>>) -> Result<BTreeSet<Right>> {
    let mut rights = BTreeSet::new();
    for rule in rules.unwrap_or_default() {
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

/// What the operator may do in a namespace, or in all of them. Some rights come with being
/// authenticated: those that any account without a role has are none of its own.
async fn allowed(s: &Scenario, namespace: Option<&str>) -> Result<BTreeSet<Right>> {
    let mut allowed = BTreeSet::new();
    let mut asked = 0;
    for (group, resource) in all_resources(s).await? {
        for verb in VERBS {
            asked += 1;
            let right = (group.clone(), resource.clone(), verb.to_owned());
            if is_allowed(s, OPERATOR, namespace, &right).await?
                && !is_allowed(s, "nobody", namespace, &right).await?
            {
                allowed.insert(right);
            }
        }
    }
    let place = namespace.unwrap_or("all namespaces");
    println!(
        "{place}: {asked} rights asked for, {} granted",
        allowed.len()
    );
    Ok(allowed)
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
    // What discovery does not list: asked for by an admission plugin alone, or of an operator that is not there.
    for (group, resource) in [
        ("usersvc.dev", "userservices/finalizers"),
        ("cert-manager.io", "certificates"),
    ] {
        resources.insert((group.to_owned(), resource.to_owned()));
    }
    Ok(resources)
}

async fn is_allowed(
    s: &Scenario,
    account: &str,
    namespace: Option<&str>,
    (group, resource, verb): &Right,
) -> Result<bool> {
    let (resource, subresource) = match resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
        None => (resource.as_str(), None),
    };
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(user(account)),
            groups: Some(vec![
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{OPERATOR_NAMESPACE}"),
                "system:authenticated".to_owned(),
            ]),
            resource_attributes: Some(ResourceAttributes {
                namespace: namespace.map(ToOwned::to_owned),
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
