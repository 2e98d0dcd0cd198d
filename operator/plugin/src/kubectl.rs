//! What the calling kubectl does better: running a command in a pod.

use std::process::Command;

use operator_commands::ConnectionArgs;

use crate::error::Error;

/// Container of the service in its pods.
pub(crate) const CONTAINER: &str = "user-service";
/// The service's binary in its image.
const BINARY: &str = "/usr/local/bin/user-service";

/// kubectl, for the same cluster, namespace and user.
pub(crate) struct Kubectl(Vec<String>);

impl Kubectl {
    pub(crate) fn new(connection: &ConnectionArgs, namespace: &str) -> Self {
        let mut flags = vec![format!("--namespace={namespace}")];
        flags.extend(
            connection
                .context
                .iter()
                .map(|context| format!("--context={context}")),
        );
        flags.extend(connection.as_user.iter().map(|user| format!("--as={user}")));
        let kubeconfig = connection.kubeconfig.iter();
        flags.extend(kubeconfig.map(|path| format!("--kubeconfig={}", path.display())));
        Self(flags)
    }

    pub(crate) fn dlq(&self, pod: &str, arguments: &[String]) -> Result<(), Error> {
        let mut all: Vec<String> = ["exec", pod, "--container", CONTAINER, "--", BINARY, "dlq"]
            .map(str::to_owned)
            .to_vec();
        all.extend_from_slice(arguments);
        self.run(&all)
    }

    /// Runs it with our own input and output.
    fn run(&self, arguments: &[String]) -> Result<(), Error> {
        let status = Command::new("kubectl")
            .args(&self.0)
            .args(arguments)
            .status()
            .map_err(Error::Kubectl)?;
        if status.success() {
            return Ok(());
        }
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        Err(Error::KubectlFailed(code.unwrap_or(2)))
    }
}
