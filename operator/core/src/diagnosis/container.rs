//! What the kubelet says of one container.

use k8s_openapi::api::core::v1::{
    ContainerStateTerminated, ContainerStateWaiting, ContainerStatus,
};
use user_settings::exit_code;

use super::{Cause, Refusal, quoted};

/// Why a container does not do its work, if it does not.
pub(super) fn container_cause(status: &ContainerStatus) -> Option<Cause> {
    let state = status.state.clone().unwrap_or_default();
    if let Some(ended) = &state.terminated {
        // An init container that did its work.
        return (ended.exit_code != 0 || status.restart_count > 0).then(|| end(ended));
    }
    let last_end = status
        .last_state
        .as_ref()
        .and_then(|last| last.terminated.as_ref());
    if let Some(waiting) = &state.waiting {
        return waiting_cause(status, waiting, last_end);
    }
    if status.ready {
        return None;
    }
    // Restarted, and not further than it was: the last end still is what there is to say.
    match last_end.filter(|_| status.started != Some(true)) {
        Some(ended) => Some(end(ended)),
        None => state.running.is_some().then_some(Cause::NotReady),
    }
}

fn waiting_cause(
    status: &ContainerStatus,
    waiting: &ContainerStateWaiting,
    last_end: Option<&ContainerStateTerminated>,
) -> Option<Cause> {
    let message = waiting.message.as_deref().unwrap_or_default();
    let image = |word: &str, refusal| Cause::Image(word.to_owned(), status.image.clone(), refusal);
    match waiting.reason.as_deref()? {
        // The two take turns for as long as the cause lasts.
        "ErrImagePull" | "ImagePullBackOff" => Some(image("ImagePullBackOff", refusal(message))),
        "InvalidImageName" => Some(image("InvalidImageName", Refusal::Malformed)),
        word @ ("ErrImageNeverPull" | "ImageInspectError" | "RegistryUnavailable") => {
            Some(image(word, Refusal::Other))
        }
        "CreateContainerConfigError" => Some(Cause::Config(quoted(message))),
        word @ ("CreateContainerError" | "RunContainerError") => {
            Some(Cause::Start(word.to_owned()))
        }
        "ContainerCreating" => Some(Cause::Creating),
        // CrashLoopBackOff, and what else comes after an end.
        _ => last_end.map(end),
    }
}

fn end(ended: &ContainerStateTerminated) -> Cause {
    if ended.reason.as_deref() == Some("OOMKilled") {
        return Cause::OutOfMemory;
    }
    match ended.reason.as_deref() {
        Some(word @ ("StartError" | "ContainerCannotRun")) => Cause::Start(word.to_owned()),
        _ => Cause::Exit(ended.exit_code),
    }
}

/// Container runtimes word the same answer of a registry differently.
fn refusal(message: &str) -> Refusal {
    let message = message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if says(&[
        "unauthorized",
        "denied",
        "forbidden",
        "authentication required",
    ]) {
        Refusal::Denied
    } else if says(&["manifest unknown", "code = notfound", ": not found"]) {
        Refusal::Missing
    } else {
        Refusal::Other
    }
}

/// What an exit code of the service says.
pub(super) fn meaning(code: i32) -> &'static str {
    match u8::try_from(code) {
        Ok(exit_code::USAGE) => ": this image does not know its command line",
        Ok(exit_code::SCHEMA) => ": it cannot work with the schema in the database or the registry",
        Ok(exit_code::CONFIG) => ": a setting is wrong for this image, or a file that it names",
        _ => "",
    }
}
