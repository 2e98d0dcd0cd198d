//! The gRPC tier: our service beside a bare server of the transport library, and beside one in Go.
//!
//! Each server is a process of its own and has one core; the generator has the others. What a call costs is CPU time of
//! the server, so that the generator does not count.

mod calls;
mod certificates;
mod compare;
mod contenders;
mod footprint;
mod histogram;
mod overload;
mod witness;

use anyhow::Result;

use crate::machine::Cores;
use calls::Method;
use certificates::Certificates;
use compare::compare;
use contenders::Contender;

const TURNS: usize = 5;
const TURNS_WITH_TLS: usize = 3;

pub(crate) async fn run() -> Result<()> {
    let cores = Cores::split();
    cores.keep_to_the_generators()?;
    println!("\nCalls on 8 connections; {cores}");
    let contenders = [Contender::ours(&[]), Contender::echo(), Contender::go()];
    let certificates = Certificates::issue()?;
    let with_tls = [
        Contender::ours_with_tls(&certificates),
        Contender::echo_with_tls(&certificates),
    ];
    for method in [Method::CreateUser, Method::GetUser] {
        compare(&contenders, method, TURNS, &cores).await?;
    }
    witness::run(&contenders, &cores).await?;
    println!("By mutual TLS, ours and bare tonic alike");
    for method in [Method::CreateUser, Method::GetUser] {
        compare(&with_tls, method, TURNS_WITH_TLS, &cores).await?;
    }
    footprint::run(&contenders, &cores).await
}

/// Ours alone, with more calls than it can answer.
pub(crate) async fn overload() -> Result<()> {
    let cores = Cores::split();
    cores.keep_to_the_generators()?;
    println!("\nOverload; {cores}");
    overload::run(&cores).await
}
