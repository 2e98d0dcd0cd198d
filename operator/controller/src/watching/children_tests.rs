use operator_api::{UserService, UserServiceSpec};
use operator_core::{Release, render};
use serde_json::{Value, json};

use super::*;

const KIND: ChildKind = ChildKind::Deployment;

fn object(name: &str, instance: &str, version: u64) -> DynamicObject {
    serde_json::from_value(json!({
        "metadata": {
            "namespace": "team-a", "name": name, "resourceVersion": version.to_string(),
            "labels": {INSTANCE_LABEL: instance},
            "managedFields": [{"manager": "kubectl"}],
        },
        "spec": {"replicas": version},
    }))
    .unwrap()
}

/// What a watch tells at first.
fn list(children: &Children, objects: &[DynamicObject]) {
    children.note(KIND, Event::Init);
    for object in objects {
        children.note(KIND, Event::InitApply(object.clone()));
    }
    children.note(KIND, Event::InitDone);
}

/// Names and versions of the known children of a resource.
fn known(children: &Children, resource: &str) -> Option<Vec<(String, u64)>> {
    let listed = children.of("team-a", resource).remove(&KIND)??;
    let version = |value: &Value| value["spec"]["replicas"].as_u64().unwrap();
    let mut known: Vec<_> = listed
        .into_iter()
        .map(|((_, name), value)| (name, version(&value)))
        .collect();
    known.sort();
    Some(known)
}

fn named(named: &[(&str, u64)]) -> Vec<(String, u64)> {
    let owned = named
        .iter()
        .map(|(name, version)| ((*name).to_owned(), *version));
    owned.collect()
}

#[test]
fn nothing_is_known_of_a_kind_before_its_first_list_has_ended() {
    let children = Children::default();
    children.note(KIND, Event::Init);
    children.note(KIND, Event::InitApply(object("users", "users", 1)));
    assert_eq!(known(&children, "users"), None);
    children.note(KIND, Event::InitDone);
    assert_eq!(known(&children, "users"), Some(named(&[("users", 1)])));
    assert_eq!(known(&children, "others"), Some(named(&[])));
    assert!(!children.of("team-a", "users").contains_key(&ChildKind::Job));
}

#[test]
fn children_are_kept_as_a_read_would_give_them() {
    let children = Children::default();
    list(&children, &[object("users", "users", 1)]);
    let listed = children
        .of("team-a", "users")
        .remove(&KIND)
        .unwrap()
        .unwrap();
    let value = serde_json::to_value(pruned(KIND, object("users", "users", 1))).unwrap();
    assert_eq!(listed, [((KIND, "users".to_owned()), value.clone())]);
    assert_eq!(value["kind"], "Deployment");
    assert_eq!(value.pointer("/metadata/managedFields"), None);
}

#[test]
fn of_settings_no_more_than_a_hash_is_kept() {
    let mut resource = UserService::new("users", UserServiceSpec::default());
    resource.metadata.namespace = Some("team-a".into());
    let made = render(&resource, &Release::default()).unwrap();
    let config = made
        .into_iter()
        .find(|child| child.kind == ChildKind::ConfigMap)
        .unwrap();
    let mut whole: DynamicObject = serde_json::from_value(config.object).unwrap();
    whole.metadata.resource_version = Some("1".into());

    let children = Children::default();
    children.note(config.kind, Event::Init);
    children.note(config.kind, Event::InitApply(whole.clone()));
    children.note(config.kind, Event::InitDone);
    let kept = || children.lock().objects.values().next().unwrap().json.len();
    let settings = serde_json::to_vec(&whole.data["data"]).unwrap().len();
    let all = serde_json::to_vec(&whole).unwrap().len();
    assert!(settings > 300, "{settings}");
    assert!(
        kept() < all - settings + 72,
        "{} of {all}, {settings} of them settings",
        kept()
    );

    whole.data["data"]["USERSVC_LOG_LEVEL"] = json!("trace");
    whole.metadata.resource_version = Some("2".into());
    children.note(config.kind, Event::Apply(whole.clone()));
    let mut listed = children.of("team-a", "users").remove(&config.kind);
    let (_, live) = listed.take().flatten().unwrap().remove(0);
    assert_eq!(live["data"], whole.data["data"], "somebody else's");
}

#[test]
fn what_was_written_is_known_at_once_and_no_earlier_state_takes_its_place() {
    let children = Children::default();
    list(&children, &[]);
    children.wrote(KIND, &object("users", "users", 5));
    assert_eq!(known(&children, "users"), Some(named(&[("users", 5)])));
    children.note(KIND, Event::Apply(object("users", "users", 4)));
    assert_eq!(known(&children, "users"), Some(named(&[("users", 5)])));
    children.note(KIND, Event::Delete(object("users", "users", 4)));
    assert_eq!(known(&children, "users"), Some(named(&[("users", 5)])));
    children.note(KIND, Event::Init);
    children.wrote(KIND, &object("users", "users", 6));
    // The list was made before the write.
    children.note(KIND, Event::InitApply(object("users", "users", 5)));
    children.note(KIND, Event::InitDone);
    assert_eq!(known(&children, "users"), Some(named(&[("users", 6)])));
    children.note(KIND, Event::Apply(object("users", "users", 7)));
    assert_eq!(known(&children, "users"), Some(named(&[("users", 7)])));
    children.note(KIND, Event::Delete(object("users", "users", 8)));
    assert_eq!(known(&children, "users"), Some(named(&[])));
}

#[test]
fn neither_the_echo_of_a_write_nor_what_no_plan_looks_at_is_news() {
    let state = |version: u64, available: u64| {
        let mut object = object("users", "users", version);
        object.data["spec"] = json!({"replicas": 1});
        object.data["status"] = json!({"available": available});
        object
    };
    let is_news = |children: &Children, kind, object| {
        let news = children.note(kind, Event::Apply(object));
        !news.is_empty()
    };
    for (kind, tells) in [
        (ChildKind::Deployment, true),
        (ChildKind::PodDisruptionBudget, false),
        (ChildKind::HorizontalPodAutoscaler, false),
    ] {
        let children = Children::default();
        children.note(kind, Event::Init);
        assert_eq!(children.note(kind, Event::InitApply(state(1, 1))).len(), 1);
        children.note(kind, Event::InitDone);
        children.wrote(kind, &state(2, 1));
        assert!(!is_news(&children, kind, state(2, 1)), "{kind:?}");
        assert_eq!(is_news(&children, kind, state(3, 2)), tells, "{kind:?}");
        let mut theirs = state(4, 2);
        theirs.data["spec"] = json!({"replicas": 9});
        assert!(is_news(&children, kind, theirs), "{kind:?}");
        assert!(is_news(&children, kind, state(5, 2)), "{kind:?}");
        // A watch that begins anew tells all of it again.
        children.note(kind, Event::Init);
        let again = children.note(kind, Event::InitApply(state(5, 2)));
        assert!(again.is_empty(), "{kind:?}");
        children.note(kind, Event::InitDone);
        // And what it missed is news: another spec, then another object of that name.
        let mut other = state(6, 2);
        other.data["spec"] = json!({"replicas": 9});
        let mut remade = other.clone();
        remade.metadata.uid = Some("another".into());
        for missed in [other, remade] {
            children.note(kind, Event::Init);
            let news = children.note(kind, Event::InitApply(missed));
            assert_eq!(news.len(), 1, "{kind:?}");
            children.note(kind, Event::InitDone);
        }
        let gone = children.note(kind, Event::Delete(state(7, 2)));
        assert_eq!(gone.len(), 1, "{kind:?}");
    }
}

#[test]
fn an_answer_that_the_watch_has_overtaken_brings_nothing_back() {
    let children = Children::default();
    list(&children, &[]);
    children.note(KIND, Event::Apply(object("users", "users", 10)));
    children.note(KIND, Event::Delete(object("users", "users", 11)));
    children.wrote(KIND, &object("users", "users", 10));
    assert_eq!(known(&children, "users"), Some(named(&[])));
    list(&children, &[object("users-2", "users", 12)]);
    children.wrote(KIND, &object("users", "users", 10));
    assert_eq!(known(&children, "users"), Some(named(&[("users-2", 12)])));
}

#[test]
fn a_list_is_believed_where_versions_went_back() {
    let children = Children::default();
    list(&children, &[object("users", "users", 9)]);
    list(&children, &[object("users", "users", 2)]);
    assert_eq!(known(&children, "users"), Some(named(&[("users", 2)])));
}

#[test]
fn where_an_object_is_doubted_nothing_is_known_of_its_kind_until_it_is_told_of_anew() {
    let children = Children::default();
    let users = |version: u64| {
        let mut users = object("users", "users", 1);
        users.metadata.resource_version = Some(version.to_string());
        users
    };
    let sibling = object("users-2", "users", 1);
    list(
        &children,
        &[users(1), sibling, object("others", "others", 1)],
    );
    let doubt = || children.doubt(KIND, "team-a", "users");
    doubt();
    assert_eq!(known(&children, "users"), None);
    assert_eq!(known(&children, "others"), Some(named(&[("others", 1)])));
    let echo = children.note(KIND, Event::Apply(users(1)));
    assert!(echo.is_empty(), "{echo:?}");
    assert_eq!(known(&children, "users"), None, "told of before");

    let both = Some(named(&[("users", 1), ("users-2", 1)]));
    let told = children.note(KIND, Event::Apply(users(2)));
    assert_eq!(told.len(), 1, "news, though it is as it was");
    assert_eq!(known(&children, "users"), both);
    doubt();
    children.wrote(KIND, &users(3));
    assert_eq!(known(&children, "users"), both);
    doubt();
    list(&children, &[users(3), object("users-2", "users", 1)]);
    assert_eq!(known(&children, "users"), both);
    doubt();
    children.note(KIND, Event::Delete(users(4)));
    assert_eq!(known(&children, "users"), Some(named(&[("users-2", 1)])));
    doubt();
    assert_eq!(
        known(&children, "users"),
        Some(named(&[("users-2", 1)])),
        "gone by all accounts"
    );
}

#[test]
fn what_a_list_does_not_tell_of_is_gone_and_said_to_be() {
    let children = Children::default();
    list(
        &children,
        &[object("users", "users", 1), object("users-2", "users", 2)],
    );
    children.note(KIND, Event::Init);
    children.note(KIND, Event::InitApply(object("users", "users", 1)));
    children.wrote(KIND, &object("users-3", "users", 3));
    let before = known(&children, "users").unwrap();
    assert_eq!(before.len(), 3, "until the list ends");
    let gone = children.note(KIND, Event::InitDone);
    let mut gone: Vec<String> = gone.iter().map(ResourceExt::name_any).collect();
    gone.sort();
    assert_eq!(gone, ["users-2", "users-3"]);
    assert_eq!(known(&children, "users"), Some(named(&[("users", 1)])));
}

#[test]
fn a_child_goes_with_its_labels() {
    let children = Children::default();
    list(&children, &[object("users", "users", 1)]);
    children.note(KIND, Event::Apply(object("users", "others", 2)));
    assert_eq!(known(&children, "users"), Some(named(&[])));
    assert_eq!(known(&children, "others"), Some(named(&[("users", 2)])));
    let mut bare = object("users", "others", 3);
    bare.metadata.labels = None;
    children.note(KIND, Event::Apply(bare));
    assert_eq!(known(&children, "others"), Some(named(&[])));
    assert!(children.lock().of.is_empty() && children.lock().objects.is_empty());
}

#[test]
fn a_kind_that_the_cluster_does_not_know_is_known_to_be_none() {
    let children = Children::default();
    list(&children, &[object("users", "users", 1)]);
    children.no_such_kind(KIND);
    assert_eq!(children.of("team-a", "users").remove(&KIND), Some(None));
    list(&children, &[object("users", "users", 1)]);
    assert_eq!(known(&children, "users"), Some(named(&[("users", 1)])));
}
