//! One pass of the operator over the largest example, beside reading and writing its children as JSON, which every
//! client of the API server does.

use std::hint::black_box;
use std::time::Instant;

use anyhow::Result;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use operator_api::UserService;
use operator_core::{Child, ChildKind, Release, World, plan};
use serde_json::{Value, json};

use crate::figures::Latencies;

const EXAMPLE: &str = include_str!("../../examples/userservice-full.yaml");
const RUNS: usize = 5000;
const WARM_UP: usize = 200;
/// Passes until everything is applied and reported.
const PASSES: usize = 8;

pub(crate) fn run() -> Result<()> {
    println!("\nOne pass over examples/userservice-full.yaml");
    let mut resource: UserService = serde_yaml::from_str(EXAMPLE)?;
    resource.metadata.namespace = Some("team-a".to_owned());
    resource.metadata.uid = Some("uid-of-users".to_owned());
    resource.metadata.generation = Some(1);
    let release = Release {
        repository: "registry.example/user-service".to_owned(),
        version: "1.2.3".to_owned(),
        ..Release::default()
    };
    let now = Time(Timestamp::UNIX_EPOCH);

    let nothing = World::default();
    let children = plan(&nothing, &resource, &release, &now)?.writes;
    let objects: Vec<&Value> = children.iter().map(|child| &child.object).collect();
    let new = resource.clone();
    let world = at_rest(&mut resource, &release, &now)?;

    let turns = [
        ("a new resource", &new, &nothing),
        ("at rest", &resource, &world),
    ];
    let mut json = Latencies::new()?;
    let mut passes = [Latencies::new()?, Latencies::new()?];
    for turn in 0..WARM_UP + RUNS {
        let is_measured = turn >= WARM_UP;
        for ((_, resource, world), latencies) in turns.iter().zip(&mut passes) {
            let start = Instant::now();
            black_box(plan(world, black_box(resource), &release, &now)?);
            if is_measured {
                latencies.add(start.elapsed());
            }
        }
        let start = Instant::now();
        let text = serde_json::to_vec(black_box(&objects))?;
        black_box(serde_json::from_slice::<Vec<Value>>(&text)?);
        if is_measured {
            json.add(start.elapsed());
        }
    }
    println!(
        "  JSON of its {} children  {}",
        objects.len(),
        micros(&json)
    );
    for ((name, ..), latencies) in turns.iter().zip(&passes) {
        println!(
            "  plan, {name:15}  {}  ratio {:.2} (goal: p99 at most 200 µs)",
            micros(latencies),
            latencies.quantile(0.5).as_secs_f64() / json.quantile(0.5).as_secs_f64()
        );
    }
    Ok(())
}

/// The world after everything was applied, rolled out and reported; the status goes into the resource.
fn at_rest(resource: &mut UserService, release: &Release, now: &Time) -> Result<World> {
    let mut world = World::default();
    for _ in 0..PASSES {
        let plan = plan(&world, resource, release, now)?;
        if plan.writes.is_empty() && plan.hand_over.is_none() && plan.status.is_none() {
            return Ok(world);
        }
        for child in plan.writes {
            let (key, object) = applied(child);
            world.live.insert(key, object);
        }
        if plan.status.is_some() {
            resource.status = plan.status;
        }
    }
    anyhow::bail!("the example does not come to rest")
}

/// As the API server stores it, and as the other controllers report it.
fn applied(child: Child) -> ((ChildKind, String), Value) {
    let mut object = child.object;
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("uid".to_owned(), json!(format!("uid-of-{}", child.name)));
        metadata.insert("generation".to_owned(), json!(1));
    }
    if child.kind == ChildKind::Deployment
        && let Some(fields) = object.as_object_mut()
    {
        let replicas = 3;
        let status = json!({
            "observedGeneration": 1, "replicas": replicas, "updatedReplicas": replicas, "availableReplicas": replicas,
        });
        fields.insert("status".to_owned(), status);
    }
    ((child.kind, child.name), object)
}

fn micros(latencies: &Latencies) -> String {
    let at = |quantile| latencies.quantile(quantile).as_secs_f64() * 1e6;
    format!("p50 {:6.1} µs   p99 {:6.1} µs", at(0.5), at(0.99))
}
