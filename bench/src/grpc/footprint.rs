//! Memory, and the time to start.

use std::time::Duration;

use anyhow::Result;

use super::calls::Method;
use super::contenders::Contender;
use crate::figures::Latencies;
use crate::load::closed;
use crate::machine::Cores;

const STARTS: usize = 20;
const CALLERS: usize = 256;
const TURN: Duration = Duration::from_secs(2);
/// Near the 50,000 that the memory of ours holds.
const MOST_CREATED: usize = 40_000;

/// Of ours and of the others.
pub(super) async fn run(contenders: &[Contender], cores: &Cores) -> Result<()> {
    println!("Memory, and the time from before exec until it says that it serves");
    for contender in contenders {
        let mut starts = Latencies::new()?;
        for _ in 0..STARTS {
            let (process, _client) = contender.start(cores).await?;
            starts.add(process.started_in);
        }
        let (process, client) = contender.start(cores).await?;
        let idle = process.mebibytes("VmRSS")?;
        let client = client.with_users(0..1).await?;
        let finding = client.calls(Method::GetUser, "");
        closed(&finding, CALLERS, TURN, usize::MAX)
            .await?
            .all_accepted()?;
        let at_load = process.mebibytes("VmHWM")?;
        let creating = client.calls(Method::CreateUser, "load");
        let created = closed(&creating, CALLERS, 4 * TURN, MOST_CREATED)
            .await?
            .all_accepted()?;
        println!(
            "  {:12}  idle {idle:5.1} MiB  {CALLERS} callers {at_load:5.1} MiB  with {} users {:5.1} MiB  start p50 {:5.1} ms, slowest {:5.1} ms",
            contender.name,
            created.accepted.count(),
            process.mebibytes("VmHWM")?,
            starts.quantile_ms(0.5),
            starts.quantile_ms(1.0),
        );
    }
    println!("  goals of ours: idle 25 MiB, at load 64 MiB, start 100 ms");
    Ok(())
}
