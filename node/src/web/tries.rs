//! Guessing made slow: after a few wrong passwords, each further try has to wait
//! longer, for the person as tried from that network and for the network. Both
//! tables are bounded. It refuses to make anybody wait for what was tried from
//! elsewhere: a stranger who guesses at the commander must not be able to keep
//! the commander out on the night.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use weir_model::id::PersonId;

/// Wrong tries that cost nothing. A whole control room may share one network.
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

    /// The try that began at `at` was none. A wait that a later one brought
    /// stays.
    fn take_back(&mut self, key: &K, at: Instant) {
        let Some(one) = self.wrong.get_mut(key) else { return };
        one.times = one.times.saturating_sub(1);
        if one.last == at {
            one.until = at;
        }
    }
}

/// One try, from its beginning until it is known to be right or wrong.
#[derive(Debug)]
pub(crate) struct Try {
    person: PersonId,
    network: IpAddr,
    at: Instant,
}

#[derive(Debug)]
struct Tables {
    people: Table<(PersonId, IpAddr)>,
    networks: Table<IpAddr>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Tries(Mutex<Tables>);

impl Tries {
    pub(crate) fn new() -> Self {
        let people = Table::new(PERSON_FREE, PERSON_WAIT_MAX);
        let networks = Table::new(SOURCE_FREE, SOURCE_WAIT_MAX);
        Self(Mutex::new(Tables { people, networks }))
    }

    /// Counts a try as wrong before it is looked at, so that a hundred tries
    /// sent at once are not all free; [`Tries::right`] and [`Tries::unknown`]
    /// take it back. `network` is as [`super::server::Source::network`] has it.
    ///
    /// # Errors
    /// How long to wait.
    pub(crate) fn begin(
        &self,
        person: &PersonId,
        network: IpAddr,
        at: Instant,
    ) -> Result<Try, Duration> {
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Tables { people, networks } = &mut *tables;
        let key = (person.clone(), network);
        let wait = people.wait(&key, at).max(networks.wait(&network, at));
        if !wait.is_zero() {
            return Err(wait);
        }
        people.wrong(&key, at);
        networks.wrong(&network, at);
        Ok(Try { person: key.0, network, at })
    }

    /// It was right: the person starts anew there, the network gets its try
    /// back.
    pub(crate) fn right(&self, one: Try) {
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tables.networks.take_back(&one.network, one.at);
        tables.people.wrong.remove(&(one.person, one.network));
    }

    /// Nobody looked whether it was right: it taught nothing, and costs nothing.
    pub(crate) fn unknown(&self, one: Try) {
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tables.networks.take_back(&one.network, one.at);
        tables.people.take_back(&(one.person, one.network), one.at);
    }
}
