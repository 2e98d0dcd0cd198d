//! Chance that can be repeated.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

/// Random choices that all follow from one seed (`SplitMix64`).
pub struct Chance(u64);

impl Chance {
    /// By `SCENARIO_SEED`, else by the clock. It is printed either way.
    ///
    /// # Errors
    /// If `SCENARIO_SEED` is no number.
    pub fn from_environment() -> Result<Self> {
        let seed = match std::env::var("SCENARIO_SEED") {
            Ok(seed) => seed.parse().context("SCENARIO_SEED")?,
            Err(_) => SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)?
                .as_secs(),
        };
        println!("SCENARIO_SEED={seed}");
        Ok(Self(seed))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below this one, which is not zero.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap_or(0)
    }

    /// A time between these two.
    pub fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let share = u32::try_from(self.below(1001)).unwrap_or(0);
        least + most.saturating_sub(least) * share / 1000
    }

    /// One of these; none if there is none.
    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.below(all.len().max(1)))
    }

    /// The same in another order.
    pub fn shuffled<T>(&mut self, mut all: Vec<T>) -> Vec<T> {
        for last in (1..all.len()).rev() {
            all.swap(last, self.below(last + 1));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_choices_and_another_one_others() {
        let choices = |seed| {
            let mut chance = Chance(seed);
            let moment = chance.between(Duration::ZERO, Duration::from_secs(3));
            (chance.shuffled((0..20).collect::<Vec<_>>()), moment)
        };
        assert_eq!(choices(1), choices(1));
        assert_ne!(choices(1), choices(2));
    }

    #[test]
    fn choices_stay_within_their_bounds() {
        let mut chance = Chance(7);
        let (least, most) = (Duration::from_secs(1), Duration::from_secs(2));
        for _ in 0..1000 {
            assert!((least..=most).contains(&chance.between(least, most)));
            assert!(chance.one_of(&[1, 2, 3]).is_some());
        }
        assert!(chance.one_of::<u8>(&[]).is_none());
    }
}
