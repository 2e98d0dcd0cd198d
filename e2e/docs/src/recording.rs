//! The recording of the demo: made from what a run of it says, kept as an asciinema file, shown as a picture.

use std::{
    fmt::Write as _,
    io::BufRead,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

/// Where it is kept.
pub const CAST: &str = "docs/demo.cast";
/// What it looks like.
pub const PICTURE: &str = "docs/demo.svg";

/// What every command is shown after.
const PROMPT: &str = "$ ";
/// From here on the demo says how to go on by hand.
const END: &str = "The service keeps running.";
/// Nobody wants to look on while nothing happens, nor to read faster than this.
const LONGEST_PAUSE: f64 = 2.0;
const SHORTEST_PAUSE: f64 = 0.2;
/// How long the last line stays before a player begins anew.
const LAST_PAUSE: f64 = 3.0;

const COLUMNS: usize = 100;
const ROWS: usize = 30;
const WIDTH: f64 = 7.83;
const HEIGHT: f64 = 19.0;
const MARGIN: f64 = 14.0;

/// What the demo says as it says it, up to the end that belongs in a recording.
///
/// # Errors
/// If the demo ends before that, since it failed then.
pub fn record(said: impl BufRead, command: &str) -> Result<String> {
    let began = Instant::now();
    let mut lines = vec![(Duration::ZERO, format!("{PROMPT}{command}"))];
    let mut is_whole = false;
    for line in said.lines() {
        let line = line?;
        is_whole = line.starts_with(END);
        if is_whole {
            break;
        }
        lines.push((began.elapsed(), line));
    }
    if !is_whole {
        bail!("the demo did not come to its end");
    }
    while lines.last().is_some_and(|(_, line)| line.is_empty()) {
        lines.pop();
    }
    let mut cast = format!(
        "{}\n",
        json!({"version": 2, "width": COLUMNS, "height": ROWS, "title": command})
    );
    let (mut before, mut at) = (Duration::ZERO, 0.0);
    for (elapsed, line) in lines {
        at += elapsed
            .saturating_sub(before)
            .as_secs_f64()
            .clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        before = elapsed;
        let at = (at * 100.0).round() / 100.0;
        writeln!(cast, "{}", json!([at, "o", format!("{line}\r\n")]))?;
    }
    Ok(cast)
}

/// Times and lines of a recording.
///
/// # Errors
/// If it is none.
pub fn lines(cast: &str) -> Result<Vec<(f64, String)>> {
    let line = |line: &str| -> Result<(f64, String)> {
        let event: Value = serde_json::from_str(line)?;
        let at = event.get(0).and_then(Value::as_f64).context("a time")?;
        let text = event.get(2).and_then(Value::as_str).context("a text")?;
        Ok((at, text.trim_end_matches("\r\n").to_owned()))
    };
    cast.lines().skip(1).map(line).collect()
}

/// The commands in what a terminal showed.
pub fn commands<'a>(shown: impl Iterator<Item = &'a str>) -> Vec<String> {
    shown
        .filter_map(|line| line.strip_prefix(PROMPT))
        .map(str::to_owned)
        .collect()
}

/// The recording as a picture that plays once and ends with the last lines in view.
///
/// # Errors
/// If it is none.
pub fn picture(cast: &str) -> Result<String> {
    let lines = lines(cast)?;
    let last = lines.last().map_or(0.0, |(at, _)| *at);
    let (width, height) = (
        size(COLUMNS) * WIDTH + 2.0 * MARGIN,
        size(ROWS) * HEIGHT + 2.0 * MARGIN,
    );
    let scrolled = |line: usize| -size((line + 1).saturating_sub(ROWS)) * HEIGHT;
    let end = scrolled(lines.len().saturating_sub(1));
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,monospace" font-size="13">
<title>make demo: from one resource to a called service, its event, and kubectl userservice status</title>
<style>
text{{fill:#c9d1d9;white-space:pre}}.c{{fill:#7ee787;font-weight:bold}}.s{{fill:#8b949e}}
@media (prefers-reduced-motion:no-preference){{
text{{opacity:0;animation:show 0s forwards}}
.all{{animation:scroll {total:.2}s step-end forwards}}
}}
@keyframes show{{to{{opacity:1}}}}
@keyframes scroll{{0%{{transform:translateY(0)}}
"#,
        total = last + LAST_PAUSE
    );
    for (number, (at, _)) in lines.iter().enumerate().skip(ROWS) {
        let share = at / (last + LAST_PAUSE) * 100.0;
        writeln!(
            svg,
            "{share:.2}%{{transform:translateY({:.0}px)}}",
            scrolled(number)
        )?;
    }
    write!(
        svg,
        r##"100%{{transform:translateY({end:.0}px)}}}}
</style>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
<svg x="{MARGIN}" y="{MARGIN}" width="{:.0}" height="{:.0}"><g class="all" xml:space="preserve" style="transform:translateY({end:.0}px)">
"##,
        size(COLUMNS) * WIDTH,
        size(ROWS) * HEIGHT
    )?;
    for (number, (at, line)) in lines.iter().enumerate() {
        let class = match line {
            line if line.starts_with(PROMPT) => r#" class="c""#,
            line if line.starts_with('[') => r#" class="s""#,
            _ => "",
        };
        let y = size(number) * HEIGHT + 14.0;
        writeln!(
            svg,
            r#"<text{class} y="{y:.0}" style="animation-delay:{at:.2}s">{}</text>"#,
            escaped(line)
        )?;
    }
    svg.push_str("</g></svg>\n</svg>\n");
    Ok(svg)
}

fn escaped(line: &str) -> String {
    let short: String = line.chars().take(COLUMNS).collect();
    short
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn size(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}
