//! Guessing made slow: after a few wrong passwords, each further try has to wait
//! longer, for the person and for the address it comes from. Both tables are
//! bounded. Nobody is locked out for good: a stranger who guesses at the
//! commander must not be able to keep the commander out on the night.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use weir_model::id::PersonId;

/// Wrong tries that cost nothing. A whole control room may share one address.
const PERSON_FREE: u32 = 5;
const SOURCE_FREE: u32 = 20;
/// The wait doubles from one second up to these.
const PERSON_WAIT_MAX: Duration = Duration::from_secs(30);
const SOURCE_WAIT_MAX: Duration = Duration::from_secs(120);
/// Nothing wrong for so long, and all is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(15 * 60);
const REMEMBERED: usize = 1024;

#[derive(Debug, Clone, Copy)]
struct Wrong {
    times: u32,
    last: Instant,
    until: Instant,
}

#[derive(Debug)]
struct Table<K> {
    wrong: HashMap<K, Wrong>,
    free: u32,
    wait_max: Duration,
}

impl<K: Eq + Hash + Clone> Table<K> {
    fn new(free: u32, wait_max: Duration) -> Self {
        Self { wrong: HashMap::new(), free, wait_max }
    }

    fn wait(&self, key: &K, now: Instant) -> Duration {
        self.wrong.get(key).map_or(Duration::ZERO, |one| one.until.saturating_duration_since(now))
    }

    fn wrong(&mut self, key: &K, now: Instant) {
        self.wrong.retain(|_, one| now.duration_since(one.last) < FORGOTTEN_AFTER);
        if self.wrong.len() >= REMEMBERED && !self.wrong.contains_key(key) {
            let oldest = self.wrong.iter().min_by_key(|(_, one)| one.last);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.wrong.remove(&oldest);
            }
        }
        let first = Wrong { times: 0, last: now, until: now };
        let one = self.wrong.entry(key.clone()).or_insert(first);
        one.times = one.times.saturating_add(1);
        one.last = now;
        if let Some(over) = one.times.checked_sub(self.free) {
            let wait = Duration::from_secs(1 << over.min(16));
            one.until = now + wait.min(self.wait_max);
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Tries {
    tables: Mutex<(Table<PersonId>, Table<IpAddr>)>,
}

impl Tries {
    pub(crate) fn new() -> Self {
        let tables =
            (Table::new(PERSON_FREE, PERSON_WAIT_MAX), Table::new(SOURCE_FREE, SOURCE_WAIT_MAX));
        Self { tables: Mutex::new(tables) }
    }

    /// Counts a try as wrong before it is looked at, so that a hundred tries
    /// sent at once are not all free; [`Tries::right`] takes it back.
    ///
    /// # Errors
    /// How long to wait.
    pub(crate) fn begin(
        &self,
        person: &PersonId,
        from: IpAddr,
        now: Instant,
    ) -> Result<(), Duration> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let (people, sources) = &mut *tables;
        let wait = people.wait(person, now).max(sources.wait(&from, now));
        if !wait.is_zero() {
            return Err(wait);
        }
        people.wrong(person, now);
        sources.wrong(&from, now);
        Ok(())
    }

    /// It was right: the person starts anew, the address gets its try back.
    pub(crate) fn right(&self, person: &PersonId, from: IpAddr) {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.0.wrong.remove(person);
        if let Some(one) = tables.1.wrong.get_mut(&from) {
            one.times = one.times.saturating_sub(1);
            one.until = one.last;
        }
    }
}
