//! Load on a server, from one thread: as fast as it answers, or at a rate whatever it answers.
//!
//! The thread spins while it waits. One that sleeps wakes late, the more so the busier the machine is, and the runtime's
//! timer is a millisecond coarse.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinHandle;
use tonic::{Code, Status};

use crate::figures::Latencies;

/// Calls that may be on their way in an open loop. A call that is due beyond them counts as unsent.
const MOST_IN_FLIGHT: usize = 8192;
/// How long the last calls may take.
const REST_WITHIN: Duration = Duration::from_secs(10);

/// One call by its number.
pub(crate) trait Call: Clone + Send + Sync + 'static {
    fn call(&self, number: usize) -> impl Future<Output = Result<(), Status>> + Send;
}

/// How calls ended.
pub(crate) struct Answers {
    pub(crate) accepted: Latencies,
    /// Refused because there were too many.
    pub(crate) refused: Latencies,
    pub(crate) failed: usize,
    /// What the first that failed said.
    pub(crate) failure: Option<Status>,
    pub(crate) unsent: usize,
    /// How long after it was due each call of an open loop was begun.
    pub(crate) late: Latencies,
    pub(crate) took: Duration,
}

impl Answers {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            accepted: Latencies::new()?,
            refused: Latencies::new()?,
            failed: 0,
            failure: None,
            unsent: 0,
            late: Latencies::new()?,
            took: Duration::ZERO,
        })
    }

    fn add(&mut self, answer: Result<(), Status>, took: Duration) {
        match answer {
            Ok(()) => self.accepted.add(took),
            Err(status) if status.code() == Code::ResourceExhausted => self.refused.add(took),
            Err(status) => {
                self.failed += 1;
                self.failure.get_or_insert(status);
            }
        }
    }

    /// Takes those of another turn in.
    pub(crate) fn merge(&mut self, other: Self) -> Result<()> {
        self.accepted.merge(&other.accepted)?;
        self.refused.merge(&other.refused)?;
        self.failed += other.failed;
        self.failure = self.failure.take().or(other.failure);
        self.unsent += other.unsent;
        self.late.merge(&other.late)?;
        self.took += other.took;
        Ok(())
    }

    /// Accepted calls each second.
    pub(crate) fn rate(&self) -> f64 {
        self.accepted.rate(self.took)
    }

    /// That there is nothing but accepted calls, as it has to be below what the server can do.
    pub(crate) fn all_accepted(self) -> Result<Self> {
        let refused = self.refused.count();
        anyhow::ensure!(
            refused == 0 && self.failed == 0 && self.unsent == 0,
            "{refused} calls were refused, {} failed, {} were not sent: {:?}",
            self.failed,
            self.unsent,
            self.failure
        );
        Ok(self)
    }
}

/// So many callers for so long, each with its next call as soon as it has the answer to the last one; and no more calls
/// than this.
pub(crate) async fn closed(
    call: &impl Call,
    callers: usize,
    lasts: Duration,
    most: usize,
) -> Result<Answers> {
    let answers = Arc::new(Mutex::new(Answers::new()?));
    let next = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let running: Vec<_> = (0..callers)
        .map(|_| {
            let (call, answers, next) = (call.clone(), Arc::clone(&answers), Arc::clone(&next));
            tokio::spawn(async move {
                while start.elapsed() < lasts {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= most {
                        break;
                    }
                    let sent = Instant::now();
                    let answer = call.call(number).await;
                    let took = sent.elapsed();
                    lock(&answers).add(answer, took);
                }
            })
        })
        .collect();
    let all = async {
        while !running.iter().all(JoinHandle::is_finished) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(lasts + REST_WITHIN, all).await?;
    finished(&answers, start.elapsed())
}

/// A call whenever one is due, whatever became of those before it. Latencies count from when it was due, so that a
/// server that holds calls up pays for those that came too late on its account.
pub(crate) async fn open(call: &impl Call, rate: f64, lasts: Duration) -> Result<Answers> {
    let answers = Arc::new(Mutex::new(Answers::new()?));
    let in_flight = Arc::new(AtomicUsize::new(0));
    let mut unsent = 0;
    let start = Instant::now();
    for number in 0_u32.. {
        let due_after = Duration::from_secs_f64(f64::from(number) / rate);
        if due_after >= lasts {
            break;
        }
        let due = start + due_after;
        loop {
            tokio::task::yield_now().await;
            if Instant::now() >= due {
                break;
            }
        }
        if in_flight.load(Ordering::Relaxed) >= MOST_IN_FLIGHT {
            unsent += 1;
            continue;
        }
        in_flight.fetch_add(1, Ordering::Relaxed);
        let (call, answers, in_flight) =
            (call.clone(), Arc::clone(&answers), Arc::clone(&in_flight));
        tokio::spawn(async move {
            let late = due.elapsed();
            let answer = call.call(usize::try_from(number).unwrap_or_default()).await;
            let took = due.elapsed();
            let mut answers = lock(&answers);
            answers.late.add(late);
            answers.add(answer, took);
            in_flight.fetch_sub(1, Ordering::Relaxed);
        });
    }
    let rest = async {
        while in_flight.load(Ordering::Relaxed) > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(REST_WITHIN, rest).await?;
    let mut answers = finished(&answers, start.elapsed())?;
    answers.unsent = unsent;
    Ok(answers)
}

fn lock(answers: &Mutex<Answers>) -> std::sync::MutexGuard<'_, Answers> {
    answers.lock().unwrap_or_else(PoisonError::into_inner)
}

fn finished(answers: &Mutex<Answers>, took: Duration) -> Result<Answers> {
    let mut done = std::mem::replace(&mut *lock(answers), Answers::new()?);
    done.took = took;
    Ok(done)
}
