//! One page as a script for bash, and what came of it.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{Block, Mark, Page, manifest::manifests, output, root};

/// The longest time that a page may take.
const BOUND: &str = "900";

const PRELUDE: &str = include_str!("page.sh");

const GO: [&str; 2] = [
    "package snippet\n\nimport (\n\"google.golang.org/grpc\"\n\"google.golang.org/grpc/credentials/insecure\"\n)\n\nfunc snippet() (*grpc.ClientConn, error) {\n",
    "return connection, err\n}\n",
];

/// A page that is being tried, in a folder for what its blocks say.
#[derive(Debug)]
pub struct Run<'a> {
    page: &'a Page,
    folder: PathBuf,
}

impl<'a> Run<'a> {
    /// Writes the page's blocks and the script that runs them into the folder, which is made anew.
    ///
    /// # Errors
    /// If it cannot be written, or a block not be read.
    pub fn prepare(page: &'a Page, folder: &Path) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
        let run = Self {
            page,
            folder: folder.to_owned(),
        };
        let mut script = PRELUDE.to_owned();
        for (number, block) in run.blocks() {
            let lines = run.lines(number, block).with_context(|| block.at.clone())?;
            write!(script, "\nbegan {number} {}\n{lines}ended\n", block.at)?;
        }
        fs::write(folder.join("page.sh"), script)?;
        Ok(run)
    }

    fn blocks(&self) -> impl Iterator<Item = (usize, &Block)> {
        self.page
            .blocks
            .iter()
            .enumerate()
            .filter(|(_, block)| block.is_run())
    }

    fn write(&self, name: &str, text: &str) -> Result<String> {
        fs::write(self.folder.join(name), text)?;
        Ok(format!("\"$WORK/{name}\""))
    }

    fn lines(&self, number: usize, block: &Block) -> Result<String> {
        Ok(match block.language.as_str() {
            "sh" => {
                let file = self.write(&format!("{number}.sh"), &block.text)?;
                let here = format!(". {file} >\"$WORK/{number}.out\" 2>&1 </dev/null\n");
                match block.marks().first() {
                    Some(Mark::Serves(port)) => format!("serves {number} {port}\n"),
                    Some(Mark::UntilStopped) => format!("until_stopped {number}\n"),
                    Some(Mark::Exits(code)) => {
                        format!("set +e\n{here}status=$?\nset -e\nexited {code} \"$status\"\n")
                    }
                    _ => here,
                }
            }
            "console" => {
                let (commands, _) = output::shown(&block.text);
                let file = self.write(&format!("{number}.sh"), &commands)?;
                // What is shown may be a failure.
                format!("set +e\n. {file} >\"$WORK/{number}.out\" 2>&1 </dev/null\nset -e\n")
            }
            "yaml" if block.marks().contains(&Mark::Values) => {
                let file = self.write(&format!("{number}.yaml"), &block.text)?;
                format!("values {number} {file}\n")
            }
            "yaml" => self.manifests(number, block)?,
            "go" => {
                let file = self.write(&format!("{number}.go"), &GO.join(&block.text))?;
                format!("compiles {number} {file}\n")
            }
            "json" | "text" => String::new(),
            other => bail!("there is no way to try a block of {other:?}"),
        })
    }

    fn manifests(&self, number: usize, block: &Block) -> Result<String> {
        let mut lines = String::new();
        for (part, manifest) in manifests(&block.text)?.iter().enumerate() {
            let file = self.write(&format!("{number}-{part}.yaml"), &manifest.text)?;
            if manifest.is_user_service {
                writeln!(lines, "valid {number} {file}")?;
            }
            writeln!(lines, "taken {number} {file}")?;
        }
        Ok(lines)
    }

    /// Runs it, and tells every way in which the page is wrong.
    ///
    /// # Errors
    /// If bash cannot be started.
    pub fn problems(&self) -> Result<Vec<String>> {
        // What cargo tells a test about itself is no reader's, and would have other programs compiled anew.
        let names = std::env::vars().map(|(name, _)| name);
        let of_cargo = names
            .filter(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"));
        let mut bash = Command::new("timeout");
        of_cargo.for_each(|name| {
            bash.env_remove(name);
        });
        let status = bash
            // In the group of the test, so that what ends the one ends the other.
            .args(["--foreground", "--kill-after=20", BOUND, "bash"])
            .arg(self.folder.join("page.sh"))
            .current_dir(root())
            .env("WORK", &self.folder)
            .status()?;
        if !status.success() {
            return Ok(vec![self.failure(status.code())]);
        }
        Ok(self
            .blocks()
            .filter_map(|(number, block)| self.differs(number, block))
            .collect())
    }

    /// What a block printed.
    pub fn output(&self, number: usize) -> String {
        fs::read_to_string(self.folder.join(format!("{number}.out"))).unwrap_or_default()
    }

    fn failure(&self, code: Option<i32>) -> String {
        let file = |name: &str| fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        let number: usize = file("current").trim().parse().unwrap_or_default();
        let block = self.page.blocks.get(number);
        let place = block.map_or_else(
            || self.page.path.clone(),
            |block| format!("{}:\n{}", block.at, block.text),
        );
        let said = self.output(number);
        let code = code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        format!("{place}ended with {code}. {}\n{said}", file("problem"))
    }

    /// In what a block differs from what was said.
    fn differs(&self, number: usize, block: &Block) -> Option<String> {
        match block.language.as_str() {
            "console" => {
                let (_, shown) = output::shown(&block.text);
                let said = self.output(number);
                let missing = output::missing(&shown, &said)?;
                Some(format!(
                    "{}: shown, and not said: {missing}\nsaid:\n{said}",
                    block.at
                ))
            }
            "json" => {
                let shown = serde_json::from_str(&block.text);
                let Ok(shown) = shown else {
                    return Some(format!("{}: no JSON", block.at));
                };
                let said = (0..self.page.blocks.len()).map(|number| self.output(number));
                let is_said = said
                    .flat_map(|said| documents(&said))
                    .any(|said| output::is_alike(&shown, &said));
                (!is_said).then(|| {
                    format!(
                        "{}: nothing on the page said anything with these fields",
                        block.at
                    )
                })
            }
            _ => None,
        }
    }
}

/// Everything in an output that is JSON, be it the whole or a line.
fn documents(said: &str) -> Vec<serde_json::Value> {
    let lines = said
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    lines.chain(serde_json::from_str(said).ok()).collect()
}
