//! How the operator and its commands are told of a server.

use std::path::{Path, PathBuf};

use serde_json::json;

/// A kubeconfig in a file, which is removed with it. The namespace of its context is `operators`.
#[derive(Debug)]
pub(crate) struct Kubeconfig(PathBuf);

impl Kubeconfig {
    /// For a server by its address. `name` is that of no other file of tests.
    pub(crate) fn write(name: &str, server: &str) -> Self {
        let path = std::env::temp_dir().join(format!("{name}.kubeconfig"));
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": server}}],
            "users": [{"name": "test", "user": {}}],
            "contexts": [{"name": "test", "context": {
                "cluster": "test", "user": "test", "namespace": "operators",
            }}],
        });
        std::fs::write(&path, config.to_string()).unwrap();
        Self(path)
    }
}

impl AsRef<Path> for Kubeconfig {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Kubeconfig {
    fn drop(&mut self) {
        // It lies among other temporary files otherwise.
        let _ = std::fs::remove_file(&self.0);
    }
}
