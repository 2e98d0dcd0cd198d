//! Why pods cannot even be made.

use super::quoted;

/// What the API server said when a controller wanted to make a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PodRefusal {
    /// What it said, with what to do if that is known.
    pub(crate) message: String,
    /// Whether it will say the same until somebody changes something.
    pub(crate) is_final: bool,
}

/// Reads the words of the API server, in which the name of the pod differs each time.
pub(crate) fn pod_refusal(namespace: &str, words: &str) -> PodRefusal {
    let reason = words
        .split_once(" is forbidden: ")
        .map_or(words, |(_, reason)| reason);
    let next_step = next_step(namespace, reason);
    let next = next_step
        .as_ref()
        .map(|step| format!(" {step}"))
        .unwrap_or_default();
    PodRefusal {
        message: format!("Pods are refused: {}.{next}", quoted(reason)),
        is_final: next_step.is_some(),
    }
}

/// What to do about a rule that stands until somebody changes it. An account or a webhook that is
/// not there may come by itself.
fn next_step(namespace: &str, reason: &str) -> Option<String> {
    let says = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    if says(&["exceeded quota: ", "failed quota: "]) {
        return Some(format!(
            "Raise the quota, or lower spec.replicas or spec.pod.resources. See kubectl describe resourcequota -n {namespace}."
        ));
    }
    if says(&[
        " per Container is ",
        " per Pod is ",
        " ratio per Container ",
        " ratio per Pod ",
    ]) {
        return Some(format!(
            "Correct spec.pod.resources, or the LimitRange. See kubectl describe limitrange -n {namespace}."
        ));
    }
    if says(&["violates PodSecurity "]) {
        return Some(format!(
            "Correct spec.pod, or what the namespace enforces. See kubectl get namespace {namespace} --show-labels."
        ));
    }
    let is_policy = says(&[" denied the request", "ValidatingAdmissionPolicy "]);
    is_policy.then(|| "Correct spec.pod, or ask whoever owns the policy.".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_named_with_the_next_step_and_without_the_name_of_a_pod() {
        for (reason, step) in [
            (
                "exceeded quota: compute, requested: pods=1, used: pods=2, limited: pods=2",
                "kubectl describe resourcequota -n team-a.",
            ),
            (
                "failed quota: compute: must specify limits.cpu",
                "kubectl describe resourcequota -n team-a.",
            ),
            (
                "maximum cpu usage per Container is 100m, but limit is 1",
                "kubectl describe limitrange -n team-a.",
            ),
            (
                "violates PodSecurity \"restricted:latest\": hostPath volumes",
                "kubectl get namespace team-a --show-labels.",
            ),
        ] {
            let words = |pod: &str| format!("pods \"{pod}\" is forbidden: {reason}");
            let refusal = pod_refusal("team-a", &words("users-1-a"));
            assert!(refusal.is_final, "{refusal:?}");
            assert!(
                refusal
                    .message
                    .starts_with(&format!("Pods are refused: {reason}.")),
                "{refusal:?}"
            );
            assert!(refusal.message.ends_with(step), "{refusal:?}");
            assert_eq!(refusal, super::pod_refusal("team-a", &words("users-1-b")));
        }
        let denied = "admission webhook \"policy.example\" denied the request: no team label";
        assert!(pod_refusal("team-a", denied).is_final);
    }

    #[test]
    fn what_may_pass_by_itself_is_only_quoted() {
        for words in [
            "pods \"users-1\" is forbidden: error looking up service account team-a/users: serviceaccount \"users\" not found",
            "Internal error occurred: failed calling webhook \"policy.example\": connection refused",
        ] {
            let refusal = pod_refusal("team-a", words);
            assert!(!refusal.is_final, "{refusal:?}");
        }
    }
}
