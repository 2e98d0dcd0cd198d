//! What is generated from the command line itself.

use std::{io, path::PathBuf};

use clap::{Args, Command};
use clap_complete::Shell;

/// Print the completion of commands and flags for a shell, such as for
/// `source <(userservice-operator completion bash)`.
#[derive(Args, Clone, Debug)]
pub struct Completion {
    /// The shell.
    shell: Shell,
}

impl Completion {
    /// Prints the script for `command`.
    pub fn run(self, mut command: Command) {
        let name = command.get_name().to_owned();
        clap_complete::generate(self.shell, &mut command, name, &mut io::stdout());
    }
}

/// Write the manual pages, one for each command, into a folder.
#[derive(Args, Clone, Debug)]
pub struct Manual {
    /// A folder that exists.
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

impl Manual {
    /// Writes the pages of `command`.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn run(self, command: Command) -> io::Result<()> {
        clap_mangen::generate_to(command, self.folder)
    }
}
