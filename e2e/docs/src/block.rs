//! A fenced block, and what its info string says of how it is tried.

use std::fmt;

/// Why a block cannot be tried on the bed. The list is closed: whatever is not on it has to be tried.
pub const REASONS: [(&str, &str); 6] = [
    ("your-registry", "asks a container registry"),
    ("your-cluster", "means a cluster that is not the bed"),
    (
        "your-servers",
        "needs a database, brokers or accounts of the reader's",
    ),
    (
        "other-operator",
        "needs a definition that another operator brings",
    ),
    (
        "takes-minutes",
        "compiles for minutes what the tests compile elsewhere, or measures",
    ),
    (
        "ends-the-test",
        "is this very run, or takes away the cluster that it goes on",
    ),
];

/// How a block is tried, beyond what its language says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It goes on until the page ends; whoever comes next waits for this port.
    Serves(u16),
    /// It goes on until somebody stops it, and is stopped when it has said something.
    UntilStopped,
    /// Its last command ends with this code.
    Exits(u8),
    /// It holds values of the Helm chart.
    Values,
    /// It is not tried, for a reason of [`REASONS`].
    NotRun(String),
}

/// A fenced block of a page.
#[derive(Clone, Debug)]
pub struct Block {
    /// Page and line, as an editor finds them.
    pub at: String,
    /// The first word of the info string.
    pub language: String,
    /// The others.
    pub marks: Result<Vec<Mark>, String>,
    /// What is in it.
    pub text: String,
}

impl Block {
    pub(crate) fn new(path: &str, line: usize, info: &str) -> Self {
        let mut words = info.split_whitespace();
        Self {
            at: format!("{path}:{line}"),
            language: words.next().unwrap_or_default().to_owned(),
            marks: words.map(mark).collect(),
            text: String::new(),
        }
    }

    /// Whether it is tried.
    pub fn is_run(&self) -> bool {
        !self
            .marks()
            .iter()
            .any(|mark| matches!(mark, Mark::NotRun(_)))
    }

    /// Its marks, none where they cannot be read.
    pub fn marks(&self) -> &[Mark] {
        self.marks.as_deref().unwrap_or_default()
    }

    /// What keeps the tests from knowing what to do with it.
    pub fn problem(&self) -> Option<String> {
        let why = match &self.marks {
            Err(why) => why.clone(),
            Ok(marks) => marks.iter().find_map(|mark| self.misplaced(mark))?,
        };
        Some(format!("{}: {why}", self.at))
    }

    fn misplaced(&self, mark: &Mark) -> Option<String> {
        let language = match mark {
            Mark::Serves(_) | Mark::UntilStopped | Mark::Exits(_) => "sh",
            Mark::Values => "yaml",
            Mark::NotRun(_) => return None,
        };
        (self.language != language).then(|| format!("this mark belongs to {language} alone"))
    }
}

impl fmt::Display for Block {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.text.lines().next().unwrap_or_default();
        write!(out, "{}: {first}", self.at)
    }
}

fn mark(word: &str) -> Result<Mark, String> {
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    match name {
        "serves" => value
            .parse()
            .map(Mark::Serves)
            .map_err(|_| format!("{word}: no port")),
        "until-stopped" => Ok(Mark::UntilStopped),
        "exits" => value
            .parse()
            .map(Mark::Exits)
            .map_err(|_| format!("{word}: no exit code")),
        "values" => Ok(Mark::Values),
        "not-run" if REASONS.iter().any(|(reason, _)| *reason == value) => {
            Ok(Mark::NotRun(value.to_owned()))
        }
        "not-run" => {
            let known: Vec<&str> = REASONS.iter().map(|(reason, _)| *reason).collect();
            Err(format!("{word}: no reason; known are {}", known.join(", ")))
        }
        _ => Err(format!("{word}: unknown mark")),
    }
}
