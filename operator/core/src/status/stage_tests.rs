use k8s_openapi::jiff::Timestamp;
use operator_api::{UserServiceSpec, UserServiceStatus};

use super::*;

/// What `kstatus` tells of a resource.
#[derive(Debug, PartialEq)]
enum Kstatus {
    Current,
    InProgress,
    Failed,
    Terminating,
}

/// The rules of `kubernetes-sigs/cli-utils`, `pkg/kstatus/status`, for kinds that it does not know.
fn kstatus(resource: &UserService) -> Kstatus {
    if resource.metadata.deletion_timestamp.is_some() {
        return Kstatus::Terminating;
    }
    let status = resource.status.clone().unwrap_or_default();
    if status
        .observed_generation
        .is_some_and(|observed| Some(observed) != resource.metadata.generation)
    {
        return Kstatus::InProgress;
    }
    for condition in &status.conditions {
        match (condition.type_.as_str(), condition.status.as_str()) {
            ("Reconciling", "True") => return Kstatus::InProgress,
            ("Stalled", "True") => return Kstatus::Failed,
            _ => {}
        }
    }
    let ready = status.conditions.iter().find(|c| c.type_ == "Ready");
    match ready.map(|ready| ready.status.as_str()) {
        Some("False" | "Unknown") => Kstatus::InProgress,
        _ => Kstatus::Current,
    }
}

fn at(second: i64) -> Time {
    Time(Timestamp::from_second(second).unwrap())
}

fn resource(generation: i64) -> UserService {
    let mut resource = UserService::new("users", UserServiceSpec::default());
    resource.metadata.generation = Some(generation);
    resource
}

/// The resource with what is written of `health` at `second`.
fn told(mut resource: UserService, health: Health, second: i64) -> UserService {
    let stage = Stage::new(health, "Reason", format!("at {second}"));
    resource.status = Some(UserServiceStatus {
        observed_generation: resource.metadata.generation,
        conditions: stage.conditions(&resource, &at(second)),
        ..UserServiceStatus::default()
    });
    resource
}

const fn expected(health: Health) -> Kstatus {
    match health {
        Health::Settled => Kstatus::Current,
        Health::Moving | Health::Impaired => Kstatus::InProgress,
        Health::Stuck => Kstatus::Failed,
    }
}

#[test]
fn every_status_is_exactly_one_thing_to_kstatus_whatever_was_told_before() {
    for health in Health::ALL {
        let first = told(resource(1), health, 1);
        assert_eq!(kstatus(&first), expected(health), "{health:?} at first");
        for before in Health::ALL {
            let after = told(told(resource(1), before, 1), health, 2);
            assert_eq!(kstatus(&after), expected(health), "{before:?} {health:?}");

            let mut edited = after.clone();
            edited.metadata.generation = Some(2);
            assert_eq!(kstatus(&edited), Kstatus::InProgress, "not looked at yet");

            let mut deleted = after;
            deleted.metadata.deletion_timestamp = Some(at(3));
            assert_eq!(kstatus(&deleted), Kstatus::Terminating);
        }
    }
}

#[test]
fn every_condition_has_what_the_api_conventions_ask_for() {
    for health in Health::ALL {
        let status = told(resource(7), health, 1).status.unwrap();
        let types: Vec<&str> = status.conditions.iter().map(|c| c.type_.as_str()).collect();
        assert!(types.contains(&"Ready"), "{health:?}");
        assert!(!(types.contains(&"Reconciling") && types.contains(&"Stalled")));
        for condition in &status.conditions {
            assert_eq!(condition.observed_generation, Some(7));
            assert!(!condition.reason.is_empty() && !condition.message.is_empty());
            let is_normal = condition.type_ == "Ready";
            assert!(
                is_normal || condition.status == "True",
                "abnormal only while true"
            );
        }
    }
}

#[test]
fn a_transition_time_moves_exactly_when_the_status_of_its_condition_does() {
    for before in Health::ALL {
        for after in Health::ALL {
            let old = told(resource(1), before, 1);
            let new = told(old.clone(), after, 2).status.unwrap();
            for condition in new.conditions {
                let same = old
                    .status
                    .iter()
                    .flat_map(|status| &status.conditions)
                    .any(|c| c.type_ == condition.type_ && c.status == condition.status);
                let since = if same { at(1) } else { at(2) };
                assert_eq!(
                    condition.last_transition_time, since,
                    "{} from {before:?} to {after:?}",
                    condition.type_
                );
            }
        }
    }
}
