//! A site's devices are driven by that site only: what other sites did is
//! merged and shown, and never done here too.

use weir_model::fact::Target;

use super::{Invariant, Seen};

#[derive(Default)]
pub(super) struct OnlyAtHome;

impl Invariant for OnlyAtHome {
    fn name(&self) -> &'static str {
        "only the home site drives its devices"
    }

    fn look(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let Seen::Nightfall(journals) = seen else { return Ok(()) };
        for sounded in &journals.ledger {
            // People are everybody's: the site of the launch calls them, alone or
            // together.
            let Target::Zone(zone) = &sounded.key.target else { continue };
            let (home, site) =
                (journals.fixture.homes.get(&sounded.node), journals.fixture.drives(zone));
            if home != site {
                return Err(format!("{} drove {zone}, which is {site:?}'s", sounded.node));
            }
        }
        Ok(())
    }
}
